import type { Grant, Tokens } from '../../adapters/cognito-client.ts'
import type { SessionStore } from '../../adapters/session-store.ts'
import type { TokenVerifier } from '../../adapters/token-verifier.ts'
import { GatewayError } from '../../domain/errors.ts'
import { identityFromClaims, type Person } from '../../domain/identity.ts'
import { tokensToKeep, type KeptTokens, type Session } from '../../domain/session.ts'

/** Somebody whom Cognito let in, by tokens that were verified. */
export interface SignedIn {
  readonly person: Person
  /** Of the access token, in epoch milliseconds. */
  readonly expiresAt: number
  readonly originJti: string | undefined
  readonly refreshToken: string | undefined
  readonly tokens: Pick<Session, 'accessToken' | 'idToken'>
  readonly identityProvider: string
}

export interface SignedInParts {
  readonly verifier: TokenVerifier
  readonly pool: string
  readonly userPoolId: string
  readonly trustEmailFrom: readonly string[]
  readonly keepClaims: readonly string[]
  readonly keepTokens: KeptTokens
}

const MAX_NAME = 128

/** Throws GW_SIGN_IN_REFUSED or GW_SIGN_IN_MISCONFIGURED where the code was changed for no tokens. */
export function tokensOf(grant: Grant): Tokens {
  switch (grant.kind) {
    case 'tokens':
      return grant.tokens
    case 'rejected':
      throw new GatewayError('GW_SIGN_IN_REFUSED', { detail: grant.error, reason: 'token_exchange' })
    case 'misconfigured':
      throw new GatewayError('GW_SIGN_IN_MISCONFIGURED', { detail: grant.error, reason: 'token_exchange' })
  }
}

/**
 * Both tokens are verified here, whatever the library did: it trusts the connection for the ID token's signature. Rejects with
 * GW_SIGN_IN_TOKENS_INVALID or GW_POOL_UNAVAILABLE.
 */
export async function signedInBy(tokens: Tokens, nonce: string, parts: SignedInParts): Promise<SignedIn> {
  const { accessToken, idToken, refreshToken } = tokens
  if (idToken === undefined)
    throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { detail: 'no ID token came', reason: 'token_exchange' })
  const { access, id } = await parts.verifier.verifyGrant({ accessToken, idToken })
  if (id['nonce'] !== nonce) throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { reason: 'nonce' })
  const { pool, userPoolId, trustEmailFrom, keepClaims, keepTokens } = parts
  const person = identityFromClaims({ pool, userPoolId, access, id, trustEmailFrom, keepClaims })
  if (person?.kind !== 'person') throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { reason: 'token_exchange' })
  return {
    person,
    expiresAt: Number(access['exp']) * 1000,
    originJti: typeof access['origin_jti'] === 'string' ? access['origin_jti'] : undefined,
    refreshToken,
    tokens: tokensToKeep({ accessToken, idToken }, keepTokens),
    identityProvider: providerIn(id),
  }
}

/** A session that begins now, in epoch milliseconds. */
export function sessionOf(
  { person, expiresAt, originJti, refreshToken, tokens }: SignedIn,
  ids: ReturnType<SessionStore['newIds']>,
  now: number,
): Session {
  return {
    ...ids,
    originJti,
    person,
    startedAt: now,
    seenAt: now,
    claimsAt: now,
    accessExpiresAt: expiresAt,
    refreshToken,
    ...tokens,
  }
}

/** Who let the person in: Cognito itself, or the identity provider that its ID token names. */
function providerIn({ identities }: Readonly<Record<string, unknown>>): string {
  const [first]: unknown[] = Array.isArray(identities) ? identities : []
  const name = typeof first === 'object' && first !== null && 'providerName' in first ? first.providerName : undefined
  return typeof name === 'string' ? name.slice(0, MAX_NAME) : 'COGNITO'
}
