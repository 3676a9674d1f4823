import { createHmac } from 'node:crypto'
import { createSigningKeys, type SigningKeys } from '../adapters/signing-keys.ts'
import type { RouteSettings, Settings } from '../config/settings.ts'
import { compactJwt } from '../domain/compact-jwt.ts'
import { ALB_DATA, ASSERTION, FAMILIES, type ValueSource } from '../domain/identity-headers.ts'
import { newAssertionKey } from './keygen.ts'

/** What no application should take for the word of the gateway. */
export interface Forgery {
  readonly name: string
  /** `plain`: headers that anybody can write. `signed`: a statement that does not verify. */
  readonly kind: 'plain' | 'signed'
  readonly headers: Readonly<Record<string, string>>
}

export interface ForgeryOptions {
  readonly settings: Settings
  /** Of one application. */
  readonly routes: readonly RouteSettings[]
  /** Somebody who does not exist, by a name that is new each time. */
  readonly user: string
  readonly groups: readonly string[]
  /** Epoch seconds. */
  readonly now: number
}

export function forgeriesFor(options: ForgeryOptions): readonly Forgery[] {
  return [...plainForgeries(options), ...badAssertions(options), ...badAlbStatements(options)]
}

function plainForgeries(options: ForgeryOptions): readonly Forgery[] {
  const custom: Record<string, ValueSource> = Object.assign(
    {},
    ...options.routes.map(({ identity }) => identity.custom),
  )
  const families: readonly (readonly [string, Readonly<Record<string, ValueSource>>])[] = [
    ...Object.entries(FAMILIES).map(([family, { headers }]) => [family, headers] as const),
    ...(Object.keys(custom).length === 0 ? [] : [['custom', custom] as const]),
  ]
  const authorization = `Basic ${Buffer.from(`${options.user}:${options.user}`).toString('base64')}`
  return [
    ...families.map(([family, headers]): Forgery => ({
      name: `plain headers: ${family}`,
      kind: 'plain',
      headers: Object.fromEntries(Object.entries(headers).map(([name, source]) => [name, valueOf(source, options)])),
    })),
    { name: 'plain headers: basic, with a wrong password', kind: 'plain', headers: { authorization } },
  ]
}

function valueOf(source: ValueSource, { user, groups }: ForgeryOptions): string {
  if (source === 'groups') return groups.join(',')
  return source === 'email' ? `${user}@example.com` : user
}

type Fields = Readonly<Record<string, unknown>>

/** What makes a statement a lie. */
interface Lie {
  readonly says: string
  readonly header?: Fields
  readonly claims?: Fields
  readonly sign: (input: string) => string
}

/** Lies that pass wherever a verifier forgets one of its checks. */
function commonLies(keys: SigningKeys, now: number): readonly Lie[] {
  const [own, published] = [keys.first, keys.published[0]]
  const stranger = createSigningKeys([newAssertionKey()], 'thumbprint').first
  if (own === undefined || published === undefined || stranger === undefined) return []
  return [
    { says: 'signed with another key', sign: stranger.sign },
    { says: 'with alg none', header: { alg: 'none' }, sign: () => '' },
    {
      says: 'signed by HMAC with the public key',
      header: { alg: 'HS256' },
      sign: (input) => createHmac('sha256', published.pem).update(input).digest('base64url'),
    },
    {
      says: 'expired an hour ago',
      header: { exp: now - HOUR },
      claims: { iat: now - HOUR - 60, nbf: now - HOUR - 60, exp: now - HOUR },
      sign: own.sign,
    },
  ]
}

const HOUR = 3_600

function badAssertions({ settings, routes, user, groups, now }: ForgeryOptions): readonly Forgery[] {
  const [route] = routes.filter(({ identity }) => identity.assertion)
  if (route === undefined) return []
  const keys = createSigningKeys(
    settings.assertion.keys.map((key) => key.reveal()),
    'thumbprint',
  )
  const claims = {
    iss: settings.publicUrl,
    aud: route.application,
    sub: user,
    pool: route.pool,
    email: `${user}@example.com`,
    groups,
    iat: now,
    nbf: now,
    exp: now + 60,
    jti: user,
  }
  const lies: readonly Lie[] = [
    ...commonLies(keys, now).map(({ header, ...lie }) => ({ ...lie, header: { alg: header?.['alg'] ?? 'ES256' } })),
    ...ownLies(keys, [
      { says: 'for another application', claims: { aud: `not-${route.application}` } },
      { says: 'from another issuer', claims: { iss: 'https://gateway.example' } },
    ]),
  ]
  const header = { alg: 'ES256', typ: 'JWT', kid: keys.first?.kid }
  return lies.map((lie) => ({
    name: `assertion ${lie.says}`,
    kind: 'signed',
    headers: { [ASSERTION]: statement({ header, claims, lie, padded: false }) },
  }))
}

function badAlbStatements({ settings, routes, user, now }: ForgeryOptions): readonly Forgery[] {
  const [route] = routes.filter(({ identity }) => identity.albSigner !== undefined)
  const pool = settings.pools.find(({ name }) => name === route?.pool)
  if (route === undefined || pool === undefined) return []
  const keys = createSigningKeys(
    settings.assertion.albKeys.map((key) => key.reveal()),
    'uuid',
  )
  const exp = now + 60
  const { issuer: iss, clientId: client } = pool
  const header = { typ: 'JWT', kid: keys.first?.kid, alg: 'ES256', iss, client, signer: route.identity.albSigner, exp }
  const claims = { sub: user, email: `${user}@example.com`, email_verified: 'true', username: user, exp, iss }
  const lies = [
    ...commonLies(keys, now),
    ...ownLies(keys, [
      { says: 'of another load balancer', header: { signer: `${String(route.identity.albSigner)}0` } },
      { says: 'for another app client', header: { client: 'another' } },
    ]),
  ]
  return lies.map((lie) => ({
    name: `X-Amzn-Oidc-Data ${lie.says}`,
    kind: 'signed',
    headers: { [ALB_DATA]: statement({ header, claims, lie, padded: true }) },
  }))
}

/** With a signature that verifies. */
function ownLies({ first }: SigningKeys, lies: readonly Omit<Lie, 'sign'>[]): readonly Lie[] {
  return first === undefined ? [] : lies.map((lie) => ({ ...lie, sign: first.sign }))
}

interface Statement {
  readonly header: Fields
  readonly claims: Fields
  readonly lie: Lie
  readonly padded: boolean
}

function statement({ header, claims, lie, padded }: Statement): string {
  return compactJwt({ ...header, ...lie.header }, { ...claims, ...lie.claims }, { sign: lie.sign, padded })
}
