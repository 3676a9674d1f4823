import type { Session, SessionLimits } from '../domain/session.ts'
import { StoreError, versioned, type Redis } from './redis.ts'
import type { RedisKeys } from './redis-keys.ts'
import type { Seal } from './seal.ts'
import { sealSession, unsealSession } from './session-record.ts'
import type { StoredSession } from './session-store.ts'

/** The records of sessions in Redis, and those that could not be written there yet. */
export interface SessionRecords {
  /** `foreign` where it is sealed with a key that this replica does not know, `wrong` where it cannot be this session's record. */
  read(id: string): Promise<StoredSession | 'none' | 'foreign' | 'wrong'>
  /** `unsaved` where Redis is away: written when it is back. `full` where too many wait for that. Never rejects for Redis' sake. */
  write(session: Session, how: Writing): Promise<'saved' | 'gone' | 'older' | 'unsaved' | 'full'>
  /** Writes what waits for this session now; what still waits then, or null. */
  settle(id: string): Promise<Unsaved | null>
  /** Never rejects: a record that stays has an end of its own. */
  remove(id: string): Promise<void>
}

export interface Writing {
  readonly how: 'create' | 'replace'
  /** When Redis last confirmed the session. */
  readonly confirmedAt: number
}

export interface Unsaved extends Writing {
  readonly session: Session
}

export interface SessionRecordsOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  readonly seal: Seal
  readonly limits: Pick<SessionLimits, 'idleTimeoutSeconds' | 'maxAgeSeconds'>
  readonly now: () => number
}

/** Pages that keep what was typed into a form ask whose session it was. */
const TRACE_MS = 3_600_000
const MAX_UNSAVED = 10_000

export function createSessionRecords({ redis, keys, seal, limits, now }: SessionRecordsOptions): SessionRecords {
  const unsaved = new Map<string, Unsaved>()

  async function read(id: string): ReturnType<SessionRecords['read']> {
    const value = await redis.get(keys.session(id))
    if (value === null) return 'none'
    const sealed = /^\d+ (\S+)$/.exec(value)?.[1]
    if (sealed === undefined) return 'wrong'
    const stored = unsealSession(sealed, seal)
    if (stored === null) return seal.isForeign(sealed) ? 'foreign' : 'wrong'
    return stored.session.id === id ? stored : 'wrong'
  }

  async function store(session: Session, how: Writing['how']): Promise<'saved' | 'gone' | 'older'> {
    const key = keys.session(session.id)
    const value = { version: session.claimsAt, text: sealSession(session, seal) }
    const endsAt = Math.min(
      session.seenAt + limits.idleTimeoutSeconds * 1000,
      session.startedAt + limits.maxAgeSeconds * 1000,
    )
    const lifeMs = endsAt + TRACE_MS - now()
    // A first writing that got no answer may have been done, and others may have gone on from it.
    const first = how === 'create' && !unsaved.has(session.id)
    const result = first ? 'gone' : await redis.replace(key, value, lifeMs)
    if (result !== 'gone' || how === 'replace') return result === 'replaced' ? 'saved' : result
    await redis.set(key, versioned(value), lifeMs)
    return 'saved'
  }

  async function write(session: Session, writing: Writing): ReturnType<SessionRecords['write']> {
    const { id } = session
    const how = unsaved.get(id)?.how === 'create' ? 'create' : writing.how
    try {
      const result = await store(session, how)
      const waiting = unsaved.get(id)
      if (waiting !== undefined && waiting.session.claimsAt <= session.claimsAt) unsaved.delete(id)
      return result
    } catch (error) {
      if (!(error instanceof StoreError)) throw error
      if (unsaved.size >= MAX_UNSAVED && !unsaved.has(id)) return 'full'
      unsaved.set(id, { session, how, confirmedAt: writing.confirmedAt })
      return 'unsaved'
    }
  }

  async function settle(id: string): Promise<Unsaved | null> {
    const waiting = unsaved.get(id)
    if (waiting === undefined) return null
    const result = await write(waiting.session, waiting)
    return result === 'unsaved' ? waiting : null
  }

  redis.onUp(() => void settleAll())
  async function settleAll(): Promise<void> {
    for (const id of unsaved.keys()) if ((await settle(id)) !== null) return
  }

  return {
    read,
    write,
    settle,
    async remove(id) {
      unsaved.delete(id)
      await redis.delete(keys.session(id)).catch(() => undefined)
    },
  }
}
