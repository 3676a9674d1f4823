import { GatewayError } from '../domain/errors.ts'
import { identityFromClaims, type PersonSources } from '../domain/identity.ts'
import { tokensToKeep, type KeptTokens, type Session } from '../domain/session.ts'
import type { CognitoClient, Tokens } from './cognito-client.ts'
import type { RefreshOutcome } from './refresher.ts'
import type { TokenVerifier } from './token-verifier.ts'

/**
 * Asks the user pool for new tokens, once, and judges them. `hold` is given the session as soon as a new refresh token is there, because from
 * then on the old one may be worth nothing; nothing else happens until it is done. Never rejects.
 */
export type RefreshAtPool = (session: Session, hold?: Hold) => Promise<RefreshOutcome>

export type Hold = (session: Session) => Promise<void>

export interface SessionRefreshOptions {
  readonly cognito: Pick<CognitoClient, 'refresh'>
  readonly verifier: Pick<TokenVerifier, 'verifyGrant'>
  readonly pool: Pick<PersonSources, 'userPoolId' | 'trustEmailFrom'> & { readonly name: string }
  readonly keepClaims: readonly string[]
  readonly keepTokens: KeptTokens
  readonly now: () => number
  /** Told of each refresh, and of the reason in a word where it failed or was refused. */
  readonly onOutcome: (kind: RefreshOutcome['kind'], reason: string) => void
}

/** Reasons that nothing harmless brings about: an operator must hear of them. */
export const FOREIGN: ReadonlySet<string> = new Set(['tokens_foreign', 'other_person'])

/** What Cognito answers where a refresh token is over, revoked, used up, or of somebody who is disabled. */
const TOKEN_IS_OVER = 'invalid_grant'
/** What the client library says of an ID token for another client or from another issuer. */
const OTHER_CLAIMS = 'OAUTH_JWT_CLAIM_COMPARISON_FAILED'

export function createSessionRefresh(options: SessionRefreshOptions): RefreshAtPool {
  const { cognito, now, onOutcome } = options

  async function refresh(session: Session, hold: Hold | undefined): Promise<RefreshOutcome> {
    if (session.refreshToken === undefined) {
      return now() < session.accessExpiresAt
        ? { kind: 'renewed', session: { ...session, claimsAt: now() } }
        : { kind: 'rejected', reason: 'no_refresh_token' }
    }
    const grant = await cognito.refresh(session.refreshToken)
    if (grant.kind !== 'tokens') return refusalOf(grant.error)
    const held = withToken(session, grant.tokens.refreshToken)
    if (held !== session) await hold?.(held)
    try {
      return await judged(held, grant.tokens, options)
    } catch (cause) {
      if (cause instanceof GatewayError && cause.reason === 'tokens_foreign') return foreign()
      return { kind: 'unavailable', cause, session: held }
    }
  }

  return async (session, hold) => {
    const outcome = await refresh(session, hold).catch((cause: unknown): RefreshOutcome => ({
      kind: 'unavailable',
      cause,
    }))
    onOutcome(outcome.kind, reasonOf(outcome))
    return outcome
  }
}

/**
 * Stores take what has the younger claims for the newer session. One that only has a newer refresh token counts as younger by this much, so
 * that nobody who still holds the one from before writes over it.
 */
export const HELD_MS = 1

function withToken(session: Session, refreshToken: string | undefined): Session {
  if (refreshToken === undefined || refreshToken === session.refreshToken) return session
  return { ...session, refreshToken, claimsAt: session.claimsAt + HELD_MS }
}

function reasonOf(outcome: RefreshOutcome): string {
  if (outcome.kind === 'renewed') return ''
  if (outcome.kind === 'rejected') return outcome.reason
  return outcome.cause instanceof GatewayError ? (outcome.cause.reason ?? '') : ''
}

/** Only Cognito's own word on this very token ends a session; any other refusal is a fault or a mistake, and both can be repaired. */
function refusalOf(error: string): RefreshOutcome {
  if (error === TOKEN_IS_OVER) return { kind: 'rejected', reason: 'refresh_rejected' }
  if (error === OTHER_CLAIMS) return foreign()
  const detail = `the token endpoint refused a refresh (${error})`
  return { kind: 'unavailable', cause: new GatewayError('GW_POOL_UNAVAILABLE', { detail, reason: 'pool_refused' }) }
}

function foreign(): RefreshOutcome {
  return { kind: 'rejected', reason: 'tokens_foreign' }
}

/** Claims are replaced whole; a token for anybody else, or of another sign-in, ends the session. */
async function judged(
  session: Session,
  { accessToken, idToken }: Tokens,
  { verifier, pool, keepClaims, keepTokens, now }: SessionRefreshOptions,
): Promise<RefreshOutcome> {
  if (idToken === undefined) throw new TypeError('no ID token came')
  // The verifier demands this pool and this client. Which of the pool's two issuers it is may change: that is a setting of the pool.
  const { access, id } = await verifier.verifyGrant({ accessToken, idToken })
  const person = identityFromClaims({ ...pool, pool: pool.name, access, id, keepClaims })
  const same =
    person?.kind === 'person' &&
    person.subject === session.person.subject &&
    person.authTime === session.person.authTime
  if (!same) return { kind: 'rejected', reason: 'other_person' }
  return {
    kind: 'renewed',
    session: {
      ...session,
      ...tokensToKeep({ accessToken, idToken }, keepTokens),
      person,
      claimsAt: now(),
      accessExpiresAt: Number(access['exp']) * 1000,
    },
  }
}
