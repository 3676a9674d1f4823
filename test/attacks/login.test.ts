import { generateKeyPair } from 'jose'
import t from 'tap'
import type { Reply } from '../helpers/client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const world = await startWorld(t)
const { url, pool, application } = world
const host = new URL(url).host

/** Begins a sign-in as a browser and gives back what the user pool was asked. */
async function begin(more = '', on: World = world) {
  const browser = on.client()
  const answer = await browser.ask(`${on.url}/oauth2/start?rd=/page${more}`)
  const asked = new URL(answer.header('location') ?? '').searchParams
  return { browser, state: asked.get('state') ?? '', asked }
}
/** Signs in at the user pool and stops before the callback, which it gives back. */
async function comeBack(on: World = world, username = 'alice') {
  const browser = on.client()
  const login = await browser.visit(`${on.url}/page`)
  const answer = await browser.submit(login, { username, password: 'Passw0rd!' }, { follow: false })
  return { browser, callback: answer.header('location') ?? '' }
}
const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }
const tokenCalls = (on: World = world): number => on.pool.calls['token'] ?? 0
const session = (reply: Reply): boolean =>
  [reply.headers['set-cookie'] ?? []].flat().some((line) => /^__Host-gateway=[^;]/.test(line))

/** A sign-in at a token endpoint that never answers: begun here and looked at in the end, because it takes its time. */
const endless = (async () => {
  const slow = await startWorld(t)
  const { browser, callback } = await comeBack(slow)
  slow.pool.faults.push({ on: 'token', hang: true })
  const startedAt = performance.now()
  const answer = await browser.ask(callback, { headers: page })
  return { answer, seconds: (performance.now() - startedAt) / 1000 }
})()

t.test('L01 a callback without a genuine state is a page, asks no token and sets no session', async (t) => {
  const { browser, state } = await begin()
  const before = tokenCalls()
  const other = await startWorld(t)
  const foreign = (await begin('', other)).state
  const queries = [
    `code=abc`,
    `code=abc&state=`,
    `code=abc&state=${state}&state=${state}`,
    `code=abc&state=${foreign}`,
    `code=abc&state=${state.slice(0, -2)}`,
    `code=abc&state=${'A'.repeat(5000)}`,
  ]
  for (const query of queries) {
    const answer = await browser.ask(`${url}/oauth2/callback?${query}`, { headers: page })
    t.equal(answer.status, 400, query.slice(0, 40))
    t.equal(answer.header('x-gateway-code'), 'GW_SIGN_IN_STATE_INVALID')
    t.match(answer.text, 'Sign in again')
    t.notOk(session(answer))
  }
  t.equal(tokenCalls(), before)
})

t.test('L02 a malformed code never reaches the token endpoint', async (t) => {
  const before = tokenCalls()
  for (const code of ['', 'a'.repeat(8192), 'a%00b', '%3Cscript%3E']) {
    const { browser, state } = await begin()
    const answer = await browser.ask(`${url}/oauth2/callback?code=${code.slice(0, 4000)}&state=${state}`, {
      headers: page,
    })
    t.ok([400, 414].includes(answer.status), code.slice(0, 20))
  }
  const { browser, state } = await begin()
  t.equal((await browser.ask(`${url}/oauth2/callback?code=a&code=b&state=${state}`, { headers: page })).status, 400)
  t.equal(tokenCalls(), before)
})

t.test("L04 someone else's callback signs nobody in", async (t) => {
  const { callback } = await comeBack()
  const victim = world.client()
  const before = tokenCalls()
  const answer = await victim.ask(callback, { headers: page })
  t.equal(answer.status, 302, 'it begins a sign-in of the victim instead')
  t.match(answer.header('location'), `${pool.url}/oauth2/authorize`)
  t.notOk(session(answer))
  t.equal(tokenCalls(), before, "the attacker's code is not used")
})

t.test('L05 a callback that is opened again only leads back, and the code is used once', async (t) => {
  const { browser, callback } = await comeBack()
  t.equal((await browser.ask(callback, { headers: page })).status, 303)
  const before = tokenCalls()
  const again = await browser.ask(callback, { headers: page })
  t.equal(again.status, 303)
  t.equal(again.header('location'), '/page')
  t.equal(tokenCalls(), before)
})

