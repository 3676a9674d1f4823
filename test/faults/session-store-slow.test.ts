import t from 'tap'
import type { Client, Reply } from '../helpers/client.ts'
import { startFaultProxy, type FaultRule } from '../helpers/fault-proxy.ts'
import { keepBusy, noRedis, redisCli, startRedis } from '../helpers/redis.ts'
import { startReplica } from '../helpers/replicas.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

const SESSION_COOKIE = '__Host-gateway'
/** Longer than a session is taken for what it was without asking Redis. */
const MOMENT_SECONDS = 6

/** Everything that comes from a server says one thing. */
const saying = (line: string): FaultRule => ({
  asked(_data, answer) {
    answer(line)
    return null
  },
})

interface Test {
  teardown(fn: () => unknown): unknown
  equal(found: unknown, wanted: unknown, message: string): unknown
  ok(found: unknown, message: string): unknown
}

t.test(
  'RL14 RL34 sessions in Redis, which comes late, goes away and comes back',
  { skip: noRedis ?? false },
  async (t) => {
    // Nothing reaches Redis but through the proxy, and it is not there when the gateway starts.
    const redis = await startRedis(t, ['--busy-reply-threshold', '50', '--replica-serve-stale-data', 'no'])
    const proxy = await startFaultProxy(t, redis.port)
    await redis.stop()
    const session = { store: 'redis', recheckSeconds: 86_400 }
    const world = await startWorld(t, { redisUrl: `redis://127.0.0.1:${proxy.port}`, session })
    const replica = await startReplica(t, world)
    const page = `${world.url}/page`
    const readiness = async (): Promise<string> => (await fetch(`${world.adminUrl}/readyz`)).text()
    const bearer = await machineToken(world)

    t.test(
      'RL34 a gateway that starts before Redis waits for it, and serves meanwhile what needs no session',
      async (t) => {
        await until(async () => (await readiness()) === 'waiting for Redis')
        t.equal(
          (await world.client().ask(`${world.url}/oauth2/ping`)).status,
          503,
          'the ping says that it is not ready',
        )
        await servesWithout(t, world, bearer)
        isUnavailable(t, await world.client().ask(`${world.url}/oauth2/start`), 'nobody types a password for nothing')
        await redis.start()
        await until(async () => (await readiness()) === 'ok')
        t.equal((await world.client().signIn(page)).status, 200, 'and then all is well by itself')
      },
    )

    const faults: readonly Fault[] = [
      { name: 'gone', breaks: async () => redis.stop(), heals: async () => redis.start() },
      { name: 'frozen', breaks: () => redis.freeze(), heals: () => redis.thaw() },
      ...rules(proxy, {
        'a black hole': { asked: () => null },
        'a quarter of a second late': { delayMs: 250 },
        LOADING: saying('-LOADING Redis is loading the dataset in memory\r\n'),
        'an answer to another command': saying(':1\r\n'),
      }),
      { name: 'BUSY', breaks: async () => keepBusy(redis), heals: () => void redisCli(redis.port, 'script', 'kill') },
      {
        name: 'MASTERDOWN',
        breaks: () => void redisCli(redis.port, 'replicaof', '127.0.0.1', '1'),
        heals: () => void redisCli(redis.port, 'replicaof', 'no', 'one'),
      },
      {
        name: 'NOAUTH',
        breaks() {
          redisCli(redis.port, 'config', 'set', 'requirepass', 'changed')
          proxy.cut()
        },
        heals: () => void redisCli(redis.port, '-a', 'changed', 'config', 'set', 'requirepass', ''),
      },
    ]
    for (const { name, breaks, heals } of faults) {
      t.test(`RL14 ${name}: who is known goes on, others hear 503 and keep their cookies`, async (t) => {
        const [known, unknown] = [world.client(), world.client()]
        for (const client of [known, unknown]) t.equal((await client.signIn(page)).status, 200, 'signed in')
        const signedIn = cookieOf(unknown, world)
        const tokens = world.pool.calls['token']
        await breaks()
        world.clock.advance(MOMENT_SECONDS)

        const startedAt = performance.now()
        isUnavailable(t, await replica.ask(unknown, '/page'), 'who is not known there')
        const took = performance.now() - startedAt
        t.ok(took < 1_000, `answered in ${took.toFixed(0)} ms`)
        t.equal((await known.ask(page)).status, 200, 'who is known')
        t.equal((await world.client().ask(`${world.url}/oauth2/ping`)).status, 200, 'the ping')
        await servesWithout(t, world, bearer)
        isUnavailable(t, await world.client().ask(`${world.url}/oauth2/start`), 'who wants to sign in')
        t.equal(await readiness(), 'ok', 'ready: every replica would go at the same moment')

        await heals()
        await until(async () => (await replica.ask(unknown, '/page')).status === 200)
        t.equal((await known.ask(page)).status, 200, 'and afterwards all is as before')
        t.equal(cookieOf(unknown, world), signedIn, 'the very cookie')
        t.equal(world.pool.calls['token'], tokens, 'without a sign-in')
        await isWell(world)
      })
    }

    const writeFaults: readonly Fault[] = [
      {
        name: 'OOM',
        breaks: () => void redisCli(redis.port, 'config', 'set', 'maxmemory', '1'),
        heals: () => void redisCli(redis.port, 'config', 'set', 'maxmemory', '0'),
      },
      {
        name: 'READONLY',
        breaks() {
          redisCli(redis.port, 'config', 'set', 'replica-serve-stale-data', 'yes')
          redisCli(redis.port, 'replicaof', '127.0.0.1', '1')
        },
        heals: () => void redisCli(redis.port, 'replicaof', 'no', 'one'),
      },
    ]
    for (const { name, breaks, heals } of writeFaults) {
      t.test(`RL14 ${name}: everybody who is signed in goes on, and nobody else begins`, async (t) => {
        const client = world.client()
        await client.signIn(page)
        await breaks()
        world.clock.advance(300 + MOMENT_SECONDS)
        t.equal((await client.ask(page)).status, 200, 'though its last use cannot be written down')
        isUnavailable(t, await world.client().ask(`${world.url}/oauth2/start`), 'who wants to sign in')
        await heals()
        await isWell(world)
        t.equal((await replica.ask(client, '/page')).status, 200, 'and its last use is written down then')
      })
    }

    t.test('a sign-in that comes back while Redis is away spends nothing and works a moment later', async (t) => {
      const client = world.client()
      const form = await client.visit(page)
      const tokens = world.pool.calls['token']
      await redis.stop()
      const refused = await client.submit(form, { username: 'alice', password: 'Passw0rd!' })
      t.equal(refused.status, 503, 'a page that says so')
      t.equal(refused.header('retry-after'), '5', 'and when to try again')
      t.equal(world.pool.calls['token'], tokens, 'the code is not spent')
      await redis.start()
      await isWell(world)
      const again = await client.visit(refused.url)
      t.equal(again.status, 200, 'the same address once more')
      t.equal(again.url, page, 'leads to where the person wanted to go')
    })

    t.test('RL14 FLUSHALL: the sessions are gone, and a sign-in makes new ones', async (t) => {
      const client = world.client()
      await client.signIn(page)
      redisCli(redis.port, 'flushall')
      world.clock.advance(MOMENT_SECONDS)
      t.equal((await client.ask(page)).status, 401, 'no session')
      t.equal(cookieOf(client, world), undefined, 'and its cookie is cleared')
      t.equal((await client.visit(page)).status, 200, 'Cognito still knows the person')
      t.equal((await client.ask(page)).status, 200, 'signed in')
    })

    t.test('what went wrong is told once for each time, by its word, and never what it was about', async (t) => {
      const lines = world.log.filter((line) => line.includes('"event":"store_'))
      const kinds = lines.map((line) => /"kind":"(\w+)"/.exec(line)?.[1]).filter((kind) => kind !== undefined)
      for (const kind of ['disconnected', 'timeout', 'LOADING', 'BUSY', 'MASTERDOWN', 'OOM', 'READONLY'])
        t.ok(kinds.includes(kind), `${kind} in ${kinds.join(', ')}`)
      t.ok(lines.length < 60, `${lines.length} lines`)
      t.ok(
        lines.every((line) => !/cognito-gateway:|eyJ/.test(line)),
        'no key and no record',
      )
      t.ok(/session_store_errors_total\{operation="read"\} [1-9]/.test(await world.metrics()), 'and counted')
    })
  },
)

