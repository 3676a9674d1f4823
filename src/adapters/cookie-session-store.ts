import { Memo } from '../domain/memo.ts'
import type { Session } from '../domain/session.ts'
import type { Revocations } from './revocations.ts'
import type { Seal } from './seal.ts'
import { sealSession, tooLarge, unsealSession } from './session-record.ts'
import { newIds, type SessionStore, type StoredSession } from './session-store.ts'

export interface CookieStoreOptions {
  readonly seal: Seal
  /** So that a copied cookie is worth nothing once its session was ended. */
  readonly revocations: Revocations
  /** Longest text in bytes that the cookies can hold together. */
  readonly maxTextBytes: number
  /** At least so many sessions are not opened anew each time. */
  readonly remembered?: number
  /** Told of every session that was written, so that what is open under it can follow. */
  readonly onWritten?: (session: Session) => void
}

/** The store that needs no server: the browser holds the whole record, sealed. Never waits. */
export function createCookieStore(options: CookieStoreOptions) {
  const { seal, revocations, maxTextBytes } = options
  const newMemo = (): Memo<StoredSession> => new Memo(options.remembered ?? 10_000)
  let memo = newMemo()
  // What was opened with a key that is gone must not be remembered, nor that a key was the newest.
  seal.onNewKeys(() => {
    memo = newMemo()
  })

  function opened(text: string): StoredSession | null {
    const known = memo.get(text)
    if (known !== null) return known
    const stored = unsealSession(text, seal)
    if (stored !== null) memo.set(text, stored)
    return stored
  }

  function write(session: Session): string | null {
    if (revocations.hasEnded(session)) return null
    const text = sealSession(session, seal)
    if (text.length > maxTextBytes)
      throw tooLarge(`the session needs ${text.length} bytes of cookies and ${maxTextBytes} are possible`)
    memo.set(text, { session, oldKey: false })
    options.onWritten?.(session)
    return text
  }

  return {
    newIds,
    check: () => revocations.requireKnown(),
    read(text) {
      const stored = opened(text)
      if (stored === null) return seal.isForeign(text) ? 'foreign' : null
      return revocations.hasEnded(stored.session) ? null : stored
    },
    create: write,
    write,
    end: async (session) => revocations.endSession(session),
    lapse: async (session) => revocations.lapseSession(session),
    lastKnown(text) {
      const stored = opened(text)
      return stored === null || revocations.wasRevoked(stored.session) ? null : stored.session
    },
    // Of a refresh token there is one copy only, on the host where people sign in: two would be used against each other.
    lend: (session, now) => write({ ...session, refreshToken: undefined, lentAt: now }),
    leftover(text) {
      const stored = opened(text)
      return stored !== null && revocations.wasRevoked(stored.session) ? stored.session.refreshToken : undefined
    },
  } satisfies SessionStore
}
