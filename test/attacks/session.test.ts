import { randomBytes } from 'node:crypto'
import t from 'tap'
import { newIds } from '../../src/adapters/session-store.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const world = await startWorld(t)
const { url, port, pool, application } = world
const host = new URL(url).host

async function signedIn(on = world, username = 'alice') {
  const browser = on.client()
  await browser.signIn(`${on.url}/`, username)
  const jar = browser.jarOf(new URL(on.url).host)
  return { browser, jar, cookie: jar.get('__Host-gateway') ?? '' }
}
const asked = async (cookie: string, target = '/page') =>
  sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\n\r\n`)

t.test('C01 C20 the session cookie is host-bound, hidden from scripts, and fits', async (t) => {
  const browser = world.client()
  const login = await browser.visit(`${url}/`)
  const landed = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.status, 200)
  const { cookie } = await signedIn()
  t.ok(cookie.length + '__Host-gateway'.length <= 4_096)
  t.match(world.log.join(''), '"status":303')
  const seen = await signedIn()
  world.clock.advance(301)
  const answer = await seen.browser.ask(`${url}/page`)
  const line = [answer.headers['set-cookie'] ?? []].flat().find((one) => one.startsWith('__Host-gateway='))
  t.match(line, /^__Host-gateway=[\w.-]+; Max-Age=\d+; Path=\/; Secure; HttpOnly; SameSite=Lax$/)
})

t.test('C03 C33 no truncated, changed or invented cookie is a session, and all of them look alike', async (t) => {
  const { cookie } = await signedIn()
  const bodies = new Set<string>()
  const values = [
    cookie.slice(0, -1),
    cookie.slice(0, 100),
    cookie.slice(1),
    `${cookie}A`,
    `A${cookie.slice(1)}`,
    `${cookie}=`,
    `"${cookie}"`,
    '',
    '.',
    '....',
    'x'.repeat(4000),
    randomBytes(200).toString('base64url'),
  ]
  for (const value of values) {
    const answer = await asked(`__Host-gateway=${value}`)
    t.equal(answer.status, 401, value.slice(0, 20))
    t.match(answer.text, /set-cookie: __Host-gateway=; Max-Age=0/i, 'and is cleared')
    bodies.add(answer.body.replaceAll(/"requestId":"[^"]*"/g, ''))
  }
  t.equal(bodies.size, 1)
})

t.test('C04 the cookie of a sign-in is no session, and a session is no sign-in', async (t) => {
  const browser = world.client()
  await browser.ask(`${url}/oauth2/start?rd=/`)
  const [name, attempt] = [...browser.jarOf(host)][0] ?? ['', '']
  t.match(name, /^__Host-gateway-login-/)
  t.equal((await asked(`__Host-gateway=${attempt}`)).status, 401)
  const { cookie } = await signedIn()
  const answer = await sendRaw(
    port,
    `GET /oauth2/callback?code=x&state=${cookie.replaceAll('.', '-')} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${name}=${cookie}\r\n\r\n`,
  )
  t.equal(answer.status, 400)
})

t.test('C05 the session of another gateway is none here', async (t) => {
  const other = await startWorld(t)
  const { cookie } = await signedIn(other)
  t.equal((await asked(`__Host-gateway=${cookie}`)).status, 401)
})

t.test('C07 a copied cookie is worth nothing after the sign-out', async (t) => {
  const { browser, cookie } = await signedIn()
  t.equal((await asked(`__Host-gateway=${cookie}`)).status, 200)
  await browser.submit(await browser.visit(`${url}/oauth2/sign_out`), {})
  t.equal((await asked(`__Host-gateway=${cookie}`)).status, 401)
})

t.test('C07 T17 a removed group and a disabled person lose access within five minutes', async (t) => {
  const own = await startWorld(t)
  const { browser } = await signedIn(own)
  t.equal((await browser.ask(`${own.url}/admin/x`)).status, 200)
  own.pool.setUser('alice', { groups: [] })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/admin/x`)).status, 403, 'no groups claim means no groups')
  own.pool.setUser('alice', { enabled: false })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 401)
  t.equal((await browser.ask(`${own.url}/page`)).status, 401, 'and stays without')
})

