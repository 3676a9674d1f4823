import { GatewayError } from '../domain/errors.ts'
import { identityFromClaims, type Identity } from '../domain/identity.ts'
import { Memo } from '../domain/memo.ts'
import { tokenOrigin, type TokenOrigin } from '../domain/revocation.ts'
import type { Revocations } from './revocations.ts'
import { looseClaims, type TokenVerifier } from './token-verifier.ts'

/** Reads access tokens out of Authorization headers and says whose they are. */
export interface Bearers {
  /**
   * The token where the header holds one that claims to come from a pool of ours; anything else is the application's own affair. One in
   * another spelling than Cognito's is ours too, and comes with all that is odd about it: so it is refused, and no application reads it.
   */
  ownTokenIn(authorization: string): string | null
  /** A promise only where the token must be verified; it rejects with GW_TOKEN_INVALID, GW_TOKEN_USE or GW_POOL_UNAVAILABLE. */
  identityOf(token: string): Identity | Promise<Identity>
}

export interface BearersOptions {
  readonly pools: readonly BearerPool[]
  readonly revocations: Revocations
  readonly keepClaims: readonly string[]
  /** The time of day, for what tokens say. */
  readonly now: () => number
  /** Milliseconds that only go forward, for what is remembered; `now` unless given. */
  readonly ticks?: () => number
}

/** What is to be known of a user pool whose tokens are read. Two may be app clients of one: each knows its own by `bearerClients`. */
export interface BearerPool {
  readonly name: string
  readonly userPoolId: string
  readonly acceptedIssuers: readonly string[]
  readonly bearerClients: readonly string[]
  readonly verifier: Pick<TokenVerifier, 'verifyBearer'>
}

/** `until` by the clock that only goes forward, `expiresAt` by the time of day. */
interface Known {
  readonly identity: Identity
  readonly origin: TokenOrigin
  readonly until: number
  readonly expiresAt: number
}

const MEMO_MS = 60_000
/** Of each pool. */
const REMEMBERED = 10_000
/** Shorter than the other memo: a clock that is behind may make a token valid that was from the future. */
const REFUSED_MEMO_MS = 10_000
/** Of each pool as well. */
const REFUSED = 250
/** Longer than any token of Cognito, so that what strangers send takes 2 MB for each pool at most. */
const MAX_REFUSED_LENGTH = 4_096
const SCHEME = 'bearer '
/** With whatever some reader or other takes for space around it. */
const BEARER = /^[\s\u0085]*bearer(?=[\s\u0085])/i

export function createBearers(options: BearersOptions): Bearers {
  const { pools, revocations, keepClaims, now, ticks = now } = options
  const memo = new Memo<Known>(REMEMBERED * pools.length)
  // Apart, so that no flood of refused tokens drives out one that is in use.
  const refused = new Memo<{ readonly error: GatewayError; readonly until: number }>(REFUSED * pools.length)

  /** A program whose token is over sends it again and again: it costs a signature's check once. */
  function rememberRefusal(token: string, error: unknown): void {
    const isFinal = error instanceof GatewayError && error.code !== 'GW_POOL_UNAVAILABLE' && error.reason !== 'jwks'
    if (!isFinal || token.length > MAX_REFUSED_LENGTH) return
    refused.set(token, { error, until: ticks() + REFUSED_MEMO_MS })
  }

  async function verified(token: string): Promise<Identity> {
    const before = refused.get(token)
    if (before !== null && ticks() < before.until) throw before.error
    try {
      const pool = poolOf(token, pools)
      if (pool === undefined) throw invalid('token_invalid')
      const access = await pool.verifier.verifyBearer(token)
      const { name, userPoolId } = pool
      const identity = identityFromClaims({
        pool: name,
        userPoolId,
        keepClaims,
        access,
        id: undefined,
        trustEmailFrom: [],
      })
      if (identity === undefined) throw invalid('token_invalid')
      const origin = tokenOrigin(identity, access)
      if (revocations.coversToken(origin)) throw invalid('token_revoked')
      const expiresAt = typeof access['exp'] === 'number' ? access['exp'] * 1000 : 0
      memo.set(token, { identity, origin, until: ticks() + MEMO_MS, expiresAt })
      return identity
    } catch (error) {
      rememberRefusal(token, error)
      throw error
    }
  }

  /** The token of a header whose token was verified before, without reading it once more. */
  function rememberedIn(authorization: string): string | null {
    const token = memo.likely(authorization)
    if (token === null || authorization.length !== SCHEME.length + token.length) return null
    return authorization.slice(0, SCHEME.length).toLowerCase() === SCHEME && authorization.endsWith(token)
      ? token
      : null
  }

  return {
    ownTokenIn(authorization) {
      const remembered = rememberedIn(authorization)
      if (remembered !== null) return remembered
      const token = shownIn(authorization)
      return token !== null && poolOf(token, pools) !== undefined ? token : null
    },
    identityOf(token) {
      const known = memo.get(token)
      if (known === null || ticks() >= known.until || now() >= known.expiresAt) return verified(token)
      return revocations.coversToken(known.origin) ? Promise.reject(invalid('token_revoked')) : known.identity
    },
  }
}

/** What a header shows. Where more stands before it than the scheme and one space, it begins with that, as no token does. */
function shownIn(authorization: string): string | null {
  const scheme = BEARER.exec(authorization)?.[0]
  if (scheme === undefined) return null
  const isPlain = authorization.slice(0, SCHEME.length).toLowerCase() === SCHEME
  return authorization.slice(isPlain ? SCHEME.length : scheme.length)
}

/** The pool that a token claims to come from, and whose app client it names; nothing of that is checked yet. */
function poolOf(token: string, pools: readonly BearerPool[]): BearerPool | undefined {
  const claims = looseClaims(token)
  const theirs = pools.filter(({ acceptedIssuers }) => acceptedIssuers.some((issuer) => issuer === claims?.['iss']))
  return (
    theirs.find(({ bearerClients }) => bearerClients.some((client) => client === claims?.['client_id'])) ?? theirs[0]
  )
}

const invalid = (reason: 'token_invalid' | 'token_revoked'): GatewayError =>
  new GatewayError('GW_TOKEN_INVALID', { reason })
