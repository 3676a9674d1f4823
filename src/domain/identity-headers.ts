import { encoded, percentEncoded, type HeaderEncoding } from './header-values.ts'
import { CLIENT_CLAIM, EVERY_ATTRIBUTE, type Identity, type Person } from './identity.ts'
import type { Secret } from './secret.ts'

/** How a route tells its application who is there. */
export interface IdentityHeaders {
  /** What of the families below is sent; none of them where this is empty. */
  readonly headers: readonly HeaderFamily[]
  /** What stands for the person; undefined: what each family takes. */
  readonly user: UserSource | undefined
  readonly groups: GroupRule
  readonly encoding: HeaderEncoding
  /** Names as the operator wrote them, and what they hold; sent where `headers` says so. */
  readonly custom: Readonly<Record<string, ValueSource>>
}

/** The same with what is sent beside the plain headers, so that an application need not take the gateway's word for who is there. */
export interface IdentityRule extends IdentityHeaders {
  /** What stands in the Authorization header. */
  readonly authorization: 'none' | 'accessToken' | 'idToken' | 'basic'
  /** Stands in for everybody's password; always there with `authorization: basic`. */
  readonly password: Secret | undefined
  /** Whether a signed assertion is sent. */
  readonly assertion: boolean
  /** The load balancer that the `alb` family says it is; undefined where that family is not sent. */
  readonly albSigner: string | undefined
}

export interface GroupRule {
  readonly only: readonly string[] | undefined
  readonly rename: Readonly<Record<string, string>>
  readonly separator: string
  readonly max: number | undefined
}

export type HeaderFamily = keyof typeof FAMILIES | 'custom'
export type UserSource = 'sub' | 'email' | 'username' | `claim:${string}`
/** What a header holds. `user` is what stands for the person, `name` their full name. */
export type ValueSource = UserSource | 'user' | 'name' | 'groups'

interface Family {
  /** What stands for the person unless the settings say otherwise. */
  readonly user: UserSource
  readonly headers: Readonly<Record<string, ValueSource>>
}

/** The plain headers of each family. README's table is checked against this. */
export const FAMILIES = {
  forwarded: {
    user: 'sub',
    headers: {
      'X-Forwarded-User': 'user',
      'X-Forwarded-Preferred-Username': 'username',
      'X-Forwarded-Email': 'email',
      'X-Forwarded-Groups': 'groups',
    },
  },
  authRequest: {
    user: 'sub',
    headers: {
      'X-Auth-Request-User': 'user',
      'X-Auth-Request-Preferred-Username': 'username',
      'X-Auth-Request-Email': 'email',
      'X-Auth-Request-Groups': 'groups',
    },
  },
  remote: {
    user: 'username',
    headers: { 'Remote-User': 'user', 'Remote-Name': 'name', 'Remote-Email': 'email', 'Remote-Groups': 'groups' },
  },
  alb: { user: 'sub', headers: { 'X-Amzn-Oidc-Identity': 'user' } },
} as const satisfies Record<string, Family>

/** Where the token and the signed statement of the `alb` family stand, and the signed assertion. */
export const ALB_ACCESS_TOKEN = 'X-Amzn-Oidc-Accesstoken'
export const ALB_DATA = 'X-Amzn-Oidc-Data'
export const ASSERTION = 'X-Gateway-Jwt-Assertion'

interface Told {
  readonly name: string
  readonly source: ValueSource
  readonly user: UserSource
}

/** Every plain header that a route may send, in order. */
export function plainHeaders(rule: IdentityHeaders): readonly Told[] {
  return rule.headers.flatMap((family) => {
    const { headers, user } = family === 'custom' ? { headers: rule.custom, user: 'sub' as const } : FAMILIES[family]
    return Object.entries(headers).map(([name, source]) => ({ name, source, user: rule.user ?? user }))
  })
}

