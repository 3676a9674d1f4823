import { randomBytes } from 'node:crypto'
import t from 'tap'
import { StoreError, type Redis } from '../../src/adapters/redis.ts'
import { createRedisKeys } from '../../src/adapters/redis-keys.ts'
import type { SessionStore } from '../../src/adapters/session-store.ts'
import { createAuthority } from '../helpers/certificates.ts'
import { createClock } from '../helpers/clock.ts'
import { connectRedis, noRedis, redisCli, startRedis, startSentinel } from '../helpers/redis.ts'
import { startCluster } from '../helpers/redis-cluster.ts'
import { startReplica } from '../helpers/replicas.ts'
import { newSession } from '../helpers/sessions.ts'
import { until } from '../helpers/until.ts'
import { freePort, startWorld } from '../helpers/world.ts'
import { redisStoreOver } from '../helpers/redis-store.ts'

const skip = noRedis ?? false
const clock = createClock()
const key = randomBytes(32)
const keys = createRedisKeys('app')

const storeOver = (redis: Redis): SessionStore => redisStoreOver(redis, { clock, keys: [key] })

t.test('over TLS the server must be who its address says, by an authority that is trusted', { skip }, async (t) => {
  const authority = createAuthority(t)
  const { certFile, keyFile } = authority.issue('redis', { names: 'DNS:localhost' })
  const port = await freePort()
  const user = 'gateway on >S3cr3t ~cognito-gateway:* +hello +get +set +del +eval +xadd +xrange'.split(' ')
  const files = ['--tls-cert-file', certFile, '--tls-key-file', keyFile, '--tls-ca-cert-file', authority.caFile]
  await startRedis(t, ['--tls-port', String(port), ...files, '--tls-auth-clients', 'no', '--user', ...user])
  const connect = (host: string, ca?: string): Redis =>
    connectRedis(t, `rediss://gateway:S3cr3t@${host}:${port}`, { ca, probeKey: keys.probe })
  const right = connect('localhost', authority.ca)
  await until(async () => right.check())
  await right.set(keys.session('x'), 'value', 60_000)
  t.equal(await right.get(keys.session('x')), 'value')
  await right.append(keys.ended, 'entry', 60_000)
  t.same((await right.entriesAfter(keys.ended, '0', 10)).entries, ['entry'], 'with no more than the rights it needs')
  t.equal(await kindOf(right.get('of somebody else')), 'NOPERM')

  for (const [wrong, kind] of [
    [connect('127.0.0.1', authority.ca), 'ERR_TLS_CERT_ALTNAME_INVALID'],
    [connect('localhost'), /UNABLE_TO|SELF_SIGNED/],
  ] as const) {
    await until(async () => (await kindOf(wrong.get(keys.session('x')))) !== 'disconnected')
    t.match(await kindOf(wrong.get(keys.session('x'))), kind)
    t.equal(await wrong.check(), false)
  }
})

/** How far a server is in what the master has written. */
const offsetIn = (port: number, name: string): string | undefined =>
  new RegExp(`^${name}:(\\d+)`, 'm').exec(redisCli(port, 'info', 'replication'))?.[1]

