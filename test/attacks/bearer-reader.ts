import { createBearers } from '../../src/adapters/bearers.ts'
import { createTokenVerifier } from '../../src/adapters/token-verifier.ts'
import { createClock } from '../helpers/clock.ts'
import { ownRevocations } from '../helpers/revocations.ts'
import { makeKey, signed, type SigningKey } from './token-forger.ts'

const USER_POOL = 'eu-west-1_AbCdEfGhI'
export const ISSUER = `https://cognito-idp.eu-west-1.amazonaws.com/${USER_POOL}`
export const UPDATED_ISSUER = `https://issuer-cognito-idp.eu-west-1.amazonaws.com/${USER_POOL}`
export const one = makeKey('one')
export const other = makeKey('two')

/** What may become of a token that no key of the pool has signed; the second for one that does not even claim to come from it. */
export const refused = ['GW_TOKEN_INVALID', 'not ours']

interface ReaderOptions {
  readonly issuers?: readonly string[]
  readonly published?: readonly object[]
}

/** The reading of bearers over a pool whose answers a test bends. */
export function startBearers({ issuers = [ISSUER], published = [one.jwk] }: ReaderOptions = {}) {
  const clock = createClock()
  const pool = { document: JSON.stringify({ keys: published }), away: false, asked: [] as string[] }
  const bearerClients = ['batch', 'web']
  const verifier = createTokenVerifier({
    issuers,
    clientId: 'web',
    bearerClients,
    now: clock.now,
    fetchJwks: async (uri) => {
      pool.asked.push(uri)
      if (pool.away) throw new Error('unreachable')
      return new Uint8Array(Buffer.from(pool.document)).buffer
    },
  })
  const { now } = clock
  const revocations = ownRevocations(now)
  const staff = { name: 'staff', userPoolId: USER_POOL, acceptedIssuers: issuers, bearerClients, verifier }
  const bearers = createBearers({ pools: [staff], revocations, keepClaims: [], now })
  const seconds = Math.floor(clock.now() / 1000)
  const claims = {
    iss: ISSUER,
    sub: 'batch',
    client_id: 'batch',
    token_use: 'access',
    scope: 'orders/read',
    iat: seconds,
    exp: seconds + 36_000,
  }
  const token = (header: object = {}, more: object = {}, key: SigningKey = one): string =>
    signed(
      JSON.stringify({ alg: 'RS256', kid: key.kid, ...header }),
      JSON.stringify({ ...claims, ...more }),
      key.privateKey,
    )
  /** What becomes of an Authorization header: whose it is, or why it is refused. */
  const verdict = async (text: string): Promise<string> => {
    const found = bearers.ownTokenIn(`Bearer ${text}`)
    if (found === null) return 'not ours'
    return Promise.resolve(bearers.identityOf(found)).then(
      ({ kind }) => kind,
      (error: { code: string; reason?: string }) => error.code,
    )
  }
  const publish = (...keys: readonly object[]): void => {
    pool.document = JSON.stringify({ keys })
  }
  return { verifier, bearers, clock, pool, claims, token, verdict, publish }
}