t.test('C08 C09 a sign-in makes a new session, and the one that was there before ends', async (t) => {
  const { browser, cookie } = await signedIn()
  pool.calls['revoke'] = 0
  const login = await browser.visit(`${url}/oauth2/start?rd=/other`)
  t.equal(login.status, 200, "Cognito's session makes it silent")
  const after = browser.jarOf(host).get('__Host-gateway') ?? ''
  t.not(after, cookie)
  t.equal((await asked(`__Host-gateway=${cookie}`)).status, 401, 'the old one is dead')
  t.equal((await asked(`__Host-gateway=${after}`)).status, 200)
})

t.test('C11 a session ends when it is idle and when it is old, to the second', async (t) => {
  const own = await startWorld(t, {
    settings: { session: { keys: [{ file: 'session-key' }], idleTimeoutSeconds: 600, maxAgeSeconds: 1500 } },
  })
  const { browser } = await signedIn(own)
  own.clock.advance(599)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  own.clock.advance(599)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200, 'use keeps it alive')
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  own.clock.advance(1)
  t.equal((await browser.ask(`${own.url}/page`)).status, 401, 'but never beyond its age')
  const idle = await signedIn(own)
  own.clock.advance(600)
  t.equal((await idle.browser.ask(`${own.url}/page`)).status, 401)
})

const manyGroups = Array.from({ length: 170 }, () => randomBytes(12).toString('hex'))
t.test('a session that is too large for one cookie takes a second', async (t) => {
  const large = await startWorld(t, {
    pool: {
      users: {
        alice: {
          password: 'Passw0rd!',
          groups: manyGroups,
          attributes: { email: 'alice@example.com', email_verified: 'true' },
        },
      },
    },
  })
  const at = new URL(large.url)
  const { browser, jar } = await signedIn(large)
  const [first, second] = [jar.get('__Host-gateway') ?? '', jar.get('__Host-gateway.1') ?? '']
  t.ok(first.length > 3_900 && second.length > 0, `${first.length} and ${second.length} bytes`)
  t.equal((await browser.ask(`${large.url}/page`)).status, 200)
  const ask = async (cookie: string) =>
    sendRaw(large.port, `GET /page HTTP/1.1\r\nHost: ${at.host}\r\nCookie: ${cookie}\r\n\r\n`)

  t.test('C13 in pieces, in disorder or with a piece too many it is none, and every piece is cleared', async (t) => {
    const other = await signedIn(large)
    const cases: Readonly<Record<string, string>> = {
      'without the second': `__Host-gateway=${first}`,
      'without the first': `__Host-gateway.1=${second}`,
      exchanged: `__Host-gateway=${second}; __Host-gateway.1=${first}`,
      'the second of another session': `__Host-gateway=${first}; __Host-gateway.1=${other.jar.get('__Host-gateway.1')}`,
      'the second twice': `__Host-gateway=${first}; __Host-gateway.1=${second}; __Host-gateway.1=${second}`,
    }
    for (const [what, cookie] of Object.entries(cases)) {
      const answer = await ask(cookie)
      t.equal(answer.status, 401, what)
      t.match(answer.text, /set-cookie: __Host-gateway=; Max-Age=0/i)
      t.match(answer.text, /set-cookie: __Host-gateway\.1=; Max-Age=0/i)
    }
    t.equal(
      (await ask(`__Host-gateway.1=${second}; __Host-gateway=${first}`)).status,
      200,
      'the order of the cookies does not matter',
    )
    t.equal(
      (await ask(`__Host-gateway=${first}; __Host-gateway.1=${second}; __Host-gateway.2=x`)).status,
      200,
      'a third is not ours',
    )
  })

  t.test(
    'C15 C16 when it shrinks to one cookie the second is deleted with the attributes it was set with',
    async (t) => {
      large.pool.setUser('alice', { groups: ['admins'] })
      large.clock.advance(301)
      const answer = await browser.ask(`${large.url}/page`)
      t.ok(
        [answer.headers['set-cookie'] ?? []]
          .flat()
          .includes('__Host-gateway.1=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax'),
      )
      t.equal(jar.has('__Host-gateway.1'), false)
      t.equal((await browser.ask(`${large.url}/page`)).status, 200)
    },
  )
})