t.test('a callback whose attempt is gone starts over once, and the second time is a page, not a loop', async (t) => {
  const { browser, callback } = await comeBack()
  const forget = (): void => {
    for (const name of browser.jarOf(host).keys()) browser.jarOf(host).delete(name)
  }
  forget()
  const again = await browser.ask(callback, { headers: page })
  t.equal(again.status, 302)
  const second = await browser.ask(again.header('location') ?? '', { headers: page })
  t.match(second.header('location'), `${url}/oauth2/callback`, 'the user pool still knows the person')
  forget()
  const stopped = await browser.ask(second.header('location') ?? '', { headers: page })
  t.equal(stopped.status, 400)
  t.equal(stopped.header('x-gateway-code'), 'GW_SIGN_IN_COOKIES_BLOCKED')
})

t.test('whoever took a quarter of an hour for the password is signed in all the same, by starting over', async (t) => {
  const { browser, callback } = await comeBack()
  world.clock.advance(900)
  const landed = await browser.visit(callback)
  t.equal(landed.status, 200)
  t.equal(landed.url, `${url}/page`)
})

t.test('a sign-in that took more than an hour ends in a page', async (t) => {
  const { browser, callback } = await comeBack()
  world.clock.advance(3_700)
  const answer = await browser.ask(callback, { headers: page })
  t.equal(answer.status, 400)
  t.equal(answer.header('x-gateway-code'), 'GW_SIGN_IN_EXPIRED')
})

t.test('L06 L08 L09 L10 tokens that are not exactly right never become a session', async (t) => {
  const now = (): number => Math.floor(world.clock.now() / 1000)
  const { privateKey: foreignKey } = await generateKeyPair('RS256')
  type Claims = Record<string, unknown>
  const without =
    (name: string) =>
    (claims: Claims): Claims =>
      Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name))
  const cases: readonly (readonly [string, 'id' | 'access', (claims: Claims) => Claims])[] = [
    ['L06 another nonce', 'id', (claims) => ({ ...claims, nonce: 'x' })],
    ['L06 no nonce', 'id', without('nonce')],
    [
      'L10 another issuer',
      'id',
      (claims) => ({ ...claims, iss: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Other' }),
    ],
    ['L10 no issuer', 'id', without('iss')],
    ['L10 another audience', 'id', (claims) => ({ ...claims, aud: 'another' })],
    ['L10 two audiences', 'id', (claims) => ({ ...claims, aud: [claims['aud'], 'another'] })],
    ['L10 no audience', 'id', without('aud')],
    ['L10 no subject', 'id', without('sub')],
    ['L10 two people', 'id', (claims) => ({ ...claims, sub: 'another' })],
    ['L10 no issue time', 'id', without('iat')],
    ['L10 issued in the future', 'id', (claims) => ({ ...claims, iat: now() + 300 })],
    ['L10 expired', 'id', (claims) => ({ ...claims, exp: now() - 60 })],
    ['L10 without an end', 'id', without('exp')],
    ['T09 an access token for an ID token', 'id', (claims) => ({ ...claims, token_use: 'access' })],
    ['an ID token for an access token', 'access', (claims) => ({ ...claims, token_use: 'id' })],
    ['an access token of another client', 'access', (claims) => ({ ...claims, client_id: 'another' })],
    ['an access token of another pool', 'access', (claims) => ({ ...claims, iss: 'https://evil.example/pool' })],
  ]
  for (const [what, kind, change] of cases) {
    const { browser, callback } = await comeBack()
    pool.tamper = (tampered, claims) => (tampered === kind ? { claims: change(claims) } : undefined)
    const answer = await browser.ask(callback, { headers: page })
    pool.tamper = undefined
    t.equal(answer.status, 502, what)
    t.notOk(session(answer), what)
  }
  const { browser, callback } = await comeBack()
  pool.tamper = () => ({ signWith: foreignKey })
  const forged = await browser.ask(callback, { headers: page })
  pool.tamper = undefined
  t.equal(forged.header('x-gateway-code'), 'GW_SIGN_IN_TOKENS_INVALID', 'L09 a wrong signature')
  t.notOk(session(forged))
})

