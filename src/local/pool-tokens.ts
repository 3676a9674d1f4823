import { createHash, randomUUID } from 'node:crypto'
import { exportSPKI, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose'
import {
  askTrigger,
  changeAccessClaims,
  changeIdClaims,
  changeScopes,
  NO_OVERRIDES,
  type Overrides,
  type PreTokenGeneration,
  type TriggerSource,
} from './pre-token-generation.ts'
import type { SigningKey } from './pool-keys.ts'
import type { Client } from './pool-settings.ts'
import type { User } from './user-directory.ts'
import type { LargeClaims, TokenFamily, UserPool } from './user-pool.ts'

export type Claims = Readonly<Record<string, unknown>>

/** What a test makes of a token before it is signed. What is left out stays as it was. */
export interface Tampered {
  readonly claims?: Claims
  readonly header?: Claims
  readonly signWith?: CryptoKey | Uint8Array
}

/**
 * Called with every token that is about to be signed. With `alg: 'none'` in the header the token goes out unsigned;
 * with an HS algorithm and no key it is signed with the text of the public key, which careless verifiers accept.
 */
export type Tamper = (kind: 'id' | 'access', claims: Claims, header: Claims) => Tampered | undefined

export interface UserTokens {
  readonly idToken: string | undefined
  readonly accessToken: string
}

/** Makes the pool's tokens. */
export class TokenMint {
  tamper: Tamper | undefined
  readonly #pool: UserPool
  readonly #trigger: PreTokenGeneration | undefined

  constructor(pool: UserPool, options: { tamper?: Tamper | undefined; trigger?: PreTokenGeneration | undefined }) {
    this.#pool = pool
    this.#trigger = options.trigger
    this.tamper = options.tamper
  }

  /** An access token and, where `openid` was granted, an ID token, with the person's attributes and groups of this moment. */
  async forUser(order: {
    readonly client: Client
    readonly user: User
    readonly family: TokenFamily
    readonly nonce?: string | undefined
    readonly source: TriggerSource
  }): Promise<UserTokens> {
    const { client, user, family } = order
    const overrides = await this.#ask(order.source, { client, user, scopes: family.scopes })
    const groups = overrides.groups ?? [...user.groups, ...extraGroups(this.#pool.largeClaims)]
    const accessToken = await this.#sign('access', this.#accessClaims(order, groups, overrides))
    if (!family.scopes.includes('openid')) return { idToken: undefined, accessToken }
    const idClaims = this.#idClaims({ ...order, groups, overrides, accessToken })
    return { idToken: await this.#sign('id', idClaims), accessToken }
  }

  async forMachine(client: Client, scopes: readonly string[]): Promise<string> {
    const overrides = await this.#ask('TokenGeneration_ClientCredentials', { client, scopes })
    const iat = this.#pool.now()
    const claims = {
      sub: client.id,
      token_use: 'access',
      scope: changeScopes(scopes, overrides.access).join(' '),
      auth_time: iat,
      iss: this.#pool.issuer,
      exp: iat + client.accessTokenSeconds,
      iat,
      version: 2,
      jti: randomUUID(),
      client_id: client.id,
    }
    return this.#sign('access', changeAccessClaims(claims, overrides.access))
  }

  async #ask(
    source: TriggerSource,
    about: { readonly client: Client; readonly user?: User; readonly scopes: readonly string[] },
  ): Promise<Overrides> {
    const { client, user, scopes } = about
    const trigger = this.#trigger
    if (trigger === undefined || (user === undefined && trigger.version !== 'V3_0')) return NO_OVERRIDES
    return askTrigger(trigger, {
      triggerSource: source,
      region: this.#pool.id.split('_')[0] ?? '',
      userPoolId: this.#pool.id,
      ...(user === undefined ? {} : { userName: user.username }),
      callerContext: { awsSdkVersion: 'aws-sdk-unknown-unknown', clientId: client.id },
      request: {
        userAttributes: user === undefined ? {} : { sub: user.sub, ...user.attributes },
        groupConfiguration: { groupsToOverride: user?.groups ?? [] },
        ...(trigger.version === 'V1_0' ? {} : { scopes }),
      },
    })
  }

  #accessClaims(
    { client, user, family }: { readonly client: Client; readonly user: User; readonly family: TokenFamily },
    groups: readonly string[],
    overrides: Overrides,
  ): Claims {
    const iat = this.#pool.now()
    const claims = {
      sub: user.sub,
      ...(groups.length === 0 ? {} : { 'cognito:groups': groups }),
      iss: this.#pool.issuer,
      version: 2,
      client_id: client.id,
      origin_jti: family.originJti,
      event_id: family.eventId,
      token_use: 'access',
      scope: changeScopes(family.scopes, overrides.access).join(' '),
      auth_time: family.authTime,
      exp: iat + client.accessTokenSeconds,
      iat,
      jti: randomUUID(),
      username: user.username,
    }
    return changeAccessClaims(claims, overrides.access)
  }

  #idClaims(parts: {
    readonly client: Client
    readonly user: User
    readonly family: TokenFamily
    readonly groups: readonly string[]
    readonly overrides: Overrides
    readonly nonce?: string | undefined
    readonly accessToken: string
  }): Claims {
    const { client, user, family, groups, nonce } = parts
    const iat = this.#pool.now()
    const released = releasedAttributes(user, client, family.scopes)
    const { email_verified: email, phone_number_verified: phone, ...attributes } = released
    const claims = {
      at_hash: createHash('sha256').update(parts.accessToken).digest().subarray(0, 16).toString('base64url'),
      sub: user.sub,
      ...(groups.length === 0 ? {} : { 'cognito:groups': groups }),
      ...(email === undefined ? {} : { email_verified: email === 'true' }),
      ...(phone === undefined ? {} : { phone_number_verified: phone === 'true' }),
      iss: this.#pool.issuer,
      'cognito:username': user.username,
      ...(nonce === undefined ? {} : { nonce }),
      origin_jti: family.originJti,
      aud: client.id,
      ...(user.identities.length === 0 ? {} : { identities: user.identities }),
      event_id: family.eventId,
      token_use: 'id',
      auth_time: family.authTime,
      exp: iat + client.idTokenSeconds,
      iat,
      jti: randomUUID(),
      ...attributes,
      ...extraAttributes(this.#pool.largeClaims),
    }
    return changeIdClaims(claims, parts.overrides.id)
  }

  async #sign(kind: 'id' | 'access', claims: Claims): Promise<string> {
    const key = this.#pool.keys.current[kind]
    const header = { kid: key.kid, alg: 'RS256' }
    const tampered = this.tamper?.(kind, claims, header)
    if (tampered === undefined) return new SignJWT(claims).setProtectedHeader(header).sign(key.privateKey)
    return signTampered({ claims, header, ...tampered }, key)
  }
}

