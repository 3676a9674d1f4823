import type { SafePath } from './return-to.ts'

/** What the browser keeps, sealed, of one sign-in that is under way. */
export interface LoginAttempt {
  /** Eight base64url characters; also in the cookie's name and in the state. */
  readonly id: string
  /** Ties the state to this very attempt. */
  readonly secret: string
  readonly nonce: string
  readonly verifier: string
  readonly returnTo: SafePath
  /** Epoch milliseconds. */
  readonly startedAt: number
  /** Set where the person has to give their password for it: Cognito's own session is not enough. */
  readonly afresh: boolean
  /** The state of the attempt on another host that this one is begun for. */
  readonly visit?: string | undefined
}

/** What travels, sealed, through Cognito and back as `state`. */
export interface LoginState {
  readonly id: string
  readonly secret: string
  readonly pool: string
  /** The host on which the attempt was begun, and must end. */
  readonly host: string
  readonly returnTo: SafePath
  readonly startedAt: number
  /** As in the attempt. */
  readonly afresh: boolean
  /** Set on the one sign-in that was begun because the attempt of an earlier one was gone. */
  readonly restarted: boolean
  /** Set once Cognito was told to end its own session, because the sign-in that it brought back was revoked before. */
  readonly renewed: boolean
}

export const ATTEMPT_LIFE_MS = 600_000
/** So many attempts are kept in one browser; beginning another drops the oldest. */
export const MAX_ATTEMPTS = 5
const STATE_LIFE_MS = 3_600_000
/** So far apart may our clock and Cognito's be. */
const CLOCK_TOLERANCE_MS = 60_000
const RESTART_PAUSE_MS = 60_000

export type Comeback = 'attempt' | 'signed-in' | 'restart' | 'cookies-blocked' | 'expired'

/**
 * What a callback with a genuine state means. A lost attempt starts over once without asking (the usual reason is a long pause at the
 * password), but the second time within a minute the browser evidently does not return our cookies, and going on would be a loop.
 */
export function comebackOf(
  known: { state: LoginState; attempt: LoginAttempt | null; signedIn: boolean },
  now: number,
): Comeback {
  const { state, attempt } = known
  const matches =
    attempt?.id === state.id && attempt.secret === state.secret && now < attempt.startedAt + ATTEMPT_LIFE_MS
  if (matches) return 'attempt'
  // Whoever is to sign in once more is signed in already.
  if (known.signedIn && !state.afresh) return 'signed-in'
  if (state.restarted && now < state.startedAt + RESTART_PAUSE_MS) return 'cookies-blocked'
  return now < state.startedAt + STATE_LIFE_MS ? 'restart' : 'expired'
}

/** Whether a sign-in that was to be made afresh brought back one that was there before; `authTime` in epoch seconds. */
export function isStale({ afresh, startedAt }: Pick<LoginState, 'afresh' | 'startedAt'>, authTime: number): boolean {
  return afresh && authTime * 1000 < startedAt - CLOCK_TOLERANCE_MS
}
