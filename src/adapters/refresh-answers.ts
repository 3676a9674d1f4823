import type { Session } from '../domain/session.ts'
import type { Redis } from './redis.ts'
import type { RedisKeys } from './redis-keys.ts'
import type { Seal } from './seal.ts'
import { sealSession, unsealSession } from './session-record.ts'

/** What a refresh came to, as replicas tell each other. */
export type RefreshAnswer =
  | { readonly kind: 'renewed'; readonly session: Session }
  | { readonly kind: 'refused'; readonly reason: string }
  /** A new refresh token came, and nothing else yet. */
  | { readonly kind: 'held'; readonly session: Session }
  | { readonly kind: 'failed' }

/** Answers in Redis, sealed with a key that Redis does not have. Both reject with `StoreError` where Redis does not answer. */
export interface RefreshAnswers {
  /** Null where there is none for this session, person and age of claims. */
  read(session: Session): Promise<RefreshAnswer | null>
  /** Tells whoever holds claims as old as this session's. */
  write(session: Session, answer: RefreshAnswer): Promise<void>
}

export interface RefreshAnswersOptions {
  readonly redis: Pick<Redis, 'get' | 'set'>
  readonly keys: Pick<RedisKeys, 'refreshed'>
  /** Of a purpose of its own. */
  readonly seal: Seal
}

const KEEP_MS = 30_000
/** No longer than a session is left alone after a failure: its own next try must not meet the last one. */
const FAILED_KEEP_MS = 1_000

/** An answer as it is written. */
interface Entry {
  readonly id: string
  readonly pool: string
  readonly sub: string
  /** The age of the claims that the refresh started from. */
  readonly from: number
  readonly kind: RefreshAnswer['kind']
  readonly reason?: string
  /** Sealed by itself. */
  readonly session?: string
}

export function createRefreshAnswers({ redis, keys, seal }: RefreshAnswersOptions): RefreshAnswers {
  function answerIn(text: string, { id, person, claimsAt }: Session): RefreshAnswer | null {
    const opened = seal.open(text)
    const entry: unknown = opened === null ? null : JSON.parse(opened.plain.toString('utf8'))
    if (!isEntry(entry) || entry.id !== id || entry.pool !== person.pool || entry.sub !== person.subject) return null
    if (entry.kind === 'refused') return { kind: 'refused', reason: entry.reason ?? 'refresh_rejected' }
    if (claimsAt > entry.from) return null
    if (entry.kind === 'failed') return { kind: 'failed' }
    const session = entry.session === undefined ? null : (unsealSession(entry.session, seal)?.session ?? null)
    return session === null ? null : { kind: entry.kind, session }
  }

  return {
    async read(session) {
      const text = await redis.get(keys.refreshed(session.id))
      const answer = text === null ? null : answerIn(text, session)
      // What the browser holds instead of the session is not written down; whoever asks has it.
      return answer !== null && 'session' in answer
        ? { ...answer, session: { ...answer.session, handle: session.handle } }
        : answer
    },
    async write({ id, person, claimsAt }, answer) {
      const entry: Entry = {
        id,
        pool: person.pool,
        sub: person.subject,
        from: claimsAt,
        kind: answer.kind,
        ...('reason' in answer ? { reason: answer.reason } : {}),
        ...('session' in answer ? { session: sealSession(answer.session, seal) } : {}),
      }
      const text = seal.seal(Buffer.from(JSON.stringify(entry)))
      await redis.set(keys.refreshed(id), text, answer.kind === 'failed' ? FAILED_KEEP_MS : KEEP_MS)
    },
  }
}

/** The seal vouches for the shape. */
function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null && 'kind' in value
}
