import { createHash, randomBytes } from 'node:crypto'
import type { Session } from '../domain/session.ts'

/**
 * Where sessions live between requests. What a browser holds is a text; what that text is worth, the store says. A store that cannot be asked
 * throws GW_STORE_UNAVAILABLE: that says nothing about the session.
 */
export interface SessionStore {
  /** Names for a session that begins. */
  newIds(): SessionIds
  /** Throws GW_STORE_UNAVAILABLE where a session that began now could not be kept, or what was revoked is not known yet. */
  check(): void | Promise<void>
  /**
   * Null for anything that is no live session of this gateway; `foreign` for what may be one to a replica that knows more keys: nobody is let
   * in for it, and the browser keeps it. A promise only where the store must be asked.
   */
  read(text: string): ReadSession | Promise<ReadSession>
  /** Keeps a session that has just begun; otherwise as `write`. */
  create(session: Session): string | null | Promise<string | null>
  /** The text that the browser is to hold from now on; null once the session was ended. Throws GW_SESSION_TOO_LARGE where it cannot be held. */
  write(session: Session): string | null | Promise<string | null>
  /** From now on no text of this session is one, however often it was copied. */
  end(session: Session): Promise<void>
  /** The same for a session whose time is over or that Cognito renews no more; but `lastKnown` goes on telling whose it was. */
  lapse(session: Session): Promise<void>
  /** Whose session a text was, though it may have lapsed; null once it was ended. For nothing but what a page tells its person. */
  lastKnown(text: string): Session | null | Promise<Session | null>
  /** The text for a browser that is to use this session on this store's host too, from a moment on; null once the session was ended. */
  lend(session: Session, now: number): string | null
  /** The refresh token that a text of an ended session still holds, so that it can be revoked. */
  leftover(text: string): string | undefined
}

export interface StoredSession {
  readonly session: Session
  /** Sealed with a key that is on its way out: write it anew with the next answer. */
  readonly oldKey: boolean
}

export type ReadSession = StoredSession | 'foreign' | null

/** The stores of all hosts: what is a session on one is none on any other. */
export interface HostStores {
  at(host: string): SessionStore
}

export interface SessionIds {
  readonly id: string
  readonly handle: string
}

const HANDLE_BYTES = 32
const ID_BYTES = 16

export function newIds(): SessionIds {
  const handle = randomBytes(HANDLE_BYTES).toString('base64url')
  return { handle, id: idOf(handle) }
}

/** The name of a session, which may be known, out of what its browser holds, which may not. */
export function idOf(handle: string): string {
  return createHash('sha256').update(handle).digest().subarray(0, ID_BYTES).toString('base64url')
}
