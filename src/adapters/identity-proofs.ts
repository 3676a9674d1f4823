import { randomUUID } from 'node:crypto'
import type { Permit } from '../domain/access.ts'
import { compactJwt } from '../domain/compact-jwt.ts'
import { GatewayError } from '../domain/errors.ts'
import { isPlainText } from '../domain/header-values.ts'
import {
  ALB_ACCESS_TOKEN,
  ALB_DATA,
  ASSERTION,
  factOf,
  groupsTold,
  type GroupRule,
  type IdentityRule,
} from '../domain/identity-headers.ts'
import { CLIENT_CLAIM, type Identity } from '../domain/identity.ts'
import type { Session } from '../domain/session.ts'
import type { SigningKeys } from './signing-keys.ts'

export interface ProofRoute {
  readonly application: string
  readonly identity: IdentityRule
}

/** Where an identity was read from: the session or the bearer token of the request. */
export interface ProofSource {
  readonly session: Session | null
  readonly bearer: string | null
}

/**
 * The proofs of one request, as a flat list of names and values. Throws GW_FORBIDDEN, with reason `user_unusable`, where somebody's name cannot
 * stand before a password.
 */
export type Proofs = (permit: Permit, source: ProofSource) => readonly string[]

export interface IdentityProofs {
  /** Null where a route sends none. */
  of(route: ProofRoute): Proofs | null
}

export interface IdentityProofsOptions {
  readonly assertionKeys: SigningKeys
  /** Others than those of the assertion: what is signed for one purpose must not pass for the other. */
  readonly albKeys: SigningKeys
  readonly publicUrl: string
  readonly pools: readonly { readonly name: string; readonly issuer: string; readonly clientId: string }[]
  /** The time of day. */
  readonly now: () => number
}

const ASSERTION_SECONDS = 60
/** What load balancers of AWS give it. */
const ALB_SECONDS = 120

export function createIdentityProofs(options: IdentityProofsOptions): IdentityProofs {
  const signers = new Map<string, Signer>()

  /** Routes whose statements are the same share them. */
  function shared(description: readonly unknown[], make: () => Signer): Signer {
    const id = JSON.stringify(description)
    const signer = signers.get(id) ?? make()
    signers.set(id, signer)
    return signer
  }

  function signedOf({ application, identity }: ProofRoute): readonly Signed[] {
    const { assertion, groups, albSigner } = identity
    const signed: Signed[] = []
    if (assertion)
      signed.push({
        name: ASSERTION.toLowerCase(),
        of: shared(['assertion', application, groups], () => assertions(application, groups, options)),
      })
    if (albSigner !== undefined)
      signed.push({
        name: ALB_DATA.toLowerCase(),
        of: shared(['alb', albSigner], () => albStatements(albSigner, options)),
      })
    return signed
  }

  return {
    of(route) {
      const { identity } = route
      const signed = signedOf(route)
      if (signed.length === 0 && identity.authorization === 'none') return null
      return (permit, source) => {
        if (permit.identity === null) return []
        const proofs = authorizationFor(permit.identity, identity, source)
        const token = identity.albSigner === undefined ? undefined : accessTokenOf(source)
        if (token !== undefined) proofs.push(ALB_ACCESS_TOKEN.toLowerCase(), token)
        for (const { name, of } of signed) {
          const text = of(permit.identity)
          if (text !== undefined) proofs.push(name, text)
        }
        return proofs
      }
    },
  }
}

interface Signed {
  readonly name: string
  readonly of: Signer
}

const accessTokenOf = ({ session, bearer }: ProofSource): string | undefined => bearer ?? session?.accessToken

function authorizationFor(identity: Identity, rule: IdentityRule, source: ProofSource): string[] {
  switch (rule.authorization) {
    case 'none':
      return []
    case 'accessToken':
      return bearerOf(accessTokenOf(source))
    case 'idToken':
      return bearerOf(source.session?.idToken)
    case 'basic':
      return basicFor(identity, rule)
  }
}