t.test(
  'L10 T01 T02 tokens that are signed in another way, or by a key that nobody published, never become a session',
  async (t) => {
    type Header = Readonly<Record<string, unknown>>
    const cases: readonly (readonly [string, (header: Header) => Header])[] = [
      ['unsigned', (header) => ({ ...header, alg: 'none' })],
      ['signed with the public key as a shared secret', (header) => ({ ...header, alg: 'HS256' })],
      ['an unknown key id', (header) => ({ ...header, kid: 'nobody-published-this' })],
      ['no key id', ({ kid: _kid, ...header }) => header],
    ]
    for (const [what, change] of cases) {
      for (const kind of ['id', 'access'] as const) {
        const { browser, callback } = await comeBack()
        pool.tamper = (tampered, claims, header) => (tampered === kind ? { claims, header: change(header) } : undefined)
        const answer = await browser.ask(callback, { headers: page })
        pool.tamper = undefined
        t.ok([502, 503].includes(answer.status), `${what}, ${kind} token: ${answer.status}`)
        t.notOk(session(answer), what)
      }
    }
  },
)

t.test('L08 no ID token, no session', async (t) => {
  const { browser, callback } = await comeBack()
  pool.faults.push({
    on: 'token',
    status: 200,
    body: { access_token: 'x', token_type: 'Bearer', expires_in: 3600 },
  })
  const answer = await browser.ask(callback, { headers: page })
  t.equal(answer.status, 502)
  t.notOk(session(answer))
})

t.test('L13 whatever the token endpoint answers, a sign-in ends in a page', async (t) => {
  const faults: readonly (readonly [string, object, string])[] = [
    ['refused', { status: 400, body: { error: 'invalid_grant' } }, 'GW_SIGN_IN_REFUSED'],
    ['the client is unknown', { status: 400, body: { error: 'invalid_client' } }, 'GW_SIGN_IN_MISCONFIGURED'],
    ['the client may not', { status: 400, body: { error: 'unauthorized_client' } }, 'GW_SIGN_IN_MISCONFIGURED'],
    ['throttled', { status: 429, body: { message: 'Rate exceeded' } }, 'GW_POOL_UNAVAILABLE'],
    ['broken', { status: 500, body: { error: 'server_error' } }, 'GW_POOL_UNAVAILABLE'],
    [
      'a page instead of JSON',
      { status: 502, rawBody: '<html>', headers: { 'content-type': 'text/html' } },
      'GW_POOL_UNAVAILABLE',
    ],
    ['reset', { reset: true }, 'GW_POOL_UNAVAILABLE'],
    [
      'the same name twice',
      {
        status: 200,
        rawBody: '{"access_token":"x","token_type":"Bearer","access_token":"y"}',
        headers: { 'content-type': 'application/json' },
      },
      'GW_POOL_UNAVAILABLE',
    ],
    ['cut off', { status: 200, rawBody: '{"access_token":', headers: { 'content-type': 'application/json' } }, ''],
    ['a list', { status: 200, body: [] }, ''],
    ['another token type', { status: 200, body: { token_type: 'mac', access_token: 'x', id_token: 'x' } }, ''],
    [
      'far too long',
      { status: 200, rawBody: `{"x":"${'x'.repeat(5_000_000)}"}`, headers: { 'content-type': 'application/json' } },
      'GW_POOL_UNAVAILABLE',
    ],
  ]
  for (const [what, fault, code] of faults) {
    // What failed before must not keep this one from the token endpoint.
    world.clock.advance(4)
    const { browser, callback } = await comeBack()
    const before = tokenCalls()
    pool.faults.push({ on: 'token', ...fault })
    const answer = await browser.ask(callback, { headers: page })
    t.equal(tokenCalls(), before + 1, `${what} was met`)
    t.ok([502, 503].includes(answer.status), `${what}: ${answer.status}`)
    if (code !== '') t.equal(answer.header('x-gateway-code'), code, what)
    if (answer.status === 503) t.ok(answer.header('retry-after'), `${what} says when to try again`)
    t.notOk(session(answer))
    t.match(answer.text, /Sign in again|Try again/)
  }
  world.clock.advance(4)
  const { browser, callback } = await comeBack()
  t.equal((await browser.ask(callback, { headers: page })).status, 303, 'and the next one is as good as ever')
})

t.test('L14 errors of Cognito end in a page of fixed words', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['error=access_denied&error_description=%3Cscript%3Ealert(1)%3C/script%3E', 'GW_SIGN_IN_CANCELLED'],
    ['error_description=invalid_scope&error=invalid_request', 'GW_SIGN_IN_MISCONFIGURED'],
    ['error=unauthorized_client', 'GW_SIGN_IN_MISCONFIGURED'],
    ['error=server_error&error_description=canary-text', 'GW_SIGN_IN_REFUSED'],
    ['error=%3Cimg%20src=x%3E&error_uri=javascript:alert(1)', 'GW_SIGN_IN_REFUSED'],
    [`error=unknown&error_description=${'x'.repeat(3000)}`, 'GW_SIGN_IN_REFUSED'],
  ]
  for (const [query, code] of cases) {
    for (const withState of [true, false]) {
      const { browser, state } = await begin()
      const answer = await browser.ask(`${url}/oauth2/callback?${query}${withState ? `&state=${state}` : ''}`, {
        headers: page,
      })
      t.equal(answer.header('x-gateway-code'), code, `${query.slice(0, 40)} ${withState ? 'with' : 'without'} state`)
      t.notMatch(answer.text, /<script|<img|javascript:|canary-text|xxxx/)
    }
  }
})