t.test('RL14 when Sentinel puts another master in its place nobody signs in again', { skip }, async (t) => {
  const master = await startRedis(t, ['--repl-diskless-sync-delay', '0'])
  const standby = await startRedis(t, ['--replicaof', '127.0.0.1', String(master.port)])
  const sentinel = await startSentinel(t, master.port)
  const asked = (): string => redisCli(sentinel.port, 'sentinel', 'replicas', 'mymaster')
  await until(() => redisCli(standby.port, 'info', 'replication').includes('master_link_status:up'))
  await until(() => asked().includes(String(standby.port)))
  const world = await startWorld(t, {
    redisUrl: `redis+sentinel://127.0.0.1:${sentinel.port}/mymaster`,
    session: { store: 'redis', recheckSeconds: 86_400 },
  })
  const replica = await startReplica(t, world)
  await until(async () => (await (await fetch(`${world.adminUrl}/readyz`)).text()) === 'ok')
  const [known, unknown] = [world.client(), world.client()]
  for (const client of [known, unknown]) t.equal((await client.signIn(`${world.url}/page`)).status, 200)
  // What others have written is there, too.
  await until(() => offsetIn(standby.port, 'slave_repl_offset') === offsetIn(master.port, 'master_repl_offset'))
  const tokens = world.pool.calls['token']

  master.freeze()
  world.clock.advance(6)
  t.equal((await known.ask(`${world.url}/page`)).status, 200, 'who is known goes on')
  t.equal((await replica.ask(unknown, '/page')).status, 503, 'who is not known there waits')
  const startedAt = performance.now()
  await until(async () => (await replica.ask(unknown, '/page')).status !== 503)
  t.comment(`over after ${Math.round(performance.now() - startedAt)} ms`)
  t.equal((await replica.ask(unknown, '/page')).status, 200)
  t.match(redisCli(sentinel.port, 'sentinel', 'get-master-addr-by-name', 'mymaster'), String(standby.port))

  master.thaw()
  world.clock.advance(306)
  for (const client of [known, unknown]) t.equal((await client.ask(`${world.url}/page`)).status, 200)
  t.equal(world.pool.calls['token'], tokens, 'without a sign-in')
  const newcomer = world.client()
  t.equal((await newcomer.signIn(`${world.url}/page`)).status, 200, 'and who signs in is written to the new one')
})

t.test('RL14 in a cluster sessions stay where they can be reached', { skip }, async (t) => {
  const cluster = await startCluster(t)
  const connected = async (): Promise<SessionStore> => {
    const redis = connectRedis(t, cluster.url, { probeKey: keys.probe })
    await until(async () => redis.check())
    return storeOver(redis)
  }
  const store = await connected()
  const all = Array.from({ length: 30 }, () => newSession(clock))
  for (const one of all) await store.create(one)
  const on = new Map(cluster.nodes.map((node) => [node, cluster.keysOn(node)]))
  const homes = new Map(all.map((one) => [one, cluster.nodes.find((node) => on.get(node)?.has(keys.session(one.id)))]))
  t.equal(new Set(homes.values()).size, 3, 'they lie on every node')
  const other = await connected()
  for (const { handle = '' } of all) t.ok(await other.read(handle))

  const [moved] = all
  const elsewhere = cluster.nodes.find((node) => moved !== undefined && node !== homes.get(moved))
  if (moved === undefined || elsewhere === undefined) throw new Error('no session to move')
  cluster.move(keys.session(moved.id), { from: homes.get(moved) ?? elsewhere, to: elsewhere })
  t.ok(cluster.keysOn(elsewhere).has(keys.session(moved.id)))
  clock.advance(6)
  for (const reader of [store, other]) t.ok(await reader.read(moved.handle ?? ''), 'a part that moved is found again')
  t.equal(await store.write({ ...moved, seenAt: moved.seenAt + 1 }), moved.handle)
  homes.set(moved, elsewhere)

  const [gone] = cluster.nodes
  await gone?.stop()
  const fresh = storeOver(connectRedis(t, cluster.url, { probeKey: keys.probe }))
  const lost = all.filter((one) => homes.get(one) === gone).slice(0, 2)
  const left = all.filter((one) => homes.get(one) !== gone)
  for (const { handle = '' } of left) await until(async () => (await outcome(fresh, handle)) === 'a session')
  t.pass('what lies on the others can be read')
  for (const { handle = '' } of lost) t.equal(await outcome(fresh, handle), 'GW_STORE_UNAVAILABLE')
  for (const { handle = '' } of lost) t.equal(await outcome(store, handle), 'a session', 'who is known goes on')
  await gone?.start()
  for (const { handle = '' } of lost) await until(async () => (await outcome(fresh, handle)) === 'a session')
  t.pass('and all is as before')
})

async function kindOf(command: Promise<unknown>): Promise<string> {
  return command.then(
    () => 'an answer',
    (error: unknown) => (error instanceof StoreError ? error.kind : String(error)),
  )
}

async function outcome(store: SessionStore, handle: string): Promise<unknown> {
  try {
    return (await store.read(handle)) === null ? 'none' : 'a session'
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error
  }
}
