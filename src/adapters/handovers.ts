import { randomBytes } from 'node:crypto'
import { StoreError, type Redis } from './redis.ts'
import type { RedisKeys } from './redis-keys.ts'
import type { Seal } from './seal.ts'

/** What takes a session from the host where people sign in to another one, through the browser: good for one attempt, once, for a moment. */
export interface Handover {
  /** The attempt that was begun on that host, and its secret, which only its cookie and its sealed state know. */
  readonly attempt: string
  readonly secret: string
  readonly host: string
  /** What that host's cookie is to hold. */
  readonly text: string
}

export interface Handovers {
  write(handover: Handover): string
  /**
   * Null for anything that was not written here, whose time is over, or that was used before. Once it was shown it is used up, whoever showed
   * it: one that was made for somebody else's attempt is worth nothing from then on.
   */
  take(text: string, by: Omit<Handover, 'text'>): Promise<Handover | null>
}

export interface HandoversOptions {
  readonly seal: Seal
  readonly now: () => number
  /** Where there is one, a hand-over is used once over all replicas. */
  readonly redis: Pick<Redis, 'setIfAbsent'> | null
  readonly keys: Pick<RedisKeys, 'handedOver'>
}

const LIFE_MS = 10_000
const ID_BYTES = 12

export function createHandovers({ seal, now, redis, keys }: HandoversOptions): Handovers {
  /** When those that were used here are over. */
  const used = new Map<string, number>()

  async function use(id: string): Promise<boolean> {
    for (const [known, until] of used) {
      if (until > now()) break
      used.delete(known)
    }
    if (used.has(id)) return false
    used.set(id, now() + LIFE_MS)
    // Without Redis for a moment it is used once at each replica, and the attempt's cookie is gone all the same.
    return (await redis?.setIfAbsent(keys.handedOver(id), '1', 2 * LIFE_MS).catch(storeOnly)) ?? true
  }

  return {
    write({ attempt, secret, host, text }) {
      const id = randomBytes(ID_BYTES).toString('base64url')
      return seal.seal(Buffer.from(JSON.stringify([id, attempt, secret, host, now() + LIFE_MS, text])))
    },
    async take(sealed, by) {
      const opened = seal.open(sealed)
      if (opened === null) return null
      const record: unknown = JSON.parse(opened.plain.toString('utf8'))
      if (!Array.isArray(record)) return null
      const [id, attempt, secret, host, until, text]: unknown[] = record
      if (typeof id !== 'string' || typeof until !== 'number' || typeof text !== 'string') return null
      if (now() >= until || until > now() + 2 * LIFE_MS || !(await use(id))) return null
      return attempt === by.attempt && secret === by.secret && host === by.host ? { ...by, text } : null
    },
  }
}

/** For what may fail because the store is away, and for no other reason. */
function storeOnly(error: unknown): true {
  if (!(error instanceof StoreError)) throw error
  return true
}
