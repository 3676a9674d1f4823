import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import type { Client } from '../helpers/client.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { startReplica, type Replica } from '../helpers/replicas.ts'
import { until } from '../helpers/until.ts'
import { openWebSocket, startEchoApplication } from '../helpers/web-socket.ts'
import { CLIENT_ID, CONTROL_TOKEN, startServing, startWorld, type World, type WorldOptions } from '../helpers/world.ts'

const skip = noRedis ?? false
const redis = noRedis === undefined ? await startRedis(t) : undefined

interface Teardown {
  teardown(fn: () => unknown): unknown
}

interface Pair {
  readonly one: World
  readonly other: Replica
}

/** Two gateways of one Redis, unless said otherwise, with control ports. */
async function startPair(t: Teardown, options: WorldOptions = {}): Promise<Pair> {
  const one = await startWorld(t, {
    ...(redis === undefined ? {} : { redisUrl: redis.url }),
    ...options,
    settings: {
      control: { port: 0, token: { file: 'control-token' } },
      pools: { local: { bearerClients: ['orders-batch', CLIENT_ID] } },
      ...options.settings,
    },
  })
  return { one, other: await startReplica(t, one) }
}

async function signedIn({ one }: Pair, name = 'alice'): Promise<Client> {
  const browser = one.client()
  await browser.signIn(`${one.url}/`, name)
  return browser
}

const cookieIn = ({ one }: Pair, browser: Client): string =>
  `__Host-gateway=${browser.jarOf(new URL(one.url).host).get('__Host-gateway') ?? ''}`

/** What each replica says to a cookie, whatever its browser has been told. */
async function statuses({ one, other }: Pair, cookie: string): Promise<readonly number[]> {
  const asked = [`${one.url}/page`, `${other.url}/page`].map(async (url) =>
    one.client().ask(url, { headers: { cookie } }),
  )
  return (await Promise.all(asked)).map(({ status }) => status)
}

const signOut = async ({ one }: Pair, browser: Client, form?: RegExp): Promise<unknown> =>
  browser.submit(await browser.visit(`${one.url}/oauth2/sign_out`), {}, form === undefined ? {} : { form })

const EVERYWHERE = /name="everywhere"/