t.test('a person who cancels at the other provider reads that, and can sign in again', async (t) => {
  const { browser, state } = await begin()
  const answer = await browser.ask(`${url}/oauth2/callback?error=access_denied&state=${state}`, { headers: page })
  t.equal(answer.status, 403)
  t.match(answer.text, /\/oauth2\/start\?rd=%2Fpage/)
})

t.test(
  'L16 whoever signs in again and again without bringing the session back gets a page, not another round',
  async (t) => {
    const loop = await startWorld(t)
    const browser = loop.client()
    let answer = await browser.signIn(`${loop.url}/page`)
    t.equal(answer.status, 200)
    const { host } = new URL(loop.url)
    for (let round = 0; round < 6 && answer.status === 200; round += 1) {
      browser.jarOf(host).delete('__Host-gateway')
      answer = await browser.visit(`${loop.url}/page`)
    }
    t.equal(answer.status, 400)
    t.equal(answer.header('x-gateway-code'), 'GW_SIGN_IN_LOOP')
    t.match(answer.text, /Reference [\w-]{36}/)
    t.equal((await browser.visit(`${loop.url}/page`)).status, 200, 'a click tries anew')
    t.match(await loop.metrics(), 'logins_total{pool="local",result="failed",reason="login_loop"} 1')
  },
)

t.test('L17 of twenty tabs five sign-ins are kept, in small cookies, and every tab ends where it wanted', async (t) => {
  const tabs = await startWorld(t)
  const browser = tabs.client()
  const pages: Reply[] = []
  for (let tab = 0; tab < 20; tab += 1) pages.push(await browser.visit(`${tabs.url}/tab-${tab}`))
  const jar = browser.jarOf(new URL(tabs.url).host)
  t.equal(jar.size, 5)
  t.ok([...jar].reduce((sum, [name, value]) => sum + name.length + value.length, 0) < 4_096)
  for (const tab of [19, 3, 17, 0, 11]) {
    const opened = pages[tab]
    if (opened === undefined) throw new Error('no such tab')
    const landed = await browser.submit(opened, { username: 'alice', password: 'Passw0rd!' })
    t.equal(landed.url, `${tabs.url}/tab-${tab}`)
  }
})

t.test('L18 sign-ins that nobody finishes leave nothing behind in the gateway', async (t) => {
  const before = process.memoryUsage().heapUsed
  const browser = world.client()
  for (let at = 0; at < 300; at += 1) {
    browser.jarOf(host).clear()
    await browser.ask(`${url}/oauth2/start?rd=/x`)
  }
  t.ok(process.memoryUsage().heapUsed - before < 64_000_000)
})

t.test('L20 the answer to a callback keeps the code out of history, caches and referrers', async (t) => {
  const { browser, callback } = await comeBack()
  const answer = await browser.ask(callback, { headers: page })
  t.equal(answer.status, 303)
  t.equal(answer.header('location'), '/page')
  t.equal(answer.header('cache-control'), 'no-store')
  t.equal(answer.header('referrer-policy'), 'no-referrer')
})

t.test('L21 L32 a callback by POST is refused, and so are tokens in the query', async (t) => {
  const { browser, state } = await begin()
  t.equal(
    (await browser.ask(`${url}/oauth2/callback?code=x&state=${state}`, { method: 'POST', headers: page })).status,
    405,
  )
  for (const query of ['id_token=x', 'access_token=x']) {
    t.equal((await browser.ask(`${url}/oauth2/callback?${query}&code=x&state=${state}`, { headers: page })).status, 400)
  }
})

t.test('L22 the callback address comes from the settings, never from what the client sends', async (t) => {
  const answer = await world.client().ask(`${url}/oauth2/start?rd=/`, {
    headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' },
  })
  t.equal(new URL(answer.header('location') ?? '').searchParams.get('redirect_uri'), `${url}/oauth2/callback`)
})