/** Every header in which a route may tell something of somebody, in lower case. */
export function identityHeaderNames(rule: IdentityRule): readonly string[] {
  return [
    ...plainHeaders(rule).map(({ name }) => name),
    ...(rule.albSigner === undefined ? [] : [ALB_ACCESS_TOKEN, ALB_DATA]),
    ...(rule.assertion ? [ASSERTION] : []),
    ...(rule.authorization === 'none' ? [] : ['authorization']),
  ].map((name) => name.toLowerCase())
}

/** The claims that a route tells of, beyond what is known of everybody. */
export function claimsTold(rule: IdentityRule): readonly string[] {
  const told = plainHeaders(rule).map(({ source, user }) => (source === 'user' ? user : source))
  const claims = [...told, rule.user ?? 'sub'].flatMap((source) => {
    if (source === 'name') return ['name']
    return source.startsWith('claim:') ? [source.slice('claim:'.length)] : []
  })
  return [
    ...claims,
    ...(rule.headers.includes('alb') ? [EVERY_ATTRIBUTE] : []),
    ...(rule.assertion ? [CLIENT_CLAIM] : []),
  ]
}

// Sessions live in a memo between requests, so the pairs of one person and one route's rule are made once.
const pairsOf = new WeakMap<Identity, WeakMap<IdentityHeaders, readonly string[]>>()

/** The plain headers of one identity, as a flat list of names and values. */
export function identityPairs(identity: Identity, rule: IdentityHeaders): readonly string[] {
  let byRule = pairsOf.get(identity)
  if (byRule === undefined) {
    byRule = new WeakMap()
    pairsOf.set(identity, byRule)
  }
  let pairs = byRule.get(rule)
  if (pairs === undefined) {
    pairs = plainHeaders(rule).flatMap(({ name, source, user }) => {
      const value = valueOf(identity, source === 'user' ? user : source, rule)
      return value === undefined || value === '' ? [] : [name.toLowerCase(), value]
    })
    byRule.set(rule, pairs)
  }
  return pairs
}

function valueOf(identity: Identity, source: Exclude<ValueSource, 'user'>, rule: IdentityHeaders): string | undefined {
  return source === 'groups' ? groupList(identity, rule) : encoded(factOf(identity, source), rule.encoding)
}

/** What a claim or attribute of an identity is, unencoded; undefined where there is none, or where it is a list. A machine has only its client id. */
export function factOf(identity: Identity, source: Exclude<ValueSource, 'user' | 'groups'>): string | undefined {
  if (identity.kind === 'machine') return source === 'sub' ? identity.clientId : undefined
  switch (source) {
    case 'sub':
      return identity.subject
    // As a claim, too: only an address that counts.
    case 'email':
    case 'claim:email':
      return identity.email
    case 'username':
      return identity.preferredUsername ?? identity.username
    case 'name':
      return claimOf(identity, 'name')
    default:
      return claimOf(identity, source.slice('claim:'.length))
  }
}

function claimOf({ claims }: Person, name: string): string | undefined {
  const value = Object.hasOwn(claims, name) ? claims[name] : undefined
  return value === undefined || Array.isArray(value) ? undefined : String(value)
}

/** The groups that an application is told, by the names that it knows them under. */
export function groupsTold(identity: Identity, rule: GroupRule): readonly string[] {
  if (identity.kind === 'machine') return []
  const wanted = [...identity.groups].filter((group) => rule.only?.includes(group) !== false).slice(0, rule.max)
  return wanted.map((group) => (Object.hasOwn(rule.rename, group) ? (rule.rename[group] ?? group) : group))
}

function groupList(identity: Identity, { groups: rule, encoding }: IdentityHeaders): string | undefined {
  const names = groupsTold(identity, rule).filter((name) => encoded(name, encoding) !== undefined)
  if (encoding === 'percent') return names.map((name) => percentEncoded(name, rule.separator)).join(rule.separator)
  // The other encodings cannot escape the separator: a group that holds it would read as two, so it is left out.
  const whole = names.filter((name) => !name.includes(rule.separator))
  return encoded(whole.join(rule.separator), encoding)
}
