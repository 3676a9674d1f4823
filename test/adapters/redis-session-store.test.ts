import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createRedisKeys } from '../../src/adapters/redis-keys.ts'
import type { SessionStore, StoredSession } from '../../src/adapters/session-store.ts'
import { createClock } from '../helpers/clock.ts'
import { startFaultProxy } from '../helpers/fault-proxy.ts'
import { connectRedis, noRedis, redisCli, startRedis, type RedisServer } from '../helpers/redis.ts'
import { newSession } from '../helpers/sessions.ts'
import { until } from '../helpers/until.ts'
import { GRACE_SECONDS, redisStoreOver } from '../helpers/redis-store.ts'

const skip = noRedis ?? false
const clock = createClock()
const key = randomBytes(32)
const keys = createRedisKeys('app')

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** One replica; all share the server and the key. */
async function storeAt(t: Teardown, port: number): Promise<SessionStore> {
  const redis = connectRedis(t, `redis://127.0.0.1:${port}`)
  await until(async () => redis.check())
  return redisStoreOver(redis, { clock, keys: [key] })
}

async function read(store: SessionStore, text: string): Promise<StoredSession | null> {
  const found = await store.read(text)
  if (found === 'foreign') throw new Error('one key is known to all')
  return found
}
async function untilUp(store: SessionStore): Promise<void> {
  await until(async () => {
    try {
      await store.check()
      return true
    } catch {
      return false
    }
  })
}
const unavailable = { code: 'GW_STORE_UNAVAILABLE', reason: 'store', headers: { 'retry-after': '5' } }
const readsSoFar = ({ port }: RedisServer): number =>
  Number(/cmdstat_get:calls=(\d+)/.exec(redisCli(port, 'info', 'commandstats'))?.[1] ?? 0)

t.test('C23 what stands in Redis is worth nothing to whoever copies it', { skip }, async (t) => {
  const server = await startRedis(t)
  const store = await storeAt(t, server.port)
  const one = newSession(clock)
  await store.create(one)
  const names = redisCli(server.port, 'keys', '*').split('\n')
  const record = redisCli(server.port, 'get', keys.session(one.id))
  t.ok(names.includes(keys.session(one.id)))
  for (const secret of [one.handle ?? '', one.refreshToken ?? '', one.person.subject, one.person.email ?? '']) {
    t.notOk(
      names.some((name) => name.includes(secret)),
      'not in a name',
    )
    t.notOk(record.includes(secret), 'not in a record')
  }
  for (const name of [one.id, ...names, record, record.slice(record.indexOf(' ') + 1)])
    t.equal(await store.read(name), null, 'no name and no record is a cookie')
  const life = Number(redisCli(server.port, 'ttl', keys.session(one.id)))
  t.ok(life > 7_100 && life <= 7_200, `it ends an hour after the session: ${life}`)
})

t.test('C24 a record that was moved to another session is never that session', { skip }, async (t) => {
  const server = await startRedis(t)
  const writer = await storeAt(t, server.port)
  const [victim, thief] = [newSession(clock), newSession(clock)]
  await writer.create(victim)
  const text = (await writer.create(thief)) ?? ''
  redisCli(server.port, 'copy', keys.session(victim.id), keys.session(thief.id), 'replace')
  const store = await storeAt(t, server.port)
  await t.rejects(async () => store.read(text), unavailable, 'it may have been a wrong answer on the way')
  await untilUp(store)
  t.equal(await store.read(text), null, 'so it is asked for once more on another connection')
  redisCli(server.port, 'set', keys.session(victim.id), 'junk')
  await t.rejects(async () => store.read(victim.handle ?? ''), unavailable)
})

t.test(
  'another replica sees what was written within five seconds, and nothing older replaces it',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const [here, there] = [await storeAt(t, server.port), await storeAt(t, server.port)]
    const one = newSession(clock)
    const text = (await here.create(one)) ?? ''
    await read(there, text)
    const before = readsSoFar(server)
    t.notOk(there.read(text) instanceof Promise, 'a moment later nobody needs to be asked')
    t.equal(readsSoFar(server), before)

    const newer = { ...one, claimsAt: one.claimsAt + 1_000, refreshToken: 'newer' }
    await here.write(newer)
    t.equal(await there.write({ ...one, seenAt: one.seenAt + 1 }), text, 'its last use is no news')
    t.equal((await read(there, text))?.session.refreshToken, 'newer')

    await here.write({ ...newer, claimsAt: one.claimsAt + 2_000, refreshToken: 'newest' })
    clock.advance(5)
    t.equal((await read(there, text))?.session.refreshToken, 'newest')

    await here.end({ ...one })
    t.equal(redisCli(server.port, 'exists', keys.session(one.id)), '0')
    t.equal(await there.write({ ...newer, claimsAt: one.claimsAt + 3_000 }), null, 'and nothing brings it back')
    t.equal(await there.read(text), null)
  },
)

