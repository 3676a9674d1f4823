import type { Redis } from '../../src/adapters/redis.ts'
import { createRedisKeys } from '../../src/adapters/redis-keys.ts'
import { createRedisStore } from '../../src/adapters/redis-session-store.ts'
import { createSeal } from '../../src/adapters/seal.ts'
import { createSessionRecords } from '../../src/adapters/session-records.ts'
import type { SessionStore } from '../../src/adapters/session-store.ts'
import type { Clock } from './clock.ts'
import { ownRevocations } from './revocations.ts'

export interface RedisStoreOfTest {
  readonly clock: Clock
  /** Session keys, the first of which seals. */
  readonly keys: readonly Buffer[]
  /** Of one gateway; another one has another. */
  readonly context?: string
}

export const GRACE_SECONDS = 300

/** The Redis store of one replica. */
export function redisStoreOver(redis: Redis, { clock, keys, context = 'app' }: RedisStoreOfTest): SessionStore {
  const seal = createSeal(keys, 'session', context)
  const limits = { idleTimeoutSeconds: 3_600, maxAgeSeconds: 43_200 }
  return createRedisStore({
    redis,
    records: createSessionRecords({ redis, keys: createRedisKeys(context), seal, limits, now: clock.now }),
    seal,
    revocations: ownRevocations(clock.now),
    outageGraceSeconds: GRACE_SECONDS,
    ticks: clock.now,
  })
}
