import { createCookieStore } from './adapters/cookie-session-store.ts'
import type { OpenStreams } from './adapters/open-streams.ts'
import type { Redis } from './adapters/redis.ts'
import type { RedisKeys } from './adapters/redis-keys.ts'
import { createRedisStore } from './adapters/redis-session-store.ts'
import type { Revocations } from './adapters/revocations.ts'
import type { Seal } from './adapters/seal.ts'
import { createSealedHandleStore } from './adapters/sealed-handle-store.ts'
import type { HostStores, SessionStore } from './adapters/session-store.ts'
import type { Settings } from './config/settings.ts'
import type { Site, Sites } from './domain/site.ts'
import { openRecords } from './shared-parts.ts'

export interface SessionStoresOptions {
  readonly sites: Sites
  /** Of the sessions of one host, which open nowhere else. */
  readonly sealFor: (site: Site) => Seal
  /** Null where the settings name none. */
  readonly redis: Redis | null
  readonly redisKeys: RedisKeys
  readonly revocations: Revocations
  readonly streams: OpenStreams
  readonly maxTextBytes: number
  readonly now: () => number
  readonly ticks: () => number
}

/** Makes the stores of sessions: that of publicUrl's host, and one for each host; `records` is null where none lie in Redis. */
export function createSessionStores(settings: Settings, options: SessionStoresOptions) {
  const { sites, sealFor, redis, redisKeys, revocations, streams, maxTextBytes, now, ticks } = options
  const onWritten: OpenStreams['renewed'] = (session) => streams.renewed(session)
  const seal = sealFor(sites.main)
  const inRedis = openRecords(settings, { redis, keys: redisKeys, seal, now })
  const store =
    inRedis === null
      ? createCookieStore({ seal, revocations, maxTextBytes, onWritten })
      : createRedisStore({ ...inRedis, revocations, ticks, onWritten })
  const stores = openHostStores(sites, store, (site, remembered) =>
    inRedis === null
      ? createCookieStore({ seal: sealFor(site), revocations, maxTextBytes, onWritten, remembered })
      : createSealedHandleStore(store, sealFor(site), remembered),
  )
  return { store, stores, records: inRedis?.records ?? null }
}

/** Sessions that are remembered so that they need not be opened each time, over all hosts but the first. */
const REMEMBERED_ELSEWHERE = 10_000

/** A session's text is sealed to its host: what one host's cookie holds is nothing on any other. */
function openHostStores(
  { main, byHost }: Sites,
  store: SessionStore,
  open: (site: Site, remembered: number) => SessionStore,
): HostStores {
  const remembered = Math.ceil(REMEMBERED_ELSEWHERE / byHost.size)
  const stores = new Map(
    [...byHost.values()].map((site) => [site.host, site === main ? store : open(site, remembered)] as const),
  )
  return {
    at(host) {
      const found = stores.get(host)
      if (found === undefined) throw new TypeError(`${host} is not served`)
      return found
    },
  }
}