interface Fault {
  readonly name: string
  breaks(): void | Promise<void>
  heals(): void | Promise<void>
}

const rules = (proxy: { rule: FaultRule | undefined }, all: Readonly<Record<string, FaultRule>>): readonly Fault[] =>
  Object.entries(all).map(([name, rule]) => ({
    name,
    breaks() {
      proxy.rule = rule
    },
    heals() {
      proxy.rule = undefined
    },
  }))

function isUnavailable(t: Test, reply: Reply, who: string): void {
  t.equal(reply.status, 503, who)
  t.equal(reply.header('x-gateway-code'), 'GW_STORE_UNAVAILABLE', who)
  t.equal(reply.header('retry-after'), '5', who)
  t.equal(reply.header('set-cookie'), undefined, `${who}: no cookie is cleared`)
}

/** Public routes and bearer tokens are the same as ever, with a cookie and without. */
async function servesWithout(t: Test, world: World, bearer: string): Promise<void> {
  const cookie = `${SESSION_COOKIE}=${'x'.repeat(43)}`
  const client = world.client()
  t.equal((await client.ask(`${world.url}/public/x`, { headers: { cookie } })).status, 200, 'a public route')
  const headers = { authorization: `Bearer ${bearer}`, cookie }
  t.equal((await client.ask(`${world.url}/api/orders/1`, { headers })).status, 200, 'a bearer token')
}

async function machineToken(world: World): Promise<string> {
  const answer = await world.client().ask(`${world.pool.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&client_id=orders-batch&client_secret=orders-batch-secret',
  })
  return String(answer.json().access_token)
}

const cookieOf = (client: Client, { url }: World): string | undefined =>
  client.jarOf(new URL(url).host).get(SESSION_COOKIE)

/** Waits until a sign-in would be begun again. */
async function isWell(world: World): Promise<void> {
  await until(async () => (await world.client().ask(`${world.url}/oauth2/ping`)).status === 200)
  await until(async () => /circuit_open\{target="session_store"\} 0/.test(await world.metrics()))
}
