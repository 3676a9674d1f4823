import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { KeyRing, type NewSigningKey } from './pool-keys.ts'
import type { Client, IdentityProvider, PoolSettings } from './pool-settings.ts'
import { UserDirectory, type Profile, type User } from './user-directory.ts'

const CODE_SECONDS = 300
const SESSION_SECONDS = 3600
const FEDERATION_SECONDS = 900

/** What an authorization code stands for. */
export interface Grant {
  readonly clientId: string
  readonly username: string
  readonly scopes: readonly string[]
  readonly authTime: number
  readonly redirectUri: string
  readonly challenge: string | undefined
  readonly nonce: string | undefined
}

/** One sign-in at one app client: all its tokens share `originJti` and end together. */
export interface TokenFamily {
  readonly originJti: string
  readonly eventId: string
  readonly clientId: string
  readonly username: string
  readonly scopes: readonly string[]
  readonly authTime: number
  readonly expiresAt: number
  revoked: boolean
}

/** The hosted session behind the cookie `cognito`. It ends an hour after the sign-in, whatever happens meanwhile. */
export interface HostedSession {
  readonly username: string
  readonly provider: string
  readonly authTime: number
}

/** A sign-in that is away at an external provider. */
export interface Federation {
  /** The query of the authorize request that began it. */
  readonly query: string
  readonly provider: IdentityProvider
  /** The provider's own code, once it has vouched for somebody. */
  readonly answer?: { readonly code: string; readonly profile: Profile }
}

interface RefreshToken {
  readonly family: TokenFamily
  rotatedAt: number | undefined
}

/** Groups and attributes put into tokens beyond the person's own, to try what large tokens do. */
export interface LargeClaims {
  readonly groups?: number
  readonly attributes?: number
  readonly attributeBytes?: number
}

interface Perishable<T> {
  readonly value: T
  readonly expiresAt: number
}

/** Everything a user pool remembers. Times are in seconds since 1970 on the pool's own clock, unless the name says otherwise. */
export class UserPool {
  readonly settings: PoolSettings
  readonly users: UserDirectory
  readonly keys: KeyRing
  /** Where the pool is reached, without a slash at the end; known once it listens. */
  url = ''
  largeClaims: LargeClaims = {}
  readonly #realNow: () => number
  #offsetMs = 0
  #clients: readonly Client[]
  readonly #codes = new Map<string, Perishable<Grant>>()
  readonly #refreshTokens = new Map<string, RefreshToken>()
  readonly #families = new Map<string, TokenFamily>()
  readonly #sessions = new Map<string, Perishable<HostedSession>>()
  readonly #federations = new Map<string, Perishable<Federation>>()

  private constructor(settings: PoolSettings, keys: KeyRing, now: () => number) {
    this.settings = settings
    this.users = new UserDirectory(settings)
    this.keys = keys
    this.#clients = settings.clients
    this.#realNow = now
  }

  static async create(settings: PoolSettings, now: () => number, newKey?: NewSigningKey): Promise<UserPool> {
    return new UserPool(settings, await KeyRing.create(newKey), now)
  }

  get id(): string {
    return this.settings.userPoolId
  }

  /** The address below which discovery and keys are published. */
  get issuerBase(): string {
    return this.settings.issuerType === 'UPDATED'
      ? `${this.url}/issuer-cognito-idp/${this.id}`
      : `${this.url}/${this.id}`
  }

  get issuer(): string {
    return this.settings.issuer ?? this.issuerBase
  }

  nowMs(): number {
    return this.#realNow() + this.#offsetMs
  }

  now(): number {
    return Math.floor(this.nowMs() / 1000)
  }

  advanceClock(ms: number): void {
    this.#offsetMs += ms
  }

  client(id: string | null | undefined): Client | undefined {
    return this.#clients.find((client) => client.id === id)
  }

  changeClient(id: string, changes: Partial<Client>): Client | undefined {
    this.#clients = this.#clients.map((client) => (client.id === id ? { ...client, ...changes, id } : client))
    return this.client(id)
  }

  provider(name: string | null | undefined): IdentityProvider | undefined {
    return this.settings.identityProviders.find((provider) => provider.name === name)
  }

  newCode(grant: Grant): string {
    return this.#keep(this.#codes, grant, CODE_SECONDS)
  }

  /** What a code stands for. A code can be asked for once, whether or not the rest of the request is right. */
  redeemCode(code: string): Grant | undefined {
    return this.#take(this.#codes, code)
  }

