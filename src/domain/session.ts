import type { Person } from './identity.ts'

/** One person's session in one browser. All times in epoch milliseconds. */
export interface Session {
  /** 128 random bits; new at each sign-in, so that a session known before a sign-in is worth nothing after it. */
  readonly id: string
  /**
   * The 256 random bits that the browser holds where the store keeps the record; the id is their hash. Undefined where the browser holds the
   * whole session.
   */
  readonly handle?: string | undefined
  /** Cognito's name for this sign-in (`origin_jti`): every access token that was born of it carries it. */
  readonly originJti?: string | undefined
  readonly person: Person
  readonly startedAt: number
  /** Last use as far as it was written down; see `renewal`. */
  readonly seenAt: number
  /** When groups and claims were last read from tokens. */
  readonly claimsAt: number
  readonly accessExpiresAt: number
  readonly refreshToken: string | undefined
}

export interface SessionLimits {
  readonly idleTimeoutSeconds: number
  readonly maxAgeSeconds: number
  /** Claims are renewed at least this often, whatever the access token's life. */
  readonly recheckSeconds: number
  /** How long a session outlives its access token while the user pool is away. */
  readonly refreshGraceSeconds: number
}

export type Freshness = 'fresh' | 'refresh' | 'idle' | 'aged'

const REFRESH_EARLY_MS = 60_000

/** What is due now: nothing, a refresh, or the end by idleness or by age. A record with odd times has ended. */
export function freshness(session: Session, limits: SessionLimits, now: number): Freshness {
  const { startedAt, seenAt, claimsAt, accessExpiresAt } = session
  if (![startedAt, seenAt, claimsAt, accessExpiresAt].every((time) => Number.isSafeInteger(time) && time > 0))
    return 'aged'
  if (now >= startedAt + limits.maxAgeSeconds * 1000) return 'aged'
  if (now >= seenAt + limits.idleTimeoutSeconds * 1000) return 'idle'
  // A token that lives less than twice the margin is used for half its life, not refreshed on every request.
  const early = Math.min(REFRESH_EARLY_MS, Math.max(0, accessExpiresAt - claimsAt) / 2)
  // Claims from far in the future are of unknown age: the clock was set back since.
  const recheckDue = Math.abs(now - claimsAt) >= limits.recheckSeconds * 1000
  return recheckDue || now >= accessExpiresAt - early ? 'refresh' : 'fresh'
}

/** Whether a session may go on although its refresh just failed for a passing reason. */
export function survivesOutage(session: Session, limits: SessionLimits, now: number): boolean {
  return now < session.accessExpiresAt + limits.refreshGraceSeconds * 1000
}

/** Whether the last use should be written down again: a tenth of the idle time, five minutes at most. */
export function renewalDue(session: Session, limits: SessionLimits, now: number): boolean {
  return now - session.seenAt >= Math.min(limits.idleTimeoutSeconds * 100, 300_000)
}