async function revoke(
  { controlUrl }: Pick<World, 'controlUrl'>,
  body: unknown,
): Promise<{ status: number; answer: any }> {
  const response = await fetch(`${controlUrl}/revoke`, {
    method: 'POST',
    headers: { authorization: `Bearer ${CONTROL_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, answer: await response.json() }
}

const linesOf = ({ log }: Pick<World, 'log'>, event: string): readonly Record<string, unknown>[] =>
  log.map((line) => JSON.parse(line)).filter((line) => line.event === event)

for (const store of ['cookie', 'redis']) {
  t.test(
    `C07 O07 O13 a sign-out at one replica ends the session at the others within five seconds, and what is open there: store ${store}`,
    { skip },
    async (t) => {
      const echo = await startEchoApplication(t)
      const pair = await startPair(t, {
        session: { store },
        settings: {
          applications: {
            sample: {
              upstream: '%UPSTREAM%',
              access: 'signedIn',
              routes: { ws: { path: '/ws/*', upstream: echo.url }, public: { path: '/public/*', access: 'public' } },
            },
          },
        },
        answer(request, response) {
          if (request.url !== '/events') return void response.end('ok')
          response.writeHead(200, { 'content-type': 'text/event-stream' })
          response.write('data: 1\n\n')
        },
      })
      const { one, other } = pair
      const browser = await signedIn(pair)
      const cookie = cookieIn(pair, browser)
      t.same(await statuses(pair, cookie), [200, 200])
      const socket = await openWebSocket(t, `${other.url}/ws/x`, { headers: { cookie, origin: one.url } })
      t.equal(String(await socket.say('hello')), 'hello')
      const events = await fetch(`${other.url}/events`, { headers: { cookie } })

      const signedOutAt = performance.now()
      await signOut(pair, browser)
      t.equal((await statuses(pair, cookie))[0], 401, 'at once where it happened')
      t.same(await socket.closed, [4401, 'session ended'])
      // The end of a stream that is broken off is an error to who reads it.
      await events.text().catch(() => undefined)
      t.same(await statuses(pair, cookie), [401, 401])
      t.ok(performance.now() - signedOutAt < 5_000)
    },
  )
}

t.test('O08 a refresh at one replica does not outlive a sign-out at another', { skip }, async (t) => {
  const pair = await startPair(t)
  const { one, other } = pair
  const browser = await signedIn(pair)
  const cookie = cookieIn(pair, browser)
  const confirm = await browser.visit(`${one.url}/oauth2/sign_out`)
  one.pool.faults.push({ on: 'token', delayMs: 1_600 })
  one.clock.advance(301)
  const before = one.pool.calls['token'] ?? 0
  const running = one.client().ask(`${other.url}/page`, { headers: { cookie } })
  await until(() => (one.pool.calls['token'] ?? 0) > before)
  await browser.submit(confirm, {})
  const late = await running
  t.notMatch(late.header('set-cookie') ?? '', /^__Host-gateway=[^;]/)
  t.same(await statuses(pair, cookie), [401, 401])
})

t.test(
  'a person who signs out on all devices is signed out on all of them, with their tokens, and nobody else is',
  { skip },
  async (t) => {
    const pair = await startPair(t)
    const { one, other } = pair
    const [here, there, bob] = [await signedIn(pair), await signedIn(pair), await signedIn(pair, 'bob')]
    const cookies = [here, there, bob].map((browser) => cookieIn(pair, browser))
    const { access_token: token } = await one.pool.issueTokens({ clientId: CLIENT_ID, username: 'alice' })
    const bearer = async () => one.client().ask(`${other.url}/page`, { headers: { authorization: `Bearer ${token}` } })
    t.equal((await bearer()).status, 200)

    await signOut(pair, here, EVERYWHERE)
    const [first = '', second = '', bobs = ''] = cookies
    t.equal((await statuses(pair, second))[0], 401)
    await until(async () => (await statuses(pair, second))[1] === 401)
    t.same(await statuses(pair, first), [401, 401])
    t.same(await statuses(pair, bobs), [200, 200])
    const refused = await bearer()
    t.equal(refused.status, 401)
    t.match(linesOf(other, 'request').at(-1), { code: 'GW_TOKEN_INVALID', reason: 'token_revoked' })
    t.match(linesOf(one, 'revoked'), [{ what: 'person', by: 'sign_out', client: '127.0.0.1' }])

    // The other browser still has Cognito's own session, which must not let it in.
    one.clock.advance(2)
    const asked = await there.visit(`${one.url}/page`)
    t.match(asked.url, `${one.pool.url}/login`, 'the password is asked for')
    const back = await there.submit(asked, { username: 'alice', password: 'Passw0rd!' })
    t.equal(back.url, `${one.url}/page`)
    t.equal(back.status, 200)

    await one.gateway.close()
    const again = await startServing(t, one)
    t.same(await statuses(pair, second), [401, 401], 'and after a restart')
    t.same(await statuses(pair, cookieIn(pair, there)), [200, 200])
    await again.gateway.close()
  },
)

t.test(
  'a sign-in that Cognito brings back from before a revocation ends in a page, never in a loop',
  { skip },
  async (t) => {
    const pair = await startPair(t)
    const { one } = pair
    const browser = await signedIn(pair)
    t.equal((await revoke(one, { before: new Date(one.clock.now()).toISOString() })).status, 200)
    one.clock.advance(2)
    const before = Math.floor(one.clock.now() / 1000) - 60
    one.pool.tamper = (_kind, claims) => ({ claims: { ...claims, auth_time: before } })
    const exchanges = one.pool.calls['token'] ?? 0
    const asked = await browser.visit(`${one.url}/page`)
    const stale = await browser.submit(asked, { username: 'alice', password: 'Passw0rd!' })
    t.equal(stale.status, 403)
    t.equal(stale.header('x-gateway-code'), 'GW_SIGN_IN_STALE')
    t.match(stale.text, /Close all windows of your browser/)
    t.equal((one.pool.calls['token'] ?? 0) - exchanges, 2)
    one.pool.tamper = undefined
    one.clock.advance(3_601)
    t.equal((await browser.signIn(`${one.url}/page`)).status, 200)
  },
)

t.test(
  'an operator ends one session, a person or everything before a moment, and each leaves a line',
  { skip },
  async (t) => {
    const pair = await startPair(t)
    const { one, other } = pair
    const [first, second, bob] = [await signedIn(pair), await signedIn(pair), await signedIn(pair, 'bob')]
    const cookies = [first, second, bob].map((browser) => cookieIn(pair, browser))
    const all = async (): Promise<readonly (number | undefined)[]> =>
      Promise.all(cookies.map(async (cookie) => (await statuses(pair, cookie))[0]))
    const [line] = linesOf(one, 'signed_in')
    const sub = String((await first.ask(`${one.url}/oauth2/userinfo`)).json().user)

    const session = await revoke(one, { session: line?.['session'] })
    t.same(session, { status: 200, answer: { revoked: 'session', session: line?.['session'] } })
    t.same(await all(), [401, 200, 200])
    const person = await revoke(other, { sub })
    t.match(person, { status: 200, answer: { revoked: 'person', pool: 'local', sub } })
    await until(async () => (await all())[1] === 401)
    t.same(await all(), [401, 401, 200])
    const everything = await revoke(one, { before: new Date(one.clock.now()).toISOString() })
    t.match(everything, { status: 200, answer: { revoked: 'everything' } })
    t.same(await all(), [401, 401, 401])

    const audit = [...linesOf(one, 'revoked'), ...linesOf(other, 'revoked')]
    t.match(audit, [
      { what: 'session', id: line?.['session'], by: 'control', client: '127.0.0.1' },
      { what: 'everything', before: one.clock.now() },
      { what: 'person', pool: 'local', person: /^[\w-]{16}$/ },
    ])
    const text = JSON.stringify(audit)
    for (const secret of [sub, CONTROL_TOKEN, ...cookies.map((cookie) => cookie.slice(-40))]) t.notMatch(text, secret)
  },
)

t.test('what cannot be revoked is refused with what to send instead', { skip }, async (t) => {
  const one = await startWorld(t, {
    ...(redis === undefined ? {} : { redisUrl: redis.url }),
    settings: { control: { port: 0, token: { file: 'control-token' } } },
  })
  for (const [body, says] of [
    [{}, /send \{ "sub"/],
    ['sub', /send \{ "sub"/],
    [{ sub: 'a', session: 'b' }, /send \{ "sub"/],
    [{ sub: '' }, /send \{ "sub"/],
    [{ sub: 7 }, /send \{ "sub"/],
    [{ sub: 'a', everything: true }, /send \{ "sub"/],
    [{ pool: 'local', session: 's'.repeat(22) }, /send \{ "sub"/],
    [{ sub: 'a', pool: 'other' }, /no pool other; there is local/],
    [{ session: 'short' }, /a session is 22/],
    [{ before: 'yesterday' }, /a moment with its zone/],
    [{ before: '2999-01-01T00:00:00Z' }, /not be in the future/],
  ] as const) {
    const { status, answer } = await revoke(one, body)
    t.equal(status, 400, JSON.stringify(body))
    t.match(answer.message, says)
  }
  t.equal(linesOf(one, 'revoked').length, 0)
})

t.test(
  'while Redis is away nobody is signed out on all devices by half: it is refused and can be tried again',
  { skip },
  async (t) => {
    const own = await startRedis(t)
    const pair = await startPair(t, { redisUrl: own.url })
    const { one } = pair
    const browser = await signedIn(pair)
    const confirm = await browser.visit(`${one.url}/oauth2/sign_out`)
    await own.stop()
    const refused = await browser.submit(confirm, {}, { form: EVERYWHERE, follow: false })
    t.equal(refused.status, 503)
    t.equal(refused.header('x-gateway-code'), 'GW_STORE_UNAVAILABLE')
    t.equal(refused.header('retry-after'), '5')
    t.equal((await revoke(one, { sub: 'anybody' })).status, 503)
    t.same(await statuses(pair, cookieIn(pair, browser)), [200, 200], 'still signed in')
    t.same(linesOf(one, 'revoked'), [])
    await own.start()
    await until(async () => (await revoke(one, { sub: 'anybody' })).status === 200)
    t.equal((await browser.submit(confirm, {}, { form: EVERYWHERE, follow: false })).status, 303)
  },
)

t.test('revokeAllBefore holds after a reload and after a restart', async (t) => {
  const one = await startWorld(t)
  const browser = one.client()
  await browser.signIn(`${one.url}/`)
  t.equal((await browser.ask(`${one.url}/page`)).status, 200)
  const cookie = `__Host-gateway=${browser.jarOf(new URL(one.url).host).get('__Host-gateway') ?? ''}`
  const ask = async (): Promise<number> => (await one.client().ask(`${one.url}/page`, { headers: { cookie } })).status

  const settings = JSON.parse(readFileSync(one.settingsFile, 'utf8'))
  settings.session.revokeAllBefore = new Date(one.clock.now()).toISOString()
  writeFileSync(one.settingsFile, JSON.stringify(settings))
  await one.gateway.reload()
  t.equal(await ask(), 401)
  await one.gateway.close()
  await startServing(t, one)
  t.equal(await ask(), 401)
  one.clock.advance(2)
  t.equal((await browser.signIn(`${one.url}/page`)).status, 200)
})

t.test(
  'RL15 without Redis a sign-out is known to one replica, nobody is promised more, and people cannot be revoked',
  async (t) => {
    const one = await startWorld(t, { settings: { control: { port: 0, token: { file: 'control-token' } } } })
    const pair = { one, other: await startReplica(t, one) }
    const browser = await signedIn(pair)
    const cookie = cookieIn(pair, browser)
    const confirm = await browser.visit(`${one.url}/oauth2/sign_out`)
    t.notMatch(confirm.text, EVERYWHERE)
    const { status, answer } = await revoke(one, { sub: 'anybody' })
    t.equal(status, 400)
    t.match(answer.message, /without session\.redis a revocation would be forgotten at the next start/)
    await browser.submit(confirm, {})
    t.same(await statuses(pair, cookie), [401, 200])
  },
)
