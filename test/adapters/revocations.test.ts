import { pino } from 'pino'
import t from 'tap'
import type { Redis } from '../../src/adapters/redis.ts'
import { createRedisKeys } from '../../src/adapters/redis-keys.ts'
import { createRevocationLog } from '../../src/adapters/revocation-log.ts'
import { createRevocations, type Revocations } from '../../src/adapters/revocations.ts'
import type { Revocation } from '../../src/domain/revocation.ts'
import type { Session } from '../../src/domain/session.ts'
import { alice } from '../helpers/people.ts'
import { connectRedis, noRedis, startRedis, type RedisServer } from '../helpers/redis.ts'
import { ownRevocations } from '../helpers/revocations.ts'
import { until } from '../helpers/until.ts'

const AUTH_TIME = Math.floor(Date.now() / 1000) - 60
const session = (id: string, subject = 'sub-alice'): Session => ({
  id,
  originJti: `sign-in-of-${id}`,
  person: alice({ subject, authTime: AUTH_TIME }),
  startedAt: Date.now(),
  seenAt: Date.now(),
  claimsAt: Date.now(),
  accessExpiresAt: Date.now() + 3_600_000,
  refreshToken: 'secret-refresh-token',
})
const allOfAlice = { kind: 'person', pool: 'staff', subject: 'sub-alice', before: AUTH_TIME * 1000 } as const

/** The second is another app client of the same user pool. */
const userPoolOf = (pool: string): string => (pool === 'staff-tools' ? 'staff' : pool)

interface Replica extends Revocations {
  readonly redis: Redis
  readonly lines: readonly string[]
  readonly told: readonly Revocation[]
}

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** What one replica knows, over a connection of its own. */
function startReplica(t: Teardown, { url }: Pick<RedisServer, 'url'>): Replica {
  const lines: string[] = []
  const told: Revocation[] = []
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const redis = connectRedis(t, url)
  const keepMs = { sessions: 3_600_000, others: 3_600_000 }
  const revocations = createRevocations({
    now: Date.now,
    ticks: () => performance.now(),
    userPoolOf,
    keepMs,
    openLog: (onRead) => createRevocationLog({ redis, keys: createRedisKeys('one gateway'), keepMs, onRead, log }),
    onRevoked: (revocation) => told.push(revocation),
  })
  t.teardown(() => revocations.close())
  return Object.assign(revocations, { redis, lines, told })
}

t.test('a session that lapsed is none, but nobody revoked it; one that was ended stays so', async (t) => {
  const revocations = ownRevocations(Date.now)
  const one = session('one')
  void revocations.lapseSession(one)
  t.ok(revocations.hasEnded(one))
  t.notOk(revocations.wasRevoked(one))
  void revocations.endSession(one)
  void revocations.lapseSession(one)
  t.ok(revocations.wasRevoked(one))
  t.notOk(revocations.hasEnded(session('two')))
  revocations.learn(allOfAlice)
  t.ok(revocations.hasEnded(session('two')))
  t.ok(revocations.wasRevoked(session('two')))
  t.notOk(revocations.hasEnded(session('three', 'sub-bob')))
  const other = ownRevocations(Date.now)
  for (const revocation of revocations.list()) other.learn(revocation)
  t.same(other.list(), revocations.list(), 'a worker that comes later learns all of it')
})

t.test('who is signed out everywhere is so through every app client of their user pool', async (t) => {
  const start = (): Revocations =>
    createRevocations({
      now: Date.now,
      ticks: Date.now,
      userPoolOf,
      keepMs: { sessions: 3_600_000, others: 3_600_000 },
      openLog: null,
    })
  const [one, other] = [start(), start()]
  one.learn(allOfAlice)
  for (const revocation of one.list()) other.learn(revocation)
  const signIn = { authTime: AUTH_TIME, subject: 'sub-alice' }
  for (const revocations of [one, other]) {
    t.ok(revocations.coversSignIn(alice({ ...signIn, pool: 'staff-tools' })))
    t.ok(revocations.coversToken({ pool: 'staff-tools', subject: 'sub-alice', since: AUTH_TIME, originJti: undefined }))
    t.notOk(revocations.coversSignIn(alice({ ...signIn, pool: 'customers' })), 'somebody else of the same name')
  }
})