t.test('a session that fits no two cookies is a clear error with its size in the log', async (t) => {
  const groups = Array.from({ length: 420 }, () => randomBytes(12).toString('hex'))
  const huge = await startWorld(t, {
    pool: {
      users: {
        alice: { password: 'Passw0rd!', groups, attributes: { email: 'a@example.com', email_verified: 'true' } },
      },
    },
  })
  const answer = await huge.client().signIn(`${huge.url}/`)
  t.equal(answer.status, 500)
  t.equal(answer.header('x-gateway-code'), 'GW_SESSION_TOO_LARGE')
  t.match(huge.log.join(''), /needs \d+ bytes of cookies/)
})

t.test('C17 two cookies with our name are no session, whichever comes first', async (t) => {
  const { cookie } = await signedIn()
  for (const header of [
    `__Host-gateway=x; __Host-gateway=${cookie}`,
    `__Host-gateway=${cookie}; __Host-gateway=x`,
    `__Host-gateway=${cookie}; __host-gateway=x`,
    `__Host-gateway=${cookie}; __Host-gateway =x`,
  ]) {
    t.equal((await asked(header)).status, 401, header.slice(0, 40))
  }
})

t.test('C19 only the name with the prefix is read', async (t) => {
  const { cookie } = await signedIn()
  for (const name of ['gateway', '__Secure-gateway', 'Host-gateway', '__host-gateway'])
    t.equal((await asked(`${name}=${cookie}`)).status, 401, name)
})

t.test('C21 a form of another site that posts with the cookie is refused', async (t) => {
  const { browser } = await signedIn()
  const post = async (headers: Record<string, string>) =>
    browser.ask(`${url}/form`, { method: 'POST', headers, body: 'a=1' })
  for (const headers of [
    { origin: 'https://evil.example' },
    { origin: 'null' },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
  ]) {
    const answer = await post(headers)
    t.equal(answer.status, 403, JSON.stringify(headers))
    t.equal(answer.header('x-gateway-code'), 'GW_CROSS_ORIGIN')
  }
  t.equal((await post({ origin: url })).status, 200)
  t.equal((await post({})).status, 200, 'a program sends no Origin')
})

t.test('C23 every sign-in of one person is a session of its own, with an id that nobody guesses', async (t) => {
  const cookies = new Set<string>()
  for (let at = 0; at < 5; at += 1) cookies.add((await signedIn()).cookie)
  t.equal(cookies.size, 5)
  const ids = new Set(Array.from({ length: 10_000 }, () => newIds().id))
  t.equal(ids.size, 10_000)
  t.ok([...ids].every((id) => /^[\w-]{22}$/.test(id) && Buffer.from(id, 'base64url').length === 16))
  const ones = Array.from({ length: 128 }, () => 0)
  for (const id of ids) {
    const bytes = Buffer.from(id, 'base64url')
    for (const bit of ones.keys()) ones[bit] = (ones[bit] ?? 0) + (((bytes[bit >> 3] ?? 0) >> (bit & 7)) & 1)
  }
  t.ok(
    ones.every((count) => count > 4_600 && count < 5_400),
    'every bit is one half of the time',
  )
})

t.test('C27 a rotated refresh token whose answer got lost still works from the old cookie', async (t) => {
  const own = await startWorld(t, { client: { rotation: { graceSeconds: 0 } } })
  const { browser, cookie } = await signedIn(own)
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  const ask = async () =>
    sendRaw(
      own.port,
      `GET /page HTTP/1.1\r\nHost: ${new URL(own.url).host}\r\nCookie: __Host-gateway=${cookie}\r\n\r\n`,
    )
  t.equal((await ask()).status, 200, 'the result of the first refresh is shared')
  own.clock.advance(60)
  t.equal((await ask()).status, 401, 'later it is a clean new sign-in, not a loop')
})

t.test('forty requests with tokens that are due cause one refresh, with rotation and no grace', async (t) => {
  const own = await startWorld(t, { client: { rotation: { graceSeconds: 0 } } })
  const { browser } = await signedIn(own)
  own.clock.advance(301)
  const before = own.pool.calls['token'] ?? 0
  const answers = await Promise.all(Array.from({ length: 40 }, async (_, at) => browser.ask(`${own.url}/page/${at}`)))
  t.ok(answers.every((answer) => answer.status === 200))
  t.equal((own.pool.calls['token'] ?? 0) - before, 1)
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200, 'and the new refresh token was kept')
})

