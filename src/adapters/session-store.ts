import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { GatewayError } from '../domain/errors.ts'
import type { ClaimValue } from '../domain/identity.ts'
import { Memo } from '../domain/memo.ts'
import type { Session } from '../domain/session.ts'
import type { Revocations } from './revocations.ts'
import type { Seal } from './seal.ts'

/** Where sessions live between requests. What a browser holds is a text; what that text is worth, the store says. */
export interface SessionStore {
  /**
   * Null for anything that is no live session of this gateway; `foreign` for what may be one to a replica that knows more keys: nobody is let
   * in for it, and the browser keeps it. A promise only where the store must be asked.
   */
  read(text: string): ReadSession | Promise<ReadSession>
  /** The text that the browser is to hold from now on; null once the session was ended. Throws GW_SESSION_TOO_LARGE where it cannot hold it. */
  write(session: Session): string | null | Promise<string | null>
  /** From now on no text of this session is one, however often it was copied. */
  end(session: Session): Promise<void>
  /** The same for a session whose time is over or that Cognito renews no more; but `lastKnown` goes on telling whose it was. */
  lapse(session: Session): Promise<void>
  /** Whose session a text was, though it may have lapsed; null once it was ended. For nothing but what a page tells its person. */
  lastKnown(text: string): Session | null | Promise<Session | null>
}

export interface StoredSession {
  readonly session: Session
  /** Sealed with a key that is on its way out: write it anew with the next answer. */
  readonly oldKey: boolean
}

export type ReadSession = StoredSession | 'foreign' | null

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

const MAX_RECORD_BYTES = 65_536

/** The store that needs no server: the browser holds the whole record, sealed. */
export function createCookieStore(options: CookieStoreOptions): SessionStore {
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
    const stored = unseal(text, seal)
    if (stored !== null) memo.set(text, stored)
    return stored
  }

  return {
    read(text) {
      const stored = opened(text)
      if (stored === null) return seal.isForeign(text) ? 'foreign' : null
      return revocations.hasEnded(stored.session) ? null : stored
    },
    write(session) {
      if (revocations.hasEnded(session)) return null
      const text = seal.seal(deflateRawSync(JSON.stringify(recordOf(session)), { level: 6 }))
      if (text.length > maxTextBytes) {
        throw new GatewayError('GW_SESSION_TOO_LARGE', {
          detail: `the session needs ${text.length} bytes of cookies and ${maxTextBytes} are possible; emit or name fewer groups and claims`,
          reason: 'cookie_too_large',
        })
      }
      memo.set(text, { session, oldKey: false })
      options.onWritten?.(session)
      return text
    },
    end: async (session) => revocations.endSession(session),
    lapse: async (session) => revocations.lapseSession(session),
    lastKnown(text) {
      const stored = opened(text)
      return stored === null || revocations.wasRevoked(stored.session) ? null : stored.session
    },
  }
}

function unseal(text: string, seal: Seal): StoredSession | null {
  const opened = seal.open(text)
  if (opened === null) return null
  try {
    const record: unknown = JSON.parse(
      inflateRawSync(opened.plain, { maxOutputLength: MAX_RECORD_BYTES }).toString('utf8'),
    )
    return isRecord(record) ? { session: sessionOf(record), oldKey: opened.oldKey } : null
  } catch {
    return null
  }
}

/** A session as it is written: short names, lists for sets. The seal vouches for its shape; the version for its meaning. */
interface SessionRecord {
  readonly v: 1
  readonly id: string
  readonly origin?: string
  readonly pool: string
  readonly sub: string
  readonly user: string
  readonly preferred?: string
  readonly email?: string
  readonly groups: readonly string[]
  readonly scopes: readonly string[]
  readonly claims: Readonly<Record<string, ClaimValue>>
  readonly auth: number
  readonly started: number
  readonly seen: number
  readonly claimed: number
  readonly expires: number
  readonly refresh?: string
}

function recordOf({ person, ...session }: Session): SessionRecord {
  return {
    v: 1,
    id: session.id,
    ...(session.originJti === undefined ? {} : { origin: session.originJti }),
    pool: person.pool,
    sub: person.subject,
    user: person.username,
    ...(person.preferredUsername === undefined ? {} : { preferred: person.preferredUsername }),
    ...(person.email === undefined ? {} : { email: person.email }),
    groups: [...person.groups],
    scopes: [...person.scopes],
    claims: person.claims,
    auth: person.authTime,
    started: session.startedAt,
    seen: session.seenAt,
    claimed: session.claimsAt,
    expires: session.accessExpiresAt,
    ...(session.refreshToken === undefined ? {} : { refresh: session.refreshToken }),
  }
}

function isRecord(value: unknown): value is SessionRecord {
  return typeof value === 'object' && value !== null && 'v' in value && value.v === 1
}

function sessionOf(record: SessionRecord): Session {
  return {
    id: record.id,
    originJti: record.origin,
    person: {
      kind: 'person',
      pool: record.pool,
      subject: record.sub,
      username: record.user,
      preferredUsername: record.preferred,
      email: record.email,
      groups: new Set(record.groups),
      scopes: new Set(record.scopes),
      claims: record.claims,
      authTime: record.auth,
    },
    startedAt: record.started,
    seenAt: record.seen,
    claimsAt: record.claimed,
    accessExpiresAt: record.expires,
    refreshToken: record.refresh,
  }
}