async function signTampered({ claims, header, signWith }: Tampered, key: SigningKey): Promise<string> {
  const alg = String(header?.['alg'])
  if (alg === 'none') return unsigned(claims ?? {}, header ?? {})
  const ours = alg.startsWith('HS') ? new TextEncoder().encode(await exportSPKI(key.publicKey)) : key.privateKey
  return new SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(signWith ?? ours)
}

function unsigned(claims: Claims, header: Claims): string {
  const payload = new UnsecuredJWT(claims).encode().split('.')[1]
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`
}

const EMAIL = ['email', 'email_verified']
const PHONE = ['phone_number', 'phone_number_verified']

/** The attributes that these scopes release and the client may read. `openid` alone releases all, as `profile` does. */
export function releasedAttributes(
  user: User,
  client: Client,
  scopes: readonly string[],
): Readonly<Record<string, string>> {
  const all = scopes.includes('profile') || !scopes.some((scope) => scope === 'email' || scope === 'phone')
  const byScope = [...(scopes.includes('email') ? EMAIL : []), ...(scopes.includes('phone') ? PHONE : [])]
  const isReleased = (name: string): boolean =>
    (all || byScope.includes(name)) && client.readAttributes?.includes(name) !== false
  return Object.fromEntries(Object.entries(user.attributes).filter(([name]) => isReleased(name)))
}

/** Whether a scope releases an attribute that the client may not read, for which Cognito refuses the exchange with `invalid_grant`. */
export function asksUnreadable(client: Client, scopes: readonly string[]): boolean {
  const needed = [...(scopes.includes('email') ? EMAIL : []), ...(scopes.includes('phone') ? PHONE : [])]
  return needed.some((name) => client.readAttributes?.includes(name) === false)
}

function extraGroups({ groups = 0 }: LargeClaims): string[] {
  return Array.from({ length: groups }, (_, index) => `load-test-group-${String(index).padStart(5, '0')}`)
}

/** Values made of digests, because text that repeats itself would compress away in cookies. */
function extraAttributes({ attributes = 0, attributeBytes = 2048 }: LargeClaims): Record<string, string> {
  const filler = (index: number): string =>
    Array.from({ length: Math.ceil(attributeBytes / 43) }, (_, part) =>
      createHash('sha256').update(`${index}.${part}`).digest('base64url'),
    )
      .join('')
      .slice(0, attributeBytes)
  return Object.fromEntries(Array.from({ length: attributes }, (_, index) => [`custom:large_${index}`, filler(index)]))
}