t.test('RL35 requests at the same moment share one question to Redis', { skip }, async (t) => {
  const server = await startRedis(t)
  const texts: string[] = []
  const writer = await storeAt(t, server.port)
  for (let count = 0; count < 5; count += 1) texts.push((await writer.create(newSession(clock))) ?? '')
  const store = await storeAt(t, server.port)
  const before = readsSoFar(server)
  const all = await Promise.all(Array.from({ length: 500 }, async (_, at) => read(store, texts[at % 5] ?? '')))
  t.ok(all.every((found) => found !== null))
  t.equal(readsSoFar(server) - before, 5)
})

t.test(
  'RL14 while Redis is away a session that it confirmed goes on for the grace, and no longer',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const store = await storeAt(t, server.port)
    const other = await storeAt(t, server.port)
    const text = (await store.create(newSession(clock))) ?? ''
    await server.stop()
    t.ok(await read(store, text))
    clock.advance(GRACE_SECONDS - 1)
    t.ok(await read(store, text), 'still')
    await t.rejects(async () => other.read(text), unavailable, 'who never saw it cannot know')
    await t.rejects(async () => other.check(), unavailable)
    clock.advance(2)
    await t.rejects(async () => store.read(text), unavailable)
    await server.start()
    // Each connection comes back in its own time, and all is as before.
    for (const one of [store, other])
      await until(async () =>
        read(one, text)
          .then((found) => found !== null)
          .catch(() => false),
      )
  },
)

t.test(
  'RL14 what could not be written is kept, and written before anything else when Redis is back',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const store = await storeAt(t, server.port)
    const one = newSession(clock)
    const text = (await store.create(one)) ?? ''
    await server.stop()
    const rotated = { ...one, claimsAt: one.claimsAt + 1_000, refreshToken: 'rotated' }
    t.equal(await store.write(rotated), text)
    const begun = newSession(clock)
    t.equal(await store.create(begun), begun.handle)
    clock.advance(10)
    t.equal((await read(store, text))?.session.refreshToken, 'rotated')
    t.ok(await read(store, begun.handle ?? ''))
    await server.start()
    const other = await storeAt(t, server.port)
    await until(async () => (await read(other, begun.handle ?? '')) !== null)
    clock.advance(10)
    t.equal((await read(other, text))?.session.refreshToken, 'rotated')

    await server.stop()
    await store.write({ ...rotated, claimsAt: one.claimsAt + 2_000 })
    await server.start()
    redisCli(server.port, 'del', keys.session(one.id))
    clock.advance(10)
    await until(async () => (await read(store, text).catch(() => undefined)) === null)
    t.pass('but what was deleted meanwhile stays so')
  },
)

t.test('RL14 an emptied Redis knows no session: a miss is a miss', { skip }, async (t) => {
  const server = await startRedis(t)
  const store = await storeAt(t, server.port)
  const one = newSession(clock)
  const text = (await store.create(one)) ?? ''
  redisCli(server.port, 'flushall')
  t.equal(await store.write({ ...one, seenAt: one.seenAt + 1 }), null)
  t.equal(await store.read(text), null)
  await server.stop()
  await t.rejects(async () => store.read(text), unavailable, 'nor does an outage bring it back')
})

t.test(
  'RL14 answers that belong to other commands let nobody in as somebody else, and sign nobody out',
  { skip },
  async (t) => {
    const server = await startRedis(t)
    const proxy = await startFaultProxy(t, server.port)
    const writer = await storeAt(t, server.port)
    const [alice, bob] = [newSession(clock), newSession(clock)]
    await writer.create(alice)
    await writer.create(bob)
    const others = redisCli(server.port, 'get', keys.session(bob.id))
    for (const reply of ['+OK\r\n', ':1\r\n', '*0\r\n', '$8\r\nreplaced\r\n', `$${others.length}\r\n${others}\r\n`]) {
      const store = await storeAt(t, proxy.port)
      proxy.rule = {
        asked(data, answer) {
          if (!data.includes('get')) return data
          answer(reply)
          return null
        },
      }
      await t.rejects(async () => store.read(alice.handle ?? ''), unavailable, reply.slice(0, 20))
      proxy.rule = undefined
      await until(async () => (await read(store, alice.handle ?? '').catch(() => null)) !== null)
      t.equal((await read(store, alice.handle ?? ''))?.session.id, alice.id)
      clock.advance(61)
    }
  },
)
