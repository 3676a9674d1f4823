import type { Identity } from './identity.ts'

/** Something that ended before its time. It travels between workers and lies in Redis: names and moments, nothing secret. */
export type Revocation = SessionRevocation | PersonRevocation | GeneralRevocation

/** One session, and the bearer tokens of the same sign-in where that is known. */
export interface SessionRevocation {
  readonly kind: 'session'
  readonly id: string
  readonly originJti?: string | undefined
  /** Nobody ended it: its time was over, or Cognito renews it no more. */
  readonly lapsed?: true | undefined
}

/** Everything of one person, or of one machine by its client id, that was signed in at or before a moment in epoch milliseconds. */
export interface PersonRevocation {
  readonly kind: 'person'
  readonly pool: string
  readonly subject: string
  readonly before: number
}

/** The same of everybody. */
export interface GeneralRevocation {
  readonly kind: 'everything'
  readonly before: number
}

/** What of an access token says whether it was revoked. */
export interface TokenOrigin {
  readonly pool: string
  readonly subject: string
  /** When its owner signed in, for a machine when the token was made; in epoch seconds. */
  readonly since: number
  /** The sign-in that it was born of; undefined for a machine's. */
  readonly originJti: string | undefined
}

/** Reads the origin out of claims that were verified before. */
export function tokenOrigin(identity: Identity, claims: Readonly<Record<string, unknown>>): TokenOrigin {
  const { pool } = identity
  const { origin_jti: originJti, iat } = claims
  if (identity.kind === 'machine')
    return { pool, subject: identity.clientId, since: typeof iat === 'number' ? iat : 0, originJti: undefined }
  const { subject, authTime } = identity
  return { pool, subject, since: authTime, originJti: typeof originJti === 'string' ? originJti : undefined }
}

/** Cognito tells whole seconds, rounded down: whoever signed in within the second of the revocation has to do it again. */
export function isCovered(before: number, sinceSeconds: number): boolean {
  return sinceSeconds * 1000 <= before
}

type Fields = Readonly<Record<string, unknown>>

export function isRevocation(value: unknown): value is Revocation {
  if (!isObject(value)) return false
  const { kind, id, originJti, lapsed, pool, subject, before } = value
  switch (kind) {
    case 'session':
      return isName(id) && (originJti === undefined || isName(originJti)) && (lapsed === undefined || lapsed === true)
    case 'person':
      return isName(pool) && isName(subject) && Number.isSafeInteger(before)
    case 'everything':
      return Number.isSafeInteger(before)
    default:
      return false
  }
}

/** What an earlier `JSON.stringify` of a revocation said; null for anything else. */
export function parseRevocation(text: string): Revocation | null {
  try {
    const value: unknown = JSON.parse(text)
    return isRevocation(value) ? value : null
  } catch {
    return null
  }
}

const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d)$/

/** A moment such as 2025-01-31T03:00:00Z in epoch milliseconds; null for a text without a zone, or one that is none. */
export function parseInstant(text: string): number | null {
  const instant = INSTANT.test(text) ? Date.parse(text) : Number.NaN
  return Number.isNaN(instant) ? null : instant
}

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const isName = (value: unknown): value is string => typeof value === 'string' && value !== '' && value.length <= 256
