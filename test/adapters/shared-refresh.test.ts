import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createSessionRecords } from '../../src/adapters/session-records.ts'
import { createRedisKeys } from '../../src/adapters/redis-keys.ts'
import { createRefreshAnswers } from '../../src/adapters/refresh-answers.ts'
import type { RefreshOutcome } from '../../src/adapters/refresher.ts'
import { createSeal } from '../../src/adapters/seal.ts'
import type { Hold } from '../../src/adapters/session-refresh.ts'
import { createSharedRefresh } from '../../src/adapters/shared-refresh.ts'
import type { Session } from '../../src/domain/session.ts'
import { alice } from '../helpers/people.ts'
import { connectRedis, noRedis, startRedis, type RedisServer } from '../helpers/redis.ts'
import { until } from '../helpers/until.ts'

if (noRedis !== undefined) t.plan(0, noRedis)
else await tests(await startRedis(t))

async function tests(server: RedisServer): Promise<void> {
  const seal = createSeal([randomBytes(32)], 'refresh', 'test')
  const keys = createRedisKeys('test')

  const session = (more: Partial<Session> = {}): Session => ({
    id: randomBytes(16).toString('base64url'),
    person: alice(),
    startedAt: 1_000,
    seenAt: 1_000,
    claimsAt: 1_000,
    accessExpiresAt: 301_000,
    refreshToken: 'first',
    ...more,
  })
  const renewedFrom = (one: Session, refreshToken = 'second'): RefreshOutcome => ({
    kind: 'renewed',
    session: { ...one, claimsAt: 2_000, accessExpiresAt: 302_000, refreshToken },
  })

  /** A replica, and every call that it makes to the user pool, to be answered by hand. */
  async function startReplica(more: { lockMs?: number; settledMs?: number; records?: typeof records } = {}) {
    const redis = connectRedis(t, server.url)
    await until(async () => redis.check())
    const calls: { session: Session; hold: Hold | undefined; answer: (outcome: RefreshOutcome) => void }[] = []
    const shared = createSharedRefresh({
      redis,
      keys,
      answers: createRefreshAnswers({ redis, keys, seal }),
      atPool: async (one, hold) => new Promise((answer) => calls.push({ session: one, hold, answer })),
      ticks: () => performance.now(),
      pollMs: 5,
      settledMs: 0,
      ...more,
    })
    return { ...shared, redis, calls }
  }
  const records = createSessionRecords({
    redis: connectRedis(t, server.url),
    keys,
    seal: createSeal([randomBytes(32)], 'session', 'test'),
    limits: { idleTimeoutSeconds: 600, maxAgeSeconds: 3_600 },
    now: () => 1_000,
  })
  const [here, there] = [await startReplica(), await startReplica()]
  const forget = (): void => {
    here.calls.length = 0
    there.calls.length = 0
  }
  t.beforeEach(forget)
  const called = async (): Promise<void> => until(() => here.calls.length + there.calls.length > 0)
  const theCall = () => [...here.calls, ...there.calls][0]

  t.test('C27 two replicas that refresh one session at once make one call, and both get its result', async (t) => {
    const one = session()
    const both = [here.refresh(one), there.refresh(one)]
    await called()
    theCall()?.answer(renewedFrom(one))
    const outcomes = await Promise.all(both)
    t.equal(here.calls.length + there.calls.length, 1)
    for (const outcome of outcomes) {
      t.equal(outcome.kind === 'renewed' && outcome.session.refreshToken, 'second')
      t.same(outcome.kind === 'renewed' && outcome.session.person, one.person)
    }
  })

  t.test('a refusal is shared as well, and so is a fault, for a moment', async (t) => {
    for (const outcome of [
      { kind: 'rejected', reason: 'refresh_rejected' },
      { kind: 'unavailable', cause: undefined },
    ] as const) {
      forget()
      const one = session()
      const both = [here.refresh(one), there.refresh(one)]
      await called()
      theCall()?.answer(outcome)
      for (const { kind } of await Promise.all(both)) t.equal(kind, outcome.kind)
      t.equal(here.calls.length + there.calls.length, 1)
    }
  })

  t.test('C25 C24 a result is for one session and one person, and Redis can neither read nor move it', async (t) => {
    const one = session({ refreshToken: 'canary-token' })
    const first = here.refresh(one)
    await called()
    here.calls[0]?.answer(renewedFrom(one, 'canary-second'))
    await first
    const kept = (await here.redis.get(keys.refreshed(one.id))) ?? ''
    t.ok(kept.length > 100)
    t.notMatch(kept, /canary|sub-alice|alice@/)

    void there.refresh({ ...one, person: alice({ subject: 'sub-mallory' }) })
    await until(() => there.calls.length === 1)
    const other = session()
    await here.redis.set(keys.refreshed(other.id), kept, 10_000)
    void there.refresh(other)
    await until(() => there.calls.length === 2)
    const forged = session()
    await here.redis.set(keys.refreshed(forged.id), kept.slice(0, -4), 10_000)
    void there.refresh(forged)
    await until(() => there.calls.length === 3)
    t.equal(there.calls.length, 3)
  })

  t.test('whoever has newer claims than a result was made from asks for itself', async (t) => {
    const one = session()
    const first = here.refresh(one)
    await called()
    here.calls[0]?.answer(renewedFrom(one))
    await first
    void there.refresh({ ...one, claimsAt: 2_000, refreshToken: 'second' })
    await until(() => there.calls.length === 1)
    t.equal(there.calls[0]?.session.refreshToken, 'second')
  })

  t.test('RL19 a lock whose owner died is taken over when its time is up, with the newest refresh token', async (t) => {
    const [dying, living] = [await startReplica({ lockMs: 300 }), await startReplica({ lockMs: 300 })]
    const one = session()
    void dying.refresh(one)
    await until(() => dying.calls.length === 1)
    const waiting = living.refresh(one)
    // It got a new refresh token, and no further.
    await dying.calls[0]?.hold?.({ ...one, refreshToken: 'second' })
    await until(() => living.calls.length === 1)
    t.equal(living.calls[0]?.session.refreshToken, 'second')
    living.calls[0]?.answer(renewedFrom(one, 'third'))
    const outcome = await waiting
    t.equal(outcome.kind === 'renewed' && outcome.session.refreshToken, 'third')
  })

  t.test('a refusal counts for nothing where the token was used up by a leader that was given up', async (t) => {
    const [slow, quick] = [await startReplica({ lockMs: 200 }), await startReplica({ lockMs: 200 })]
    const one = session()
    const late = slow.refresh(one)
    await until(() => slow.calls.length === 1)
    const second = quick.refresh(one)
    await until(() => quick.calls.length === 1)
    slow.calls[0]?.answer(renewedFrom(one))
    t.equal((await late).kind, 'renewed')
    quick.calls[0]?.answer({ kind: 'rejected', reason: 'refresh_rejected' })
    const outcome = await second
    t.equal(outcome.kind === 'renewed' && outcome.session.refreshToken, 'second')
  })

  t.test(
    'O08 a sign-out waits for a refresh on another replica, learns its token, and nobody gets its result',
    async (t) => {
      const one = session()
      const running = there.refresh(one)
      await called()
      const settled = here.settle(one)
      there.calls[0]?.answer(renewedFrom(one))
      await running
      t.equal((await settled).refreshToken, 'second')
      const late = await there.refresh(one)
      t.same(late, { kind: 'rejected', reason: 'signed_out' })
      t.equal((await here.settle(session({ refreshToken: 'quiet' }))).refreshToken, 'quiet')
    },
  )

  t.test(
    'where the record lives in Redis too, it is written before anything else, and a newer one is the result',
    async (t) => {
      const one = session({ handle: 'held-by-the-browser' })
      const tokenIn = async (): Promise<string | undefined> => {
        const found = await records.read(one.id)
        return typeof found === 'string' ? found : found.session.refreshToken
      }
      await records.write(one, { how: 'create', confirmedAt: 0 })
      const replica = await startReplica({ records })
      const running = replica.refresh(one)
      await until(() => replica.calls.length === 1)
      await replica.calls[0]?.hold?.({ ...one, refreshToken: 'second' })
      t.equal(await tokenIn(), 'second')
      replica.calls[0]?.answer(renewedFrom(one, 'third'))
      await running
      t.equal(await tokenIn(), 'third')

      await replica.redis.delete(keys.refreshed(one.id))
      const found = await replica.refresh(one)
      t.equal(found.kind === 'renewed' && found.session.refreshToken, 'third')
      t.equal(found.kind === 'renewed' && found.session.handle, one.handle)
      t.equal(replica.calls.length, 1)
    },
  )

  t.test(
    'RL14 a refusal soon after an outage of Redis proves nothing: another replica may have to tell of its token yet',
    async (t) => {
      const replica = await startReplica({ settledMs: 60_000 })
      const refused = replica.refresh(session())
      await until(() => replica.calls.length === 1)
      replica.calls[0]?.answer({ kind: 'rejected', reason: 'refresh_rejected' })
      t.equal((await refused).kind, 'unavailable')
    },
  )

  t.test('RL14 without Redis everybody refreshes alone, and then a refusal signs nobody out', async (t) => {
    const keeper = await startReplica({ records })
    await server.stop()
    t.teardown(async () => server.start())
    const one = session()
    t.equal((await keeper.refresh(one)).kind, 'unavailable', 'but where Redis holds the sessions nobody does')
    t.equal(keeper.calls.length, 0)
    const alone = here.refresh(one)
    await called()
    here.calls[0]?.answer(renewedFrom(one))
    t.equal((await alone).kind, 'renewed')
    const refused = there.refresh(one)
    await until(() => there.calls.length === 1)
    there.calls[0]?.answer({ kind: 'rejected', reason: 'refresh_rejected' })
    t.equal((await refused).kind, 'unavailable')
    t.equal((await here.settle(one)).refreshToken, 'first', 'and a sign-out goes on')
  })

  t.test('RL14 a Redis that goes away while the user pool is asked loses nothing', async (t) => {
    await until(async () => here.redis.check())
    const one = session()
    const running = here.refresh(one)
    await called()
    await server.stop()
    t.teardown(async () => server.start())
    await here.calls[0]?.hold?.({ ...one, refreshToken: 'second' })
    here.calls[0]?.answer(renewedFrom(one))
    const outcome = await running
    t.equal(outcome.kind === 'renewed' && outcome.session.refreshToken, 'second')
  })
}