t.test('C28 RL10 an outage of Cognito signs nobody out until token and grace are over, and then says so', async (t) => {
  const own = await startWorld(t)
  const { browser, jar } = await signedIn(own)
  const down = (): void => {
    own.pool.faults.length = 0
    own.pool.faults.push({ on: 'token', times: 1000, status: 503, body: {} })
  }
  down()
  for (const seconds of [301, 900, 1200, 1200]) {
    own.clock.advance(seconds)
    t.equal((await browser.ask(`${own.url}/page`)).status, 200, 'goes on with what is known')
  }
  own.clock.advance(310)
  const answer = await browser.ask(`${own.url}/page`)
  t.equal(answer.status, 503)
  t.equal(answer.json().code, 'GW_POOL_UNAVAILABLE')
  t.ok(answer.header('retry-after'))
  t.ok(jar.has('__Host-gateway'), 'the cookie is kept')
  own.pool.faults.length = 0
  own.clock.advance(8)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200, 'all is well within ten seconds after Cognito is back')
})

t.test('C28 a refresh token that Cognito refuses ends the session at once', async (t) => {
  const own = await startWorld(t)
  const { browser, jar } = await signedIn(own)
  own.pool.faults.push({ on: 'token', status: 400, body: { error: 'invalid_grant' } })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 401)
  own.pool.calls['token'] = 0
  const again = await browser.ask(`${own.url}/page`)
  t.equal(again.status, 401)
  t.equal(again.header('set-cookie'), undefined, 'the cookie may go on telling whose session it was')
  t.ok(jar.has('__Host-gateway'))
  t.equal(own.pool.calls['token'], 0, 'Cognito is not asked a second time')
  t.match(await own.metrics(), /sessions_ended_total\{reason="refresh_rejected"\} 1\n/)
})

t.test('C28 a mistake in the app client signs nobody out', async (t) => {
  const own = await startWorld(t)
  const { browser, jar } = await signedIn(own)
  own.pool.faults.push({ on: 'token', status: 400, body: { error: 'invalid_client' } })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  t.ok(jar.has('__Host-gateway'))
})

t.test('C28 a person whose session Cognito ends early reads that, and comes back to the same place', async (t) => {
  const own = await startWorld(t)
  const { browser } = await signedIn(own)
  own.pool.faults.push({ on: 'token', status: 400, body: { error: 'invalid_grant' } })
  own.clock.advance(301)
  const told = await browser.visit(`${own.url}/page?of=mine`)
  t.equal(told.status, 401)
  t.match(told.text, /Your session has ended/)
  t.match(told.header('www-authenticate'), 'Bearer')
  t.equal(told.header('cache-control'), 'no-store')
  const href = /href="([^"]*)">Sign in again/.exec(told.text)?.[1] ?? ''
  t.equal(href, '/oauth2/start?rd=%2Fpage%3Fof%3Dmine')
  t.equal((await browser.visit(own.url + href)).json().url, '/page?of=mine')
})

t.test('a session whose time is over leads to sign in without a word', async (t) => {
  const own = await startWorld(t)
  const { browser } = await signedIn(own)
  own.clock.advance(43_200)
  const answer = await browser.ask(`${own.url}/page`, {
    headers: { 'sec-fetch-dest': 'document', accept: 'text/html' },
  })
  t.equal(answer.status, 302)
})

