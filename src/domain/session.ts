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
  /** When the host where people sign in handed this copy over, which holds no refresh token: only that host renews it. */
  readonly lentAt?: number | undefined
  /** As they came last, where a route passes them on. */
  readonly accessToken?: string | undefined
  readonly idToken?: string | undefined
}

/** Which tokens a session keeps beside the refresh token. */
export interface KeptTokens {
  readonly accessToken: boolean
  readonly idToken: boolean
}

export function tokensToKeep(
  tokens: { readonly accessToken: string; readonly idToken: string | undefined },
  kept: KeptTokens,
): Pick<Session, 'accessToken' | 'idToken'> {
  return {
    accessToken: kept.accessToken ? tokens.accessToken : undefined,
    idToken: kept.idToken ? tokens.idToken : undefined,
  }
}

export interface SessionLimits {
  readonly idleTimeoutSeconds: number
  readonly maxAgeSeconds: number
  /** Claims are renewed at least this often, whatever the access token's life. */
  readonly recheckSeconds: number
  /** How long a session outlives its access token while the user pool is away. */
  readonly refreshGraceSeconds: number
}

/** `early`: the session is good as it is, and whoever has time may renew it; `refresh`: it must be renewed before it is used. */
export type Freshness = 'fresh' | 'early' | 'refresh' | 'idle' | 'aged'

/** The window in which a session is renewed early, as shares of the time that its claims are good for, and what they are at most. */
const EARLIEST = { share: 0.4, ms: 300_000 }
const LATEST = { share: 0.1, ms: 60_000 }

/** What is due now: nothing, a refresh, or the end by idleness or by age. A record with odd times has ended. */
export function freshness(session: Session, limits: SessionLimits, now: number): Freshness {
  const { startedAt, seenAt, claimsAt, accessExpiresAt } = session
  if (!isTime(startedAt) || !isTime(seenAt) || !isTime(claimsAt) || !isTime(accessExpiresAt)) return 'aged'
  if (now >= startedAt + limits.maxAgeSeconds * 1000) return 'aged'
  if (now >= seenAt + limits.idleTimeoutSeconds * 1000) return 'idle'
  const dueAt = Math.min(accessExpiresAt, claimsAt + limits.recheckSeconds * 1000)
  // Claims from far in the future are of unknown age: the clock was set back since.
  if (now >= dueAt || claimsAt - now >= limits.recheckSeconds * 1000) return 'refresh'
  const lastsMs = Math.max(0, dueAt - claimsAt)
  const earliestMs = Math.min(EARLIEST.ms, lastsMs * EARLIEST.share)
  if (now < dueAt - earliestMs) return 'fresh'
  const latestMs = Math.min(LATEST.ms, lastsMs * LATEST.share)
  return now < dueAt - latestMs - spreadOf(session.id) * (earliestMs - latestMs) ? 'fresh' : 'early'
}

const isTime = (time: number): boolean => Number.isSafeInteger(time) && time > 0

/** Each session's own place in the window, from 0 to 1, so that those who signed in together do not ask the user pool together. */
function spreadOf(sessionId: string): number {
  let hash = 0x81_1c_9d_c5
  for (let at = 0; at < sessionId.length; at += 1) {
    // oxlint-disable-next-line unicorn/prefer-code-point -- ids are ASCII, and this allocates nothing
    hash = Math.imul(hash ^ sessionId.charCodeAt(at), 0x01_00_01_93)
  }
  // The last characters have hardly reached the upper bits yet.
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c_1b_3c_6d)
  return ((hash ^ (hash >>> 13)) >>> 0) / 2 ** 32
}

/** Whether a session may go on although its refresh just failed for a passing reason. */
export function survivesOutage(session: Session, limits: SessionLimits, now: number): boolean {
  return now < session.accessExpiresAt + limits.refreshGraceSeconds * 1000
}

/**
 * Whether a copy that another host has to renew may be used still where it cannot be sent there. That host vouched for it when it handed it
 * over, whatever kept the claims from being newer.
 */
export function carriesOn(session: Session, limits: SessionLimits, now: number): boolean {
  const { accessExpiresAt, claimsAt, lentAt = 0 } = session
  const due = Math.min(accessExpiresAt, Math.max(claimsAt, lentAt) + limits.recheckSeconds * 1000)
  return now < due + limits.refreshGraceSeconds * 1000
}

/** How long a copy that was just handed over is not sent for again: the host that renews it may be unable to. */
const LENT_PAUSE_MS = 30_000

/** Whether a copy that is due should be sent for renewal. */
export function mayGoForRenewal({ lentAt = 0 }: Session, now: number): boolean {
  return Math.abs(now - lentAt) >= LENT_PAUSE_MS
}

/** Whether the last use should be written down again: a tenth of the idle time, five minutes at most. */
export function renewalDue(session: Session, limits: SessionLimits, now: number): boolean {
  return now - session.seenAt >= Math.min(limits.idleTimeoutSeconds * 100, 300_000)
}

/** The same for a session that is not renewed at the moment though it is due: only so that it does not end as idle meanwhile. */
export function renewalPressing(session: Session, limits: SessionLimits, now: number): boolean {
  return now - session.seenAt >= limits.idleTimeoutSeconds * 500
}