const bearerOf = (token: string | undefined): string[] =>
  token === undefined ? [] : ['authorization', `Bearer ${token}`]

/** RFC 7617. The whole is base64, so the name stands in it as it is, but for what would end it early. */
function basicFor(identity: Identity, rule: IdentityRule): string[] {
  const user = factOf(identity, rule.user ?? 'username')
  if (user === undefined || user === '') return []
  const charset = rule.encoding === 'latin1' ? 'latin1' : 'utf8'
  if (user.includes(':') || !isPlainText(user, charset))
    throw new GatewayError('GW_FORBIDDEN', { reason: 'user_unusable' })
  const pair = Buffer.from(`${user}:${rule.password?.reveal() ?? ''}`, charset)
  return ['authorization', `Basic ${pair.toString('base64')}`]
}

/** A statement about one identity; undefined while there is no key. */
type Signer = (identity: Identity) => string | undefined

interface Statement {
  readonly keys: SigningKeys
  readonly seconds: number
  readonly now: () => number
  readonly sign: (about: {
    readonly identity: Identity
    readonly kid: string
    readonly issuedAt: number
    readonly sign: (input: string) => string
  }) => string
}

/** Signs once for as long as half of its life is left: a signature costs more than all the rest of a request's headers. */
function remembering({ keys, seconds, now, sign }: Statement): Signer {
  const made = new WeakMap<Identity, { readonly text: string; readonly kid: string; readonly at: number }>()
  return (identity) => {
    const key = keys.first
    if (key === undefined) return undefined
    const before = made.get(identity)
    const time = now()
    if (before?.kid === key.kid && time >= before.at && time <= before.at + seconds * 500) return before.text
    const issuedAt = Math.floor(time / 1000)
    const text = sign({ identity, kid: key.kid, issuedAt, sign: key.sign })
    made.set(identity, { text, kid: key.kid, at: issuedAt * 1000 })
    return text
  }
}

function assertions(application: string, groups: GroupRule, options: IdentityProofsOptions): Signer {
  return remembering({
    keys: options.assertionKeys,
    seconds: ASSERTION_SECONDS,
    now: options.now,
    sign({ identity, kid, issuedAt, sign }) {
      const { pool, scopes } = identity
      const claims = {
        iss: options.publicUrl,
        aud: application,
        ...(identity.kind === 'person'
          ? {
              sub: identity.subject,
              email: identity.email,
              groups: groupsTold(identity, groups),
              client_id: identity.claims[CLIENT_CLAIM],
            }
          : { sub: identity.clientId, client_id: identity.clientId }),
        pool,
        scope: [...scopes].join(' '),
        iat: issuedAt,
        nbf: issuedAt,
        exp: issuedAt + ASSERTION_SECONDS,
        jti: randomUUID(),
      }
      return compactJwt({ alg: 'ES256', typ: 'JWT', kid }, claims, { sign, padded: false })
    },
  })
}

/** `X-Amzn-Oidc-Data` as a load balancer of AWS makes it (cognito.md 11.1). */
function albStatements(signer: string, options: IdentityProofsOptions): Signer {
  return remembering({
    keys: options.albKeys,
    seconds: ALB_SECONDS,
    now: options.now,
    sign({ identity, kid, issuedAt, sign }) {
      const pool = options.pools.find(({ name }) => name === identity.pool)
      if (pool === undefined) throw new TypeError(`there is no pool ${identity.pool}`)
      const { issuer: iss, clientId: client } = pool
      const exp = issuedAt + ALB_SECONDS
      const claims = { ...userInfoOf(identity), exp, iss }
      return compactJwt({ typ: 'JWT', kid, alg: 'ES256', iss, client, signer, exp }, claims, { sign, padded: true })
    },
  })
}

/** What Cognito's userInfo says of somebody. */
function userInfoOf(identity: Identity): Readonly<Record<string, string>> {
  if (identity.kind === 'machine') return { sub: identity.clientId }
  return { sub: identity.subject, ...identity.attributes, username: identity.username }
}
