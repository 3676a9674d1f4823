import { userInfoAttributes } from './userinfo-claims.ts'

/** Who is asking, as verified tokens say it. Nothing in here was taken from a request. */
export type Identity = Person | Machine

export interface Person {
  readonly kind: 'person'
  /** The user pool's name in the settings. A person is the pair of pool and subject. */
  readonly pool: string
  readonly subject: string
  readonly username: string
  readonly preferredUsername: string | undefined
  /** Only an address that is verified, or that an identity provider vouches for which the settings trust. */
  readonly email: string | undefined
  /** Without the groups `{userPoolId}_{provider}` that Cognito makes by itself. */
  readonly groups: ReadonlySet<string>
  readonly scopes: ReadonlySet<string>
  /**
   * The claims of the ID token that a route names or a header emits; lists stay lists. Two are read in another way where a rule needs them:
   * CLIENT_CLAIM out of the access token, and of PROVIDERS_CLAIM the names only.
   */
  readonly claims: Readonly<Record<string, ClaimValue>>
  /** What Cognito's userInfo would tell, where a header emits that; an e-mail address only if it counts. */
  readonly attributes?: Readonly<Record<string, string>> | undefined
  /** When the person gave their password, in epoch seconds. */
  readonly authTime: number
}

export interface Machine {
  readonly kind: 'machine'
  readonly pool: string
  readonly clientId: string
  readonly scopes: ReadonlySet<string>
}

export type ClaimValue = string | number | boolean | readonly string[]

type Claims = Readonly<Record<string, unknown>>

/** Stands among the names of claims for `Person.attributes`. */
export const EVERY_ATTRIBUTE = '*'
/** The app client that the access token is for. */
export const CLIENT_CLAIM = 'client_id'
/** The identity providers of a person; in `Person.claims` a list of their names, with OWN_PROVIDER alone for people who have none. */
export const PROVIDERS_CLAIM = 'identities'
const OWN_PROVIDER = 'COGNITO'

export interface PersonSources {
  readonly pool: string
  readonly userPoolId: string
  /** Claims of the verified access token: groups and scopes come from here. */
  readonly access: Claims
  /** Claims of the verified ID token: e-mail and attributes come from here. Absent for a bearer. */
  readonly id: Claims | undefined
  /** Names of identity providers whose e-mail counts although Cognito calls it unverified. */
  readonly trustEmailFrom: readonly string[]
  /** Names of the claims worth keeping; `EVERY_ATTRIBUTE` among them keeps the attributes as well. */
  readonly keepClaims: readonly string[]
}

/** Reads an identity out of claims that were verified before; undefined when they name nobody. */
export function identityFromClaims(sources: PersonSources): Identity | undefined {
  const { access, pool } = sources
  const subject = text(access['sub'])
  const clientId = text(access['client_id'])
  if (subject === undefined || clientId === undefined) return undefined
  const scopes = new Set(text(access['scope'])?.split(' ').filter(Boolean))
  const username = text(access['username'])
  if (username === undefined || subject === clientId) return { kind: 'machine', pool, clientId, scopes }
  return {
    kind: 'person',
    pool,
    subject,
    username: text(sources.id?.['cognito:username']) ?? username,
    preferredUsername: text(sources.id?.['preferred_username']),
    email: trustedEmail(sources),
    groups: new Set(ownGroups(access['cognito:groups'], sources.userPoolId)),
    scopes,
    claims: keptClaims(sources),
    attributes: keptAttributes(sources),
    authTime: typeof access['auth_time'] === 'number' ? access['auth_time'] : 0,
  }
}

/** An identity with lists for sets, as JSON can tell it. */
export type PlainIdentity = ReturnType<typeof plainIdentity>

export function plainIdentity(identity: Identity) {
  if (identity.kind === 'machine') return { ...identity, scopes: [...identity.scopes] }
  return { ...identity, groups: [...identity.groups], scopes: [...identity.scopes] }
}

function trustedEmail({ id, trustEmailFrom }: PersonSources): string | undefined {
  const email = text(id?.['email'])
  if (email === undefined || id === undefined) return undefined
  if (id['email_verified'] === true || id['email_verified'] === 'true') return email
  return providersOf(id).some((name) => trustEmailFrom.includes(name)) ? email : undefined
}

/** The names in the `identities` claim: a list in tokens, a JSON text at userInfo (cognito.md 1.5, 3.3). */
function providersOf(id: Claims): readonly string[] {
  const identities: unknown = id[PROVIDERS_CLAIM]
  if (!Array.isArray(identities)) return []
  return identities.flatMap((one: unknown) => {
    const name = typeof one === 'object' && one !== null && 'providerName' in one ? text(one.providerName) : undefined
    return name === undefined ? [] : [name]
  })
}

function ownGroups(groups: unknown, userPoolId: string): readonly string[] {
  if (!Array.isArray(groups)) return []
  return groups.filter((group): group is string => typeof group === 'string' && !group.startsWith(`${userPoolId}_`))
}

function keptClaims(sources: PersonSources): Record<string, ClaimValue> {
  const { id, access, keepClaims } = sources
  const source = id ?? access
  const valueOf = (name: string): ClaimValue | undefined => {
    if (name === CLIENT_CLAIM) return text(access[name])
    if (name === PROVIDERS_CLAIM) return id === undefined ? undefined : providerNames(id)
    // As a claim, too, an address counts only where somebody vouches for it.
    if (name === 'email') return trustedEmail(sources)
    return Object.hasOwn(source, name) ? claimValue(source[name]) : undefined
  }
  return Object.fromEntries(
    keepClaims.flatMap((name) => {
      const value = valueOf(name)
      return value === undefined ? [] : [[name, value]]
    }),
  )
}

function providerNames(id: Claims): readonly string[] {
  const names = providersOf(id)
  // A claim that is there and cannot be read names nobody; it does not make a native person.
  return names.length === 0 && id[PROVIDERS_CLAIM] === undefined ? [OWN_PROVIDER] : names
}

function keptAttributes(sources: PersonSources): Person['attributes'] {
  const { id, keepClaims } = sources
  if (id === undefined || !keepClaims.includes(EVERY_ATTRIBUTE)) return undefined
  const { email, ...others } = userInfoAttributes(id)
  const trusted = email === undefined ? undefined : trustedEmail(sources)
  return trusted === undefined ? others : { email: trusted, ...others }
}

function claimValue(value: unknown): ClaimValue | undefined {
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return value
  if (Array.isArray(value)) return value.filter((member): member is string => typeof member === 'string')
  return undefined
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
