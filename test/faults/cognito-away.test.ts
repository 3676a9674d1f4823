import t from 'tap'
import { valueOf } from '../helpers/gateway-process.ts'
import { until } from '../helpers/until.ts'
import { startServing, startWorld, type World } from '../helpers/world.ts'

type Fault = World['pool']['faults'][number]

const page = { 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate', accept: 'text/html' }

/** Everything that Cognito offers fails in the same way. */
function away(world: World, how: Omit<Fault, 'on'>): void {
  for (const on of ['discovery', 'jwks', 'token', 'revoke', 'authorize', 'logout'] as const)
    world.pool.faults.push({ on, times: 'always', ...how })
}

const ways: readonly (readonly [string, Omit<Fault, 'on'>])[] = [
  ['gone', { reset: true }],
  ['broken', { status: 500, body: {} }],
  ['talking nonsense', { status: 200, rawBody: '<html>', headers: { 'content-type': 'application/json' } }],
  ['throttling', { status: 429, body: { message: 'Rate exceeded' } }],
]

t.test('RL10 D13 D14 while Cognito is away for an hour, whoever is signed in notices nothing', async (t) => {
  const world = await startWorld(t, { client: { accessTokenSeconds: 7_200 }, session: { idleTimeoutSeconds: 600 } })
  const renewals = async (): Promise<number> =>
    valueOf(await world.metrics(), 'cognito_gateway_token_refreshes_total{result="renewed",reason=""}')
  const tokenCalls = (): number => world.pool.calls['token'] ?? 0
  for (const [what, how] of ways) {
    const [browser, machine] = [world.client(), world.client()]
    await browser.signIn(`${world.url}/`)
    const { access_token: bearer } = await world.pool.issueTokens({ clientId: 'orders-batch' })
    const asMachine = async () =>
      machine.ask(`${world.url}/api/orders/1`, { headers: { authorization: `Bearer ${bearer}` } })
    t.equal((await asMachine()).status, 200)
    away(world, how)
    const statuses = new Set<number>()
    const called = tokenCalls()
    for (let minute = 2; minute <= 60; minute += 2) {
      world.clock.advance(120)
      statuses.add((await browser.ask(`${world.url}/page`)).status)
      if (minute < 60) statuses.add((await asMachine()).status)
    }
    t.same([...statuses], [200], `Cognito is ${what}`)
    t.ok(tokenCalls() > called && tokenCalls() - called <= 30, 'and is asked again and again, but not pestered')

    world.pool.faults.length = 0
    const before = await renewals()
    // What a 429 without a time asks for is over by then too.
    world.clock.advance(10)
    t.equal((await browser.ask(`${world.url}/page`)).status, 200)
    t.equal(await renewals(), (Number.isNaN(before) ? 0 : before) + 1, 'ten seconds after it is back all is well')
  }
})

t.test(
  'RL10 a new sign-in while Cognito is away ends in a page that says when to come back, not in a loop',
  async (t) => {
    const world = await startWorld(t)
    const undiscovered = await startWorld(t, { poolAway: true })
    for (const [what, how] of ways) {
      const browser = world.client()
      const login = await browser.visit(`${world.url}/page`)
      world.pool.faults.push({ on: 'token', times: 'always', ...how })
      const failed = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
      t.ok([502, 503].includes(failed.status), `${what}: ${failed.status}`)
      t.match(failed.text, /Sign in again|Try again/)
      if (failed.status === 503) t.ok(failed.header('retry-after'))
      t.ok(browser.trail.length <= 3, browser.trail.join(' '))
      world.pool.faults.length = 0
      world.clock.advance(10)

      undiscovered.pool.faults.length = 0
      away(undiscovered, how)
      undiscovered.clock.advance(10)
      const begun = await undiscovered.client().visit(`${undiscovered.url}/page`)
      t.equal(begun.status, 503, `${what}, and discovery with it`)
      t.ok(begun.header('retry-after'))
      t.match(begun.text, /Sign-in is not available/)
    }
  },
)

t.test('RL10 RL35 a gateway that starts while Cognito is away lets in whoever has a session', async (t) => {
  const world = await startWorld(t)
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  away(world, { reset: true })
  await world.gateway.close()
  const started = await startServing(t, world)
  t.equal((await fetch(`${started.adminUrl}/readyz`)).status, 503, 'not ready, trying')
  t.equal((await browser.ask(`${world.url}/page`)).status, 200)
  world.clock.advance(301)
  t.equal((await browser.ask(`${world.url}/page`)).status, 200, 'also where claims are due')
  world.pool.faults.length = 0
  await until(async () => (await fetch(`${started.adminUrl}/readyz`)).status === 200)
})

t.test('RL11 while the user pool takes its time, only who signs in or renews waits for it', async (t) => {
  const world = await startWorld(t)
  const browsers = await Promise.all(
    Array.from({ length: 10 }, async () => {
      const browser = world.client()
      await browser.signIn(`${world.url}/`)
      return browser
    }),
  )
  const [fresh] = browsers
  world.clock.advance(301)
  await fresh?.ask(`${world.url}/page`)
  world.pool.faults.push({ on: 'token', times: 'always', delayMs: 2_500, status: 504, body: {} })
  const before = world.pool.calls['token'] ?? 0
  const slow = Promise.all(browsers.slice(1).map(async (browser) => browser.ask(`${world.url}/page`)))
  await until(() => (world.pool.calls['token'] ?? 0) === before + 9)
  for (let nth = 0; nth < 20; nth += 1) t.equal((await fresh?.ask(`${world.url}/page`))?.status, 200)
  t.equal(world.pool.calls['token'], before + 9, 'all of that while nine refreshes hang')
  t.ok(
    (await slow).every(({ status }) => status === 200),
    'who waited in vain goes on with what there is',
  )

  await t.test('D13 and then the token endpoint is left alone for a while, which the metrics say', async (t) => {
    const open = 'cognito_gateway_circuit_open{target="pool/local"}'
    t.equal(valueOf(await world.metrics(), open), 1)
    t.match(world.log.join(''), /"event":"pool_fails"/)
    world.clock.advance(2)
    await Promise.all(browsers.slice(1).map(async (browser) => browser.ask(`${world.url}/page`)))
    t.equal(world.pool.calls['token'], before + 9)
    world.pool.faults.length = 0
    world.clock.advance(8)
    for (const browser of browsers) t.equal((await browser.ask(`${world.url}/page`)).status, 200)
    t.equal(valueOf(await world.metrics(), open), 0)
    t.match(world.log.join(''), /"event":"pool_answers"/)
  })
})

t.test(
  'D14 a throttled refresh keeps the session, waits as long as it is told to, and lets sign-ins through',
  async (t) => {
    const world = await startWorld(t)
    const browser = world.client()
    await browser.signIn(`${world.url}/`)
    world.pool.faults.push({
      on: 'token',
      when: { grant_type: 'refresh_token' },
      times: 'always',
      status: 429,
      headers: { 'retry-after': '20' },
      body: { message: 'Rate exceeded' },
    })
    world.clock.advance(301)
    const before = world.pool.calls['token'] ?? 0
    for (let second = 0; second < 20; second += 1) {
      t.equal((await browser.ask(`${world.url}/page`)).status, 200)
      world.clock.advance(1)
    }
    t.equal(world.pool.calls['token'], before + 1)
    t.equal((await world.client().signIn(`${world.url}/page`)).status, 200)
    t.equal(valueOf(await world.metrics(), 'cognito_gateway_pool_throttled_total{endpoint="token"}'), 1)
  },
)

t.test('a public page never notices', async (t) => {
  const world = await startWorld(t, { poolAway: true })
  away(world, { hang: true })
  t.equal((await world.client().ask(`${world.url}/public/x`, { headers: page })).status, 200)
})
