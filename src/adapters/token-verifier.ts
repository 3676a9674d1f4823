import { JwtVerifier } from 'aws-jwt-verify'
import { validateCognitoJwtFields } from 'aws-jwt-verify/cognito-verifier'
import {
  CognitoJwtInvalidClientIdError,
  CognitoJwtInvalidTokenUseError,
  FetchError,
  JwksNotAvailableInCacheError,
  JwtExpiredError,
  JwtInvalidIssuerError,
  KidNotFoundInJwksError,
  ParameterValidationError,
  WaitPeriodNotYetEndedJwkError,
} from 'aws-jwt-verify/error'
import type { JwtHeader, JwtPayload } from 'aws-jwt-verify/jwt-model'
import { GatewayError } from '../domain/errors.ts'
import { createPoolKeys } from './pool-keys.ts'

type Claims = Readonly<Record<string, unknown>>

/** Checks the tokens of one user pool: signature, issuer, expiry, use and app client. */
export interface TokenVerifier {
  /**
   * The tokens of a sign-in or refresh. Throws GW_POOL_UNAVAILABLE, or GW_SIGN_IN_TOKENS_INVALID with reason `tokens_foreign` where they are not
   * for this client, from this pool and for one person, `token_exchange` for anything else.
   */
  verifyGrant(tokens: {
    readonly accessToken: string
    readonly idToken: string
  }): Promise<{ access: Claims; id: Claims }>
  /** An access token from an Authorization header. Throws GW_TOKEN_INVALID, GW_TOKEN_USE or GW_POOL_UNAVAILABLE. */
  verifyBearer(token: string): Promise<Claims>
  /** Fetches the keys anew, so that a key that was taken away stops being trusted. */
  renewKeys(): Promise<void>
  /** Since keys were fetched last; null before the first time. */
  readonly keysAgeSeconds: number | null
}

export interface TokenVerifierOptions {
  readonly issuers: readonly string[]
  readonly clientId: string
  readonly bearerClients: readonly string[]
  /** The time of day, for what tokens say. */
  readonly now: () => number
  /** Milliseconds that only go forward, for pauses; `now` unless given. */
  readonly ticks?: () => number
  /** Gets a JWKS document; must throw when it cannot. */
  readonly fetchJwks: (uri: string) => Promise<ArrayBuffer>
}

const GRACE_SECONDS = 30

export function createTokenVerifier(options: TokenVerifierOptions): TokenVerifier {
  const { issuers, now, ticks = now } = options
  const keys = createPoolKeys({ issuers, ticks, fetchJwks: options.fetchJwks })
  const verifierOf = (tokenUse: 'id' | 'access', clientIds: readonly string[]) =>
    JwtVerifier.create(
      issuers.map((issuer) => ({
        issuer,
        jwksUri: keys.uri,
        // Access tokens of Cognito have no audience; the client id in either kind is checked below.
        audience: null,
        // The library goes by the machine's clock; the times are checked below by the one that we are given.
        graceSeconds: Number.MAX_SAFE_INTEGER,
        customJwtCheck: ({ header, payload }: { header: JwtHeader; payload: JwtPayload }) => {
          requirePlain(header)
          requireClaims(payload, tokenUse, clientIds, now())
        },
      })),
      { jwksCache: keys.cache },
    )
  const idVerifier = verifierOf('id', [options.clientId])
  const accessVerifier = verifierOf('access', [options.clientId])
  const bearerVerifier = verifierOf('access', options.bearerClients)

  return {
    get keysAgeSeconds() {
      return keys.ageSeconds
    },
    async verifyGrant({ accessToken, idToken }) {
      try {
        const [access, id] = await Promise.all([accessVerifier.verify(accessToken), idVerifier.verify(idToken)])
        if (access.sub !== id.sub) throw new TwoPeople('the tokens name two people')
        return { access, id }
      } catch (error) {
        throw keysUnavailable(error) ?? refusedGrant(error)
      }
    },
    async verifyBearer(token) {
      try {
        requireCanonical(token)
        return await bearerVerifier.verify(token)
      } catch (error) {
        throw keysUnavailable(error) ?? refusedBearer(error)
      }
    },
    async renewKeys() {
      const known = await keys.cache.getJwks(keys.uri)
      // Each verifier keeps what it made of a key by its id: another key under the same id would never be seen.
      for (const one of [idVerifier, accessVerifier, bearerVerifier])
        for (const issuer of issuers) one.cacheJwks(known, issuer)
    },
  }
}