t.test('nobody is kept out for a moment that is still to come', async (t) => {
  const revocations = ownRevocations(Date.now)
  revocations.learn({ kind: 'everything', before: Date.now() + 86_400_000 })
  const later = Math.ceil(Date.now() / 1000) + 301
  t.notOk(revocations.coversSignIn(alice({ authTime: later })))
  t.ok(revocations.coversSignIn(alice({ authTime: AUTH_TIME })))
})

t.test('without Redis people cannot be revoked, because the next start would forget it', async (t) => {
  const revocations = ownRevocations(Date.now)
  t.notOk(revocations.lasting)
  await t.rejects(revocations.revoke(allOfAlice), {
    code: 'GW_REQUEST_REFUSED',
    reason: 'not_lasting',
    remedy: /session\.redis/,
  })
  t.notOk(revocations.hasEnded(session('one')))
})

t.test(
  'what one replica revokes the others hear of within seconds, and one that starts later too',
  { skip: noRedis ?? false },
  async (t) => {
    const server = await startRedis(t)
    const one = startReplica(t, server)
    t.throws(() => one.hasEnded(session('any')), { code: 'GW_STORE_UNAVAILABLE' }, 'it cannot know yet')
    await one.waitUntilKnown(10_000)
    const other = startReplica(t, server)
    await other.waitUntilKnown(10_000)
    t.notOk(other.hasEnded(session('ended')))

    await one.endSession(session('ended'))
    await one.revoke(allOfAlice)
    await until(() => other.told.length === 2)
    t.ok(other.hasEnded(session('ended', 'sub-bob')))
    t.ok(other.hasEnded(session('another')))
    t.ok(other.coversToken({ pool: 'staff', subject: 'sub-bob', since: AUTH_TIME, originJti: 'sign-in-of-ended' }))
    t.notOk(other.hasEnded(session('free', 'sub-bob')))
    const later = startReplica(t, server)
    await later.waitUntilKnown(10_000)
    t.ok(later.hasEnded(session('another')))

    const { ended, revoked } = createRedisKeys('one gateway')

    const logs = [ended, revoked]

    const entries = await Promise.all(logs.map(async (key) => one.redis.entriesAfter(key, '0', 10)))
    t.equal(entries.flatMap((page) => page.entries).length, 2)
    t.notMatch(JSON.stringify(entries), 'secret-refresh-token')
  },
)

t.test(
  'an outage of Redis delays what a sign-out tells, and refuses what must last',
  { skip: noRedis ?? false },
  async (t) => {
    const server = await startRedis(t)
    const one = startReplica(t, server)
    const other = startReplica(t, server)
    await Promise.all([one.waitUntilKnown(10_000), other.waitUntilKnown(10_000)])
    await server.stop()
    await one.endSession(session('ended', 'sub-bob'))
    t.ok(one.hasEnded(session('ended', 'sub-bob')), 'here at once')
    await t.rejects(one.revoke(allOfAlice), { code: 'GW_STORE_UNAVAILABLE', headers: { 'retry-after': '5' } })
    t.notOk(one.hasEnded(session('another')), 'nothing half done')
    await until(() => one.lines.some((line) => line.includes('revocations_unread')))
    t.match(one.lines.join(''), /"event":"revocation_kept"/)

    const starting = startReplica(t, server)
    await starting.waitUntilKnown(50)
    t.throws(() => starting.hasEnded(session('ended')), { code: 'GW_STORE_UNAVAILABLE' })

    await server.start()
    await until(() => other.hasEnded(session('ended', 'sub-bob')))
    await starting.waitUntilKnown(10_000)
    await until(() => starting.hasEnded(session('ended', 'sub-bob')))
    t.match(one.lines.join(''), /"event":"revocations_read"/)
    t.notMatch(one.lines.join(''), 'secret-refresh-token')
  },
)

t.test('what is in the log and no revocation is passed over', { skip: noRedis ?? false }, async (t) => {
  const server = await startRedis(t)
  const one = startReplica(t, server)
  await one.waitUntilKnown(10_000)
  const { revoked } = createRedisKeys('one gateway')
  for (const entry of ['', 'nonsense', '{"kind":"everything"}']) await one.redis.append(revoked, entry, 3_600_000)
  await one.revoke(allOfAlice)
  const later = startReplica(t, server)
  await later.waitUntilKnown(10_000)
  t.ok(later.hasEnded(session('any')))
  t.notOk(later.hasEnded(session('any', 'sub-bob')))
})
