import { readFileSync } from 'node:fs'
import type { Logger } from 'pino'
import type { Metrics } from './adapters/metrics.ts'
import type { OpenStreams } from './adapters/open-streams.ts'
import { createRedis, type Redis } from './adapters/redis.ts'
import type { RedisKeys } from './adapters/redis-keys.ts'
import { createRefreshAnswers } from './adapters/refresh-answers.ts'
import { createRefresher, type Refresher } from './adapters/refresher.ts'
import { createRevocationLog } from './adapters/revocation-log.ts'
import { createRevocations, type Revocations } from './adapters/revocations.ts'
import type { Seal } from './adapters/seal.ts'
import type { RefreshAtPool } from './adapters/session-refresh.ts'
import { createSessionRecords, type SessionRecords } from './adapters/session-records.ts'
import { createSharedRefresh, type SharedRefresh } from './adapters/shared-refresh.ts'
import type { Settings } from './config/settings.ts'
import { parseRedisAddress } from './domain/redis-address.ts'
import type { Revocation } from './domain/revocation.ts'

/* The parts that replicas share over a Redis, and what stands in for them where there is none. */

/** Cognito makes none that lives longer. */
const LONGEST_ACCESS_TOKEN_MS = 86_400_000

/** The life of a refresh token, unless the app client says otherwise: as long may a program bring tokens of an old sign-in. */
const REVOCATIONS_KEPT_MS = 30 * 86_400_000

interface RedisUsers {
  readonly metrics: Metrics
  readonly log: Logger
  readonly keys: RedisKeys
}

/** At most one connection per process, with either store. */
export function openRedis({ session }: Settings, { metrics, log, keys }: RedisUsers): Redis | null {
  if (session.redis === undefined) return null
  const { url, caFile } = session.redis
  const { address } = parseRedisAddress(url.reveal())
  if (address === undefined) throw new TypeError('the address of Redis is malformed after every check')
  return createRedis({
    address,
    ca: caFile === undefined ? undefined : readFileSync(caFile, 'utf8'),
    probeKey: keys.probe,
    onCommand(operation, result, seconds) {
      metrics.observe('session_store_duration_seconds', seconds, { operation })
      if (result === 'failed') metrics.count('session_store_errors_total', { operation })
    },
    onChange(up, kind) {
      if (up) log.info({ event: 'store_up' }, 'Redis answers again')
      else log.warn({ event: 'store_down', kind }, 'Redis does not do what it is asked; trying on')
    },
    onEviction: (policy) =>
      log.warn(
        { event: 'store_evicts', policy },
        'Redis throws sessions away when its memory is full, and their people out: set maxmemory-policy noeviction',
      ),
  })
}

interface RecordParts {
  readonly redis: Redis | null
  readonly keys: RedisKeys
  readonly seal: Seal
  readonly now: () => number
}

/** What a store over Redis is made of; null where browsers hold the sessions. */
export function openRecords({ session }: Settings, { redis, ...rest }: RecordParts) {
  if (session.store === 'cookie') return null
  // The checks have made sure of it.
  if (redis === null || session.redis === undefined) throw new TypeError('store: redis without session.redis')
  const records = createSessionRecords({ ...rest, redis, limits: session })
  return { redis, records, seal: rest.seal, outageGraceSeconds: session.redis.outageGraceSeconds }
}

interface RevocationParts {
  readonly settings: Settings
  readonly now: () => number
  readonly ticks: () => number
  readonly log: Logger
  readonly redis: Redis | null
  readonly keys: RedisKeys
}

/** What was revoked: known here, told to the other workers, and to all replicas where there is a Redis. */
export function openRevocations(
  { settings, now, ticks, log, redis, keys }: RevocationParts,
  streams: OpenStreams,
  tell: ((revocation: Revocation) => Promise<void>) | undefined,
): Revocations {
  const maxAgeMs = settings.session.maxAgeSeconds * 1000
  const keepMs = {
    sessions: maxAgeMs + LONGEST_ACCESS_TOKEN_MS,
    others: Math.max(maxAgeMs, REVOCATIONS_KEPT_MS),
  }
  const userPools = new Map(settings.pools.map(({ name, userPoolId }) => [name, userPoolId]))
  const revocations = createRevocations({
    now,
    ticks,
    userPoolOf: (pool) => userPools.get(pool) ?? pool,
    keepMs,
    openLog: redis === null ? null : (onRead) => createRevocationLog({ redis, keys, keepMs, onRead, log }),
    tell,
    onRevoked(revocation) {
      if (revocation.kind === 'session') streams.ended(revocation.id)
      else streams.revoked((person) => revocations.coversSignIn(person))
    },
  })
  revokeAsSet(settings, revocations)
  return revocations
}

/** What the settings themselves revoke. */
export function revokeAsSet({ session }: Settings, revocations: Revocations): void {
  const before = session.revokeAllBefore
  if (before !== undefined) revocations.learn({ kind: 'everything', before })
}

/** One refresh at a time per session, in this process and, where there are several, in all of them. */
export function createRefresherOf(elsewhere: SharedRefresh, now: () => number): Refresher {
  const here = createRefresher({ now, refresh: elsewhere.refresh })
  return { ...here, settle: async (session) => elsewhere.settle(await here.settle(session)) }
}

interface Together {
  readonly redis: Redis | null
  /** Null where browsers hold the sessions. */
  readonly records: SessionRecords | null
  readonly keys: RedisKeys
  readonly answerSeal: Seal
  readonly ticks: () => number
}

/** Where there is a Redis, replicas refresh a session once for all of them. */
export function together(atPool: RefreshAtPool, { redis, records, answerSeal, keys, ticks }: Together): SharedRefresh {
  if (redis === null) return { refresh: async (session) => atPool(session), settle: async (session) => session }
  const answers = createRefreshAnswers({ redis, keys, seal: answerSeal })
  return createSharedRefresh({ redis, keys, answers, atPool, ticks, records: records ?? undefined })
}