t.test('L24 a sign-in begun by somebody else goes to our pool and back to our site only', async (t) => {
  const answer = await world
    .client()
    .ask(`${url}/oauth2/start?iss=https://evil.example&target_link_uri=https://evil.example/&rd=https://evil.example/`)
  t.equal(new URL(answer.header('location') ?? '').origin, pool.url)
})

t.test('L26 what is no page gets 401 and no cookie of a sign-in', async (t) => {
  const cases: readonly (readonly [string, Record<string, string>, string])[] = [
    ['fetch', { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' }, 'GET'],
    ['XHR', { 'x-requested-with': 'XMLHttpRequest', accept: 'text/html' }, 'GET'],
    ['any type', { accept: '*/*' }, 'GET'],
    ['JSON', { accept: 'application/json' }, 'GET'],
    ['an image', { 'sec-fetch-dest': 'image' }, 'GET'],
    ['a manifest', { 'sec-fetch-dest': 'manifest', 'sec-fetch-mode': 'cors' }, 'GET'],
    ['a script', { 'sec-fetch-dest': 'script', accept: '*/*' }, 'GET'],
    ['a style', { 'sec-fetch-dest': 'style', accept: 'text/css,*/*;q=0.1' }, 'GET'],
    ['prefetch', { 'sec-fetch-dest': 'document', 'sec-purpose': 'prefetch', accept: 'text/html' }, 'GET'],
    ['prefetch, as older browsers say it', { 'x-moz': 'prefetch', accept: 'text/html' }, 'GET'],
    ['a POST', { accept: '*/*' }, 'POST'],
  ]
  for (const [what, headers, method] of cases) {
    const answer = await world.client().ask(`${url}/page`, { method, headers })
    t.equal(answer.status, 401, what)
    t.equal(answer.json().code, 'GW_SIGN_IN_REQUIRED', what)
    t.ok(answer.json().signIn.startsWith(`${url}/oauth2/start?rd=`), what)
    t.ok(answer.header('www-authenticate'), what)
    t.equal(answer.header('set-cookie'), undefined, what)
  }
})

t.test('a form that is posted without a session gets a page that says nothing was sent', async (t) => {
  const answer = await world.client().ask(`${url}/form`, { method: 'POST', headers: page, body: 'a=1' })
  t.equal(answer.status, 401)
  t.match(answer.header('content-type'), 'text/html')
  t.match(answer.text, /nothing was sent|not been sent|was not sent/i)
})

t.test('L28 thirty seconds of clock difference are forgiven, five minutes are not', async (t) => {
  const near = await comeBack()
  pool.tamper = (_kind, claims) => ({ claims: { ...claims, iat: Number(claims['iat']) + 25 } })
  t.equal((await near.browser.ask(near.callback, { headers: page })).status, 303)
  const far = await comeBack()
  pool.tamper = (_kind, claims) => ({ claims: { ...claims, iat: Number(claims['iat']) + 300 } })
  t.equal((await far.browser.ask(far.callback, { headers: page })).status, 502)
  pool.tamper = undefined
})

t.test('L30 a person is known by subject, never by e-mail', async (t) => {
  const {
    url: site,
    client,
    application: seen,
  } = await startWorld(t, {
    pool: {
      users: {
        one: { password: 'Passw0rd!', groups: [], attributes: { email: 'same@example.com', email_verified: 'true' } },
        two: { password: 'Passw0rd!', groups: [], attributes: { email: 'same@example.com', email_verified: 'true' } },
      },
    },
  })
  await client().signIn(`${site}/`, 'one')
  const first = seen.last().headers['x-forwarded-user']
  await client().signIn(`${site}/`, 'two')
  t.not(seen.last().headers['x-forwarded-user'], first)
})

t.test('L34 no page of ours can be framed', async (t) => {
  for (const path of ['/oauth2/signed_out', '/oauth2/sign_out', '/oauth2/callback']) {
    const answer = await world.client().ask(url + path, { headers: page })
    t.match(answer.header('content-security-policy'), "frame-ancestors 'none'", path)
    t.equal(answer.header('x-frame-options'), 'DENY')
  }
  const framed = await world
    .client()
    .ask(`${url}/page`, { headers: { 'sec-fetch-dest': 'iframe', accept: 'text/html' } })
  t.equal(framed.status, 401)
  t.match(framed.text, 'target="_top"')
})

t.test('L36 C25 two hundred sign-ins at once never mix people up', async (t) => {
  const names = Array.from({ length: 20 }, (_, at) => `person${at}`)
  const crowd = await startWorld(t, {
    settings: { pools: { local: { requestsPerSecond: 1_000 } } },
    pool: {
      users: Object.fromEntries(
        names.map((name) => [
          name,
          {
            password: 'Passw0rd!',
            groups: [name],
            attributes: { email: `${name}@example.com`, email_verified: 'true' },
          },
        ]),
      ),
    },
  })
  const poolHost = new URL(crowd.pool.url).host
  const atPool = await Promise.all(
    names.map(async (name) => {
      const browser = crowd.client()
      await browser.signIn(`${crowd.url}/${name}`, name)
      return { name, cookies: browser.jarOf(poolHost) }
    }),
  )
  // Everybody opens ten more browsers, which the pool knows already: that many passwords would take a minute to check.
  const callbacks = await Promise.all(
    atPool
      .flatMap((person) => Array.from({ length: 10 }, (_, nth) => ({ ...person, path: `/${person.name}/${nth}` })))
      .map(async ({ name, cookies, path }) => {
        const browser = crowd.client()
        browser.cookies.set(poolHost, new Map(cookies))
        const begun = await browser.ask(`${crowd.url}/oauth2/start?rd=${path}`)
        const known = await browser.ask(begun.header('location') ?? '', { headers: page })
        return { name, path, browser, callback: known.header('location') ?? '' }
      }),
  )
  // All are under way; fifty come back at any time, or the last would wait longer for the pool than the gateway does.
  const told: Record<'name' | 'path' | 'email' | 'groups' | 'url', string>[] = []
  const queue = callbacks.values()
  const comeBack = async (): Promise<void> => {
    for (const { name, path, browser, callback } of queue) {
      const landed = await browser.visit(callback)
      if (landed.status !== 200) throw new Error(`${path}: ${landed.status} ${landed.header('x-gateway-code')}`)
      const { headers, url } = landed.json()
      told.push({ name, path, email: headers['x-forwarded-email'], groups: headers['x-forwarded-groups'], url })
    }
  }
  await Promise.all(Array.from({ length: 50 }, comeBack))
  t.equal(told.length, 200)
  for (const { name, path, email, groups, url } of told)
    t.same([email, groups, url], [`${name}@example.com`, name, path])
})

t.test('K18 L12 L33 a pool whose discovery cannot be trusted signs nobody in, and the gateway lives on', async (t) => {
  const shapes: readonly (readonly [string, object])[] = [
    ['another issuer', { body: { issuer: 'https://evil.example' } }],
    ['a page', { rawBody: '<html>', headers: { 'content-type': 'text/html' } }],
    ['far too long', { rawBody: `{"x":"${'x'.repeat(1_000_000)}"}`, headers: { 'content-type': 'application/json' } }],
    ['a redirect', { status: 302, headers: { location: 'https://evil.example/' }, body: '' }],
  ]
  for (const [what, fault] of shapes) {
    const fresh = await startWorld(t)
    fresh.pool.faults.push({ on: 'discovery', status: 200, ...fault })
    const answer = await fresh.client().ask(`${fresh.url}/oauth2/start?rd=/`, { headers: page })
    t.equal(answer.status, 503, what)
    t.equal(answer.header('x-gateway-code'), 'GW_POOL_UNAVAILABLE')
    fresh.clock.advance(2)
    t.equal((await fresh.client().ask(`${fresh.url}/oauth2/start?rd=/`)).status, 302, 'and recovers')
  }
})

t.test('the application saw only people who were signed in', async (t) => {
  t.ok(
    application.seen.every(
      (request) => request.headers['x-forwarded-user'] !== undefined || request.url.startsWith('/public'),
    ),
  )
})

t.test('L25 a sign-in cannot come back on another host', async (t) => {
  const { browser, callback } = await comeBack()
  const before = tokenCalls()
  const answer = await browser.ask(callback, { headers: { ...page, host: 'other.example' } })
  t.equal(answer.status, 421)
  t.notOk(session(answer))
  t.equal(tokenCalls(), before)
})

t.test('L13 a token endpoint that does not answer is waited for five seconds', async (t) => {
  const { answer, seconds } = await endless
  t.equal(answer.status, 503)
  t.equal(answer.header('x-gateway-code'), 'GW_POOL_UNAVAILABLE')
  t.ok(answer.header('retry-after'))
  t.notOk(session(answer))
  t.ok(seconds > 4.5 && seconds < 30, `${seconds} seconds`)
})
