import { GatewayError } from '../domain/errors.ts'
import { identityFromClaims, type Identity } from '../domain/identity.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** Reads access tokens out of Authorization headers and says whose they are. */
export interface Bearers {
  /** The token where the header holds one that claims to come from our pool; anything else is the application's own affair. */
  ownTokenIn(authorization: string | undefined): string | null
  /** Throws GW_TOKEN_INVALID, GW_TOKEN_USE or GW_POOL_UNAVAILABLE. */
  identityOf(token: string): Promise<Identity>
}

export interface BearersOptions {
  readonly verifier: TokenVerifier
  readonly pool: string
  readonly userPoolId: string
  readonly keepClaims: readonly string[]
  readonly now: () => number
}

const MEMO_MS = 60_000
const MAX_REMEMBERED = 10_000
const BEARER = /^bearer (?<token>[\w.~+/-]+=*)$/i

export function createBearers(options: BearersOptions): Bearers {
  const { verifier, now } = options
  // By the signature's tail, then the whole token: a look-up must not cost more than it saves.
  const memo = new Map<string, { readonly token: string; readonly identity: Identity; readonly until: number }>()

  function remember(token: string, identity: Identity, expiresAt: number): void {
    const tail = token.slice(-32)
    memo.delete(tail)
    memo.set(tail, { token, identity, until: Math.min(now() + MEMO_MS, expiresAt) })
    if (memo.size > MAX_REMEMBERED) memo.delete(memo.keys().next().value ?? '')
  }

  return {
    ownTokenIn(authorization) {
      const token = authorization === undefined ? undefined : BEARER.exec(authorization)?.groups?.['token']
      return token !== undefined && verifier.claimsToBeOurs(token) ? token : null
    },
    async identityOf(token) {
      const known = memo.get(token.slice(-32))
      if (known !== undefined && known.token === token && now() < known.until) return known.identity
      const access = await verifier.verifyBearer(token)
      const identity = identityFromClaims({ ...options, access, id: undefined, trustEmailFrom: [] })
      if (identity === undefined) throw new GatewayError('GW_TOKEN_INVALID', { reason: 'token_invalid' })
      remember(token, identity, typeof access['exp'] === 'number' ? access['exp'] * 1000 : 0)
      return identity
    },
  }
}
