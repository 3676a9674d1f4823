import { CLIENT_CLAIM, PROVIDERS_CLAIM, type Identity, type Person } from './identity.ts'
import { networksOf } from './networks.ts'

/** One way in: all its conditions must hold. People and machines can meet `scopes`, `clients`, `pools` and `clientAddresses`, only people the others. */
export interface AccessEntry {
  /** Every one of them. */
  readonly scopes?: readonly string[] | undefined
  /** Any one of them. */
  readonly groups?: readonly string[] | undefined
  /** Each named claim has one of the values. */
  readonly claims?: Readonly<Record<string, readonly string[]>> | undefined
  /** Any one of these app clients is the one that the access token is for. */
  readonly clients?: readonly string[] | undefined
  /** User pools whose identities count here beside those of the application's own. */
  readonly pools?: readonly string[] | undefined
  /** Any one of them; `COGNITO` for people of the user pool itself. */
  readonly identityProviders?: readonly string[] | undefined
  /** Any one of them, in lower case. */
  readonly emailDomains?: readonly string[] | undefined
  /** Any one of these networks. */
  readonly clientAddresses?: readonly string[] | undefined
  readonly signedInWithinSeconds?: number | undefined
}

/** What a decision depends on beside the rule and the identity. */
export interface Circumstances {
  /** The client's, as `parseAddress` writes it; empty where nobody knows it. */
  readonly address: string
  /** Epoch milliseconds. */
  readonly now: number
}

/** What an identity can lack that a rule is about. */
export const LACKED = [
  'scope_missing',
  'client_unknown',
  'person_required',
  'group_missing',
  'claim_mismatch',
  'provider_mismatch',
  'email_unverified',
  'email_mismatch',
  'address_mismatch',
  'sign_in_too_old',
] as const
/** Kinds of conditions that an identity can lack; also the reason in log, metric and `explain`. */
export type Missing = (typeof LACKED)[number] | 'foreign_pool' | 'no_rule'

/** One condition of an entry, with what it asks for built in: what an identity lacks of it. */
type Test = (identity: Identity, circumstances: Circumstances) => Missing | null

/** An entry made ready to be asked again and again: of its conditions those that it states. */
export interface Way {
  readonly entry: AccessEntry
  readonly tests: readonly Test[]
}

// In the order in which what is missing is told. A condition that an entry does not state is no test.
const CONDITIONS: readonly ((entry: AccessEntry) => Test | null)[] = [
  // An entry without a condition would let everybody in; the settings refuse it, and so does this.
  (entry) => (isEmpty(entry) ? () => 'no_rule' : null),
  ({ scopes }) => stated(scopes, (wanted) => (one) => (hasAll(one.scopes, wanted) ? null : 'scope_missing')),
  ({ clients }) =>
    stated(clients, (wanted) => (one) => (wanted.includes(clientOf(one) ?? '') ? null : 'client_unknown')),
  (entry) => (isForPeople(entry) ? ({ kind }) => (kind === 'machine' ? 'person_required' : null) : null),
  ({ groups }) =>
    stated(groups, (wanted) => ofPeople((person) => (hasAny(person.groups, wanted) ? null : 'group_missing'))),
  ({ claims }) => stated(claims, (wanted) => holdsClaims(Object.entries(wanted))),
  ({ identityProviders }) =>
    stated(identityProviders, (wanted) =>
      ofPeople((person) => (holds(person, PROVIDERS_CLAIM, wanted) ? null : 'provider_mismatch')),
    ),
  ({ emailDomains }) =>
    stated(emailDomains, (wanted) =>
      ofPeople(({ email }) => {
        if (email === undefined) return 'email_unverified'
        return wanted.includes(emailDomainOf(email) ?? '') ? null : 'email_mismatch'
      }),
    ),
  ({ clientAddresses }) =>
    stated(clientAddresses, (wanted) => {
      const contains = networksOf(wanted)
      return (_identity, { address }) => (contains(address) ? null : 'address_mismatch')
    }),
  ({ signedInWithinSeconds }) =>
    stated(signedInWithinSeconds, (seconds) =>
      ofPeople(({ authTime }, { now }) => (now - authTime * 1000 <= seconds * 1000 ? null : 'sign_in_too_old')),
    ),
]