/** Extensions that change what a signature means: none of ours, and what is called critical must not be ignored (RFC 7515 4.1.11). */
function requirePlain(header: JwtHeader): void {
  for (const name of ['crit', 'b64', 'zip'])
    if (Object.hasOwn(header, name)) throw new TypeError(`the token's header has ${name}`)
}

/** Why a bearer token with these claims is refused, whoever signed it; undefined where nothing speaks against it. */
export function bearerRefusal(claims: Claims, bearerClients: readonly string[], now: number): GatewayError | undefined {
  try {
    // oxlint-disable-next-line no-unsafe-type-assertion -- claims are read out of JSON or YAML
    requireClaims(claims as JwtPayload, 'access', bearerClients, now)
    return undefined
  } catch (error) {
    return refusedBearer(error)
  }
}

function requireClaims(payload: JwtPayload, use: 'id' | 'access', clientIds: readonly string[], now: number): void {
  validateCognitoJwtFields(payload, { tokenUse: use, clientId: [...clientIds] })
  requireSound(payload, use, now)
}

/** What the library leaves open: tokens without an end, from the future, or for several audiences at once. */
function requireSound(payload: JwtPayload, tokenUse: 'id' | 'access', now: number): void {
  if (typeof payload.exp !== 'number') throw new TypeError('exp is missing')
  if (payload.exp + GRACE_SECONDS <= now / 1000) throw new JwtExpiredError('the token is expired', payload.exp)
  if (typeof payload.iat !== 'number' || payload.iat > now / 1000 + GRACE_SECONDS)
    throw new TypeError('iat is missing or in the future')
  if (payload.nbf !== undefined && payload.nbf > now / 1000 + GRACE_SECONDS) throw new TypeError('nbf is in the future')
  if (typeof payload.sub !== 'string' || payload.sub === '') throw new TypeError('sub is missing')
  if (tokenUse === 'id' && typeof payload.aud !== 'string') throw new TypeError('aud is not one client')
}

/** Padding and loose bits would give one token many spellings. */
function requireCanonical(token: string): void {
  const isCanonical = token.split('.').every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
  if (!isCanonical) throw new TypeError('the token is not in the one spelling that it was issued in')
}

/** What a token says, whoever signed it; undefined for what is no token. */
export function unverifiedClaims(token: string): Claims | undefined {
  return token.split('.', 4).length === 3 ? looseClaims(token) : undefined
}

/** The same of what only begins as a token does: its first two parts, padded or not, whatever follows. */
export function looseClaims(text: string): Claims | undefined {
  const [, payload = ''] = text.split('.', 2)
  try {
    const claims: unknown = JSON.parse(Buffer.from(payload, 'base64url').toString('utf8'))
    return typeof claims === 'object' && claims !== null ? { ...claims } : undefined
  } catch {
    return undefined
  }
}

/** No keys is our trouble, not the token's: 503 with a pause, never 401 and never a redirect. */
function keysUnavailable(error: unknown): GatewayError | undefined {
  const ours = [FetchError, JwksNotAvailableInCacheError, WaitPeriodNotYetEndedJwkError].some(
    (kind) => error instanceof kind,
  )
  if (!ours) return undefined
  return new GatewayError('GW_POOL_UNAVAILABLE', {
    detail: kindOf(error),
    reason: 'jwks',
    headers: { 'retry-after': '10' },
  })
}

class TwoPeople extends TypeError {}

const FOREIGN = [
  TwoPeople,
  CognitoJwtInvalidClientIdError,
  CognitoJwtInvalidTokenUseError,
  JwtInvalidIssuerError,
  // What the library throws for an issuer that it was not told of.
  ParameterValidationError,
]

function refusedGrant(error: unknown): GatewayError {
  const reason = FOREIGN.some((kind) => error instanceof kind) ? 'tokens_foreign' : 'token_exchange'
  return new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { detail: kindOf(error), reason })
}

function refusedBearer(error: unknown): GatewayError {
  if (error instanceof CognitoJwtInvalidTokenUseError)
    return new GatewayError('GW_TOKEN_USE', { detail: kindOf(error) })
  return new GatewayError('GW_TOKEN_INVALID', { detail: kindOf(error), reason: reasonOf(error) })
}

function reasonOf(error: unknown): string {
  if (error instanceof JwtExpiredError) return 'token_expired'
  return error instanceof KidNotFoundInJwksError ? 'jwks' : 'token_invalid'
}

/** The library's messages quote claims; its classes do not. */
function kindOf(error: unknown): string {
  if (error instanceof TypeError) return error.message
  return error instanceof Error ? error.constructor.name : 'unknown'
}