  startFamily(grant: Pick<Grant, 'clientId' | 'username' | 'scopes' | 'authTime'>): TokenFamily {
    const { clientId, username, scopes, authTime } = grant
    const life = this.client(clientId)?.refreshTokenSeconds ?? 0
    const family: TokenFamily = {
      originJti: randomUUID(),
      eventId: randomUUID(),
      clientId,
      username,
      scopes,
      authTime,
      expiresAt: this.now() + life,
      revoked: false,
    }
    this.#families.set(family.originJti, family)
    return family
  }

  family(originJti: unknown): TokenFamily | undefined {
    return typeof originJti === 'string' ? this.#families.get(originJti) : undefined
  }

  newRefreshToken(family: TokenFamily): string {
    const token = opaqueToken()
    this.#refreshTokens.set(fingerprint(token), { family, rotatedAt: undefined })
    return token
  }

  /** The family of a refresh token that this client may still use, and the token that replaces it where rotation is on. */
  useRefreshToken(token: string, client: Client): { family: TokenFamily; next: string | undefined } | undefined {
    const found = this.#refreshTokens.get(fingerprint(token))
    if (found === undefined || found.family.clientId !== client.id) return undefined
    const { family } = found
    if (family.revoked || this.now() >= family.expiresAt) return undefined
    if (this.users.find(family.username)?.enabled !== true) return undefined
    if (client.rotation === undefined) return { family, next: undefined }

    const graceEndsAt = (found.rotatedAt ?? Infinity) + client.rotation.graceSeconds
    if (this.now() >= graceEndsAt) return undefined
    found.rotatedAt ??= this.now()
    return { family, next: this.newRefreshToken(family) }
  }

  familyOfRefreshToken(token: string): TokenFamily | undefined {
    return this.#refreshTokens.get(fingerprint(token))?.family
  }

  /** GlobalSignOut: ends every family of a person. The hosted session stays, as in Cognito. */
  revokeFamiliesOf(username: string): void {
    for (const family of this.#families.values()) if (family.username === username) family.revoked = true
  }

  startSession(user: User): { readonly id: string; readonly session: HostedSession } {
    const session = { username: user.username, provider: user.provider, authTime: this.now() }
    return { id: this.#keep(this.#sessions, session, SESSION_SECONDS), session }
  }

  session(id: string | undefined): HostedSession | undefined {
    const session = this.#peek(this.#sessions, id)
    return session !== undefined && this.users.find(session.username)?.enabled === true ? session : undefined
  }

  endSession(id: string | undefined): void {
    this.#sessions.delete(id ?? '')
  }

  startFederation(federation: Federation): string {
    return this.#keep(this.#federations, federation, FEDERATION_SECONDS)
  }

  federation(state: string): Federation | undefined {
    return this.#peek(this.#federations, state)
  }

  /** Notes whom the provider vouches for, and gives the code that the provider hands out for it. */
  answerFederation(state: string, profile: Profile): string | undefined {
    const kept = this.#federations.get(state)
    if (kept === undefined) return undefined
    const code = randomUUID()
    this.#federations.set(state, { ...kept, value: { ...kept.value, answer: { code, profile } } })
    return code
  }

  endFederation(state: string): Federation | undefined {
    return this.#take(this.#federations, state)
  }

  #keep<T>(shelf: Map<string, Perishable<T>>, value: T, seconds: number): string {
    const now = this.now()
    for (const [key, { expiresAt }] of shelf) if (expiresAt <= now) shelf.delete(key)
    const key = randomUUID()
    shelf.set(key, { value, expiresAt: now + seconds })
    return key
  }

  #peek<T>(shelf: Map<string, Perishable<T>>, key: string | undefined): T | undefined {
    const kept = shelf.get(key ?? '')
    return kept !== undefined && this.now() < kept.expiresAt ? kept.value : undefined
  }

  #take<T>(shelf: Map<string, Perishable<T>>, key: string): T | undefined {
    const value = this.#peek(shelf, key)
    shelf.delete(key)
    return value
  }
}

const fingerprint = (token: string): string => createHash('sha256').update(token).digest('base64url')

/** Looks and weighs like the JWE that Cognito hands out: about 1,766 characters that do not compress. */
function opaqueToken(): string {
  const header = Buffer.from('{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}').toString('base64url')
  const part = (bytes: number): string => randomBytes(bytes).toString('base64url')
  return [header, part(256), part(12), part(991), part(16)].join('.')
}