// Rules live as long as the process and never change: each is made ready once, and no longer than it lives.
const known = new WeakMap<readonly AccessEntry[], readonly Way[]>()

/** The ways in of a rule, in its order. */
export function waysOf(access: readonly AccessEntry[]): readonly Way[] {
  let ways = known.get(access)
  if (ways === undefined) {
    ways = access.map((entry) => ({ entry, tests: CONDITIONS.flatMap((condition) => condition(entry) ?? []) }))
    known.set(access, ways)
  }
  return ways
}

/** Whether an identity meets every condition of an entry. Every request asks this: it makes no objects. */
export function meets({ tests }: Way, identity: Identity, circumstances: Circumstances): boolean {
  for (const test of tests) if (test(identity, circumstances) !== null) return false
  return true
}

/** Everything that it lacks; nothing where it meets them all. */
export function lacks({ tests }: Way, identity: Identity, circumstances: Circumstances): readonly Missing[] {
  return tests.flatMap((test) => test(identity, circumstances) ?? [])
}

/** Claims whose values must be known to decide an entry. */
export function claimsAsked({ claims = {}, clients, identityProviders }: AccessEntry): readonly string[] {
  return [
    ...Object.keys(claims),
    ...(clients === undefined ? [] : [CLIENT_CLAIM]),
    ...(identityProviders === undefined ? [] : [PROVIDERS_CLAIM]),
  ]
}

function stated<T>(wanted: T | undefined, test: (wanted: T) => Test): Test | null {
  return wanted === undefined ? null : test(wanted)
}

function ofPeople(test: (person: Person, circumstances: Circumstances) => Missing | null): Test {
  return (identity, circumstances) => (identity.kind === 'person' ? test(identity, circumstances) : null)
}

function isEmpty(entry: AccessEntry): boolean {
  const names = entry.scopes ?? entry.groups ?? entry.claims ?? entry.clients ?? entry.pools
  const more = entry.identityProviders ?? entry.emailDomains ?? entry.clientAddresses
  return (names ?? more ?? entry.signedInWithinSeconds) === undefined
}

/** Machines pass only where they are meant: by scopes or by name. */
function isForPeople(entry: AccessEntry): boolean {
  const { scopes, clients, groups, claims, identityProviders, emailDomains, signedInWithinSeconds } = entry
  if (scopes === undefined && clients === undefined) return true
  return (groups ?? claims ?? identityProviders ?? emailDomains ?? signedInWithinSeconds) !== undefined
}

function clientOf(identity: Identity): string | undefined {
  if (identity.kind === 'machine') return identity.clientId
  const client = identity.claims[CLIENT_CLAIM]
  return typeof client === 'string' ? client : undefined
}

function hasAll(held: ReadonlySet<string>, wanted: readonly string[]): boolean {
  for (const one of wanted) if (!held.has(one)) return false
  return wanted.length > 0
}

function hasAny(held: ReadonlySet<string>, wanted: readonly string[]): boolean {
  for (const one of wanted) if (held.has(one)) return true
  return false
}

function holdsClaims(wanted: readonly (readonly [string, readonly string[]])[]): Test {
  return ofPeople((person) => {
    for (const [name, values] of wanted) if (!holds(person, name, values)) return 'claim_mismatch'
    return wanted.length > 0 ? null : 'claim_mismatch'
  })
}

/** A list matches by member; a text is never split, and numbers and booleans match by their JSON text. */
function holds({ claims }: Person, name: string, values: readonly string[]): boolean {
  const held = Object.hasOwn(claims, name) ? claims[name] : undefined
  if (held === undefined) return false
  return Array.isArray(held) ? held.some((member) => values.includes(member)) : values.includes(String(held))
}

/** In lower case. Undefined for what is no plain address of an ASCII domain: letters that only look alike are other letters. */
function emailDomainOf(email: string): string | undefined {
  return /^[^@\s]+@([a-z\d-]+(?:\.[a-z\d-]+)*)$/i.exec(email)?.[1]?.toLowerCase()
}
