import { CLIENT_CLAIM, PROVIDERS_CLAIM, type Identity, type Person } from './identity.ts'
import { isWithinAny } from './networks.ts'

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

/** Kinds of conditions that an identity can lack; also the reason in log, metric and `explain`. */
export type Missing =
  | 'scope_missing'
  | 'client_unknown'
  | 'person_required'
  | 'group_missing'
  | 'claim_mismatch'
  | 'provider_mismatch'
  | 'email_unverified'
  | 'email_mismatch'
  | 'address_mismatch'
  | 'sign_in_too_old'
  | 'foreign_pool'
  | 'no_rule'

type Condition = (entry: AccessEntry, identity: Identity, circumstances: Circumstances) => Missing | null

// In the order in which what is missing is told. A condition that an entry does not state holds.
const CONDITIONS: readonly Condition[] = [
  // An entry without a condition would let everybody in; the settings refuse it, and so does this.
  (entry) => (isEmpty(entry) ? 'no_rule' : null),
  ({ scopes }, identity) =>
    scopes === undefined || scopes.every((scope) => identity.scopes.has(scope)) ? null : 'scope_missing',
  ({ clients }, identity) =>
    clients === undefined || clients.includes(clientOf(identity) ?? '') ? null : 'client_unknown',
  (entry, identity) => (identity.kind === 'machine' && isForPeople(entry) ? 'person_required' : null),
  ofPeople(({ groups }, { groups: held }) =>
    groups === undefined || groups.some((group) => held.has(group)) ? null : 'group_missing',
  ),
  ofPeople(({ claims }, person) => (claims === undefined || holdsClaims(claims, person) ? null : 'claim_mismatch')),
  ofPeople(({ identityProviders }, person) =>
    identityProviders === undefined || holds(person, PROVIDERS_CLAIM, identityProviders) ? null : 'provider_mismatch',
  ),
  ofPeople(({ emailDomains }, { email }) => {
    if (emailDomains === undefined) return null
    if (email === undefined) return 'email_unverified'
    return emailDomains.includes(emailDomainOf(email) ?? '') ? null : 'email_mismatch'
  }),
  ({ clientAddresses }, _identity, { address }) =>
    clientAddresses === undefined || isWithinAny(clientAddresses, address) ? null : 'address_mismatch',
  ofPeople(({ signedInWithinSeconds }, { authTime }, { now }) =>
    signedInWithinSeconds === undefined || now - authTime * 1000 <= signedInWithinSeconds * 1000
      ? null
      : 'sign_in_too_old',
  ),
]

/** Whether an identity meets every condition of an entry. */
export function meets(entry: AccessEntry, identity: Identity, circumstances: Circumstances): boolean {
  for (const condition of CONDITIONS) if (condition(entry, identity, circumstances) !== null) return false
  return true
}

/** Everything that it lacks; nothing where it meets them all. */
export function lacks(entry: AccessEntry, identity: Identity, circumstances: Circumstances): readonly Missing[] {
  return CONDITIONS.flatMap((condition) => condition(entry, identity, circumstances) ?? [])
}

/** Claims whose values must be known to decide an entry. */
export function claimsAsked({ claims = {}, clients, identityProviders }: AccessEntry): readonly string[] {
  return [
    ...Object.keys(claims),
    ...(clients === undefined ? [] : [CLIENT_CLAIM]),
    ...(identityProviders === undefined ? [] : [PROVIDERS_CLAIM]),
  ]
}

function ofPeople(
  condition: (entry: AccessEntry, person: Person, circumstances: Circumstances) => Missing | null,
): Condition {
  return (entry, identity, circumstances) =>
    identity.kind === 'person' ? condition(entry, identity, circumstances) : null
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

function holdsClaims(wanted: Readonly<Record<string, readonly string[]>>, person: Person): boolean {
  return Object.entries(wanted).every(([name, values]) => holds(person, name, values))
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