t.test('C29 refreshed tokens for anybody or anything else, or of another sign-in, end the session aloud', async (t) => {
  const own = await startWorld(t)
  const changes = [
    { sub: 'another' },
    { auth_time: 1 },
    { iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other1234' },
    { aud: 'another-client' },
    { client_id: 'another-client' },
    { token_use: 'refresh' },
  ]
  for (const change of changes) {
    own.pool.tamper = undefined
    const { browser } = await signedIn(own)
    own.pool.tamper = (_kind, claims) => ({
      claims: { ...claims, ...Object.fromEntries(Object.entries(change).filter(([name]) => name in claims)) },
    })
    own.clock.advance(301)
    const told = own.log.filter((line) => line.includes('refresh_foreign')).length
    t.equal((await browser.ask(`${own.url}/page`)).status, 401, JSON.stringify(change))
    t.equal(own.log.filter((line) => line.includes('refresh_foreign')).length, told + 1)
  }
})

t.test('C28 refreshed tokens that are only broken sign nobody out', async (t) => {
  const own = await startWorld(t)
  const { browser } = await signedIn(own)
  own.pool.tamper = (_kind, claims) => ({ claims: { ...claims, exp: 1 } })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  own.pool.tamper = undefined
  own.clock.advance(8)
  const before = own.pool.calls['token'] ?? 0
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  t.equal(own.pool.calls['token'], before + 1)
})

t.test('C27 a new refresh token is kept although the tokens with it cannot be verified yet', async (t) => {
  const own = await startWorld(t, { client: { rotation: { graceSeconds: 0 } } })
  const { browser, jar } = await signedIn(own)
  const old = jar.get('__Host-gateway')
  await own.pool.rotateKeys({ keep: false })
  own.pool.faults.push({ on: 'jwks', status: 503, times: 'always' })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  t.not(jar.get('__Host-gateway'), old, 'the browser holds it')
  own.pool.faults.length = 0
  // By then nothing is remembered here: the cookie alone counts.
  own.clock.advance(60)
  t.equal((await browser.ask(`${own.url}/page`)).status, 200)
  t.match(await own.metrics(), /token_refreshes_total\{result="renewed",reason=""\} 1\n/)
})

t.test('C07 a refresh replaces the claims whole: who is in no group any more has none', async (t) => {
  const own = await startWorld(t)
  const { browser } = await signedIn(own)
  t.equal((await browser.ask(`${own.url}/admin/x`)).status, 200)
  own.pool.setUser('alice', { groups: [] })
  own.clock.advance(301)
  t.equal((await browser.ask(`${own.url}/admin/x`)).status, 403)
})

t.test(
  'C31 C32 refreshed cookies travel on every answer but never on one that a shared cache keeps as it is',
  async (t) => {
    const own = await startWorld(t, {
      answer: (request, response) => {
        if (request.url === '/static.css') response.setHeader('cache-control', 'public, max-age=600')
        response.end('ok')
      },
    })
    const { browser } = await signedIn(own)
    own.clock.advance(299)
    const idle = await startWorld(t, {
      settings: { session: { keys: [{ file: 'session-key' }], idleTimeoutSeconds: 600 } },
      answer: (_request, response) => {
        response.setHeader('cache-control', 'public, max-age=600')
        response.end('ok')
      },
    })
    const lazy = await signedIn(idle)
    idle.clock.advance(61)
    const cached = await lazy.browser.ask(`${idle.url}/static.css`)
    t.equal(cached.header('set-cookie'), undefined, 'a mere renewal waits for another answer')
    t.equal(cached.header('cache-control'), 'public, max-age=600')
    own.clock.advance(2)
    const refreshed = await browser.ask(`${own.url}/static.css`)
    t.ok(refreshed.header('set-cookie'), 'a refreshed session must not be lost')
    t.equal(refreshed.header('cache-control'), 'private, no-cache', 'so the answer is no longer for everybody')
    own.clock.advance(301)
    const refused = await (await signedIn(own, 'bob')).browser.ask(`${own.url}/admin/x`)
    t.equal(refused.status, 403)
  },
)

t.test('C32 a refusal after a refresh carries the refreshed cookie too', async (t) => {
  const own = await startWorld(t)
  const { browser } = await signedIn(own, 'bob')
  own.clock.advance(301)
  const refused = await browser.ask(`${own.url}/admin/x`)
  t.equal(refused.status, 403)
  t.match(refused.header('set-cookie'), /^__Host-gateway=[^;]/)
})

t.test('C35 the largest cookies of ours fit the headers that we accept', async (t) => {
  const padding = 'x'.repeat(15_000)
  const { cookie } = await signedIn()
  t.equal((await asked(`__Host-gateway=${cookie}; app=${padding}`)).status, 200)
})

t.test('nothing above ever reached the application without a person', async (t) => {
  t.ok(application.seen.every((request) => request.headers['x-forwarded-user'] !== undefined))
})
