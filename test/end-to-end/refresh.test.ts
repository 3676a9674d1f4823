import t from 'tap'
import type { Client } from '../helpers/client.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { startReplica, type Replica } from '../helpers/replicas.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World, type WorldOptions } from '../helpers/world.ts'

const skip = noRedis ?? false

interface Teardown {
  teardown(fn: () => unknown): unknown
}

interface Pair {
  readonly world: World
  readonly other: Replica
  readonly browser: Client
  /** Requests at the same moment, all with the cookies of the moment, half of them at either replica; their statuses. */
  together(count: number): Promise<readonly number[]>
  /** One request with a cookie of before, at either replica; neither keeps anything of it. */
  late(cookie: string, where: 'here' | 'there'): Promise<number>
  cookie(): string
  tokenCalls(): number
}

/** A world with a second replica, and somebody who is signed in at both. */
async function startPair(t: Teardown, options: WorldOptions): Promise<Pair> {
  const world = await startWorld(t, options)
  const other = await startReplica(t, world)
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  const jar = browser.jarOf(new URL(world.url).host)
  const urls = { here: world.url, there: other.url }
  return {
    world,
    other,
    browser,
    async together(count) {
      const both = Array.from({ length: count }, async (_, at) =>
        at % 2 === 0 ? browser.ask(`${world.url}/page/${at}`) : other.ask(browser, `/page/${at}`),
      )
      return (await Promise.all(both)).map(({ status }) => status)
    },
    late: async (cookie, where) =>
      (await world.client().ask(`${urls[where]}/late`, { headers: { cookie: `__Host-gateway=${cookie}` } })).status,
    cookie: () => jar.get('__Host-gateway') ?? '',
    tokenCalls: () => world.pool.calls['token'] ?? 0,
  }
}

const all = (statuses: readonly number[], status: number): boolean => statuses.every((one) => one === status)
const GRACE_0 = { rotation: { graceSeconds: 0 } }

for (const store of ['cookie', 'redis'] as const)
  t.test(
    `forty requests with expired tokens at two replicas with Redis cause one refresh, with rotation and no grace; store ${store}`,
    { skip },
    async (t) => {
      const redis = await startRedis(t)
      const pair = await startPair(t, { client: GRACE_0, redisUrl: redis.url, session: { store } })
      const old = pair.cookie()
      pair.world.clock.advance(3_601)
      const before = pair.tokenCalls()
      t.ok(all(await pair.together(40), 200))
      t.equal(pair.tokenCalls() - before, 1)

      await t.test('C27 and whoever comes twenty seconds later with the old cookie is let in as well', async (t) => {
        pair.world.clock.advance(20)
        t.equal(await pair.late(old, 'here'), 200)
        t.equal(await pair.late(old, 'there'), 200)
        t.equal(pair.tokenCalls() - before, 1)
      })

      await t.test('and the next refresh works from what came of the first', async (t) => {
        pair.world.clock.advance(3_601)
        t.ok(all(await pair.together(4), 200))
        t.equal(pair.tokenCalls() - before, 2)
      })
    },
  )

t.test('without Redis the grace of the rotation is enough for two replicas', async (t) => {
  const pair = await startPair(t, { client: { rotation: { graceSeconds: 10 } } })
  pair.world.clock.advance(3_601)
  const before = pair.tokenCalls()
  t.ok(all(await pair.together(40), 200))
  t.equal(pair.tokenCalls() - before, 2, 'one at each replica')
})

t.test('RL14 Redis goes away and nobody is signed out, even without any grace', { skip }, async (t) => {
  for (const [store, graceSeconds, later] of [
    ['cookie', 10, 3_601],
    ['cookie', 0, 3_601],
    // Longer than this store goes without Redis would be another matter.
    ['redis', 0, 299],
  ] as const) {
    const redis = await startRedis(t)
    const pair = await startPair(t, {
      client: { rotation: { graceSeconds } },
      redisUrl: redis.url,
      session: { store, recheckSeconds: 290 },
    })
    await pair.together(2)
    await redis.stop()
    // The one that is refused, because the other one used the token, takes that for a fault.
    pair.world.clock.advance(later)
    t.ok(all(await pair.together(40), 200), `store ${store}, ${graceSeconds} seconds of grace`)
    t.not(pair.cookie(), '')
    await redis.start()
    pair.world.clock.advance(301)
    await until(async () => {
      pair.world.clock.advance(1)
      return all(await pair.together(2), 200)
    })
  }
})

t.test('O08 nobody gets what a refresh on another replica came to after the sign-out', { skip }, async (t) => {
  const redis = await startRedis(t)
  const pair = await startPair(t, { client: GRACE_0, redisUrl: redis.url })
  const { world, browser } = pair
  const confirm = await browser.visit(`${world.url}/oauth2/sign_out`)
  const old = pair.cookie()
  world.pool.faults.push({ on: 'token', delayMs: 300 })
  world.clock.advance(301)
  const before = pair.tokenCalls()
  const running = pair.late(old, 'there')
  await until(() => pair.tokenCalls() > before)
  const revoked = world.pool.calls['revoke'] ?? 0
  await browser.submit(confirm, {})
  await running
  await until(() => (world.pool.calls['revoke'] ?? 0) > revoked)
  t.equal(await pair.late(old, 'here'), 401)
  // The other replica holds the result itself for half a minute; then it must ask.
  world.clock.advance(31)
  t.equal(await pair.late(old, 'there'), 401)
  t.equal(pair.tokenCalls() - before, 1)
})

t.test('who passes while another request renews the session writes nothing over what that brings', async (t) => {
  let release: (() => void) | undefined
  const { world, browser, cookie, tokenCalls } = await startPair(t, {
    answer: (request, response) => {
      if (request.url === '/slow') release = () => response.end()
      else response.end()
    },
  })
  world.pool.faults.push({ on: 'token', delayMs: 200 })
  world.clock.advance(299)
  const before = tokenCalls()
  const first = browser.ask(`${world.url}/first`)
  await until(() => tokenCalls() > before)
  const slow = browser.ask(`${world.url}/slow`)
  await until(() => release !== undefined)
  await first
  const renewed = cookie()
  release?.()
  t.equal((await slow).status, 200)
  t.equal(cookie(), renewed)
})

t.test(
  'RL11 a slow user pool makes nobody wait whose tokens are still good, but the one that renews them',
  async (t) => {
    const pair = await startPair(t, {})
    const { world, browser } = pair
    world.pool.faults.push({ on: 'token', delayMs: 1_500 })
    world.clock.advance(295)
    const before = pair.tokenCalls()
    let renewed = false
    const first = browser.ask(`${world.url}/first`).finally(() => {
      renewed = true
    })
    await until(() => pair.tokenCalls() > before)
    const others = await Promise.all(Array.from({ length: 20 }, async () => browser.ask(`${world.url}/page`)))
    t.ok(others.every(({ status }) => status === 200))
    t.notOk(renewed, 'answered while the refresh is under way')
    t.match((await first).header('set-cookie'), /^__Host-gateway=[^;]/)
    t.equal(pair.tokenCalls() - before, 1)
  },
)
