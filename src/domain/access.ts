import type { Identity, Person } from './identity.ts'

/** What a route asks. `public`: nobody is asked. `optional`: nobody is asked, but who is signed in is told. `signedIn`: any person. */
export type AccessRule = 'public' | 'optional' | 'signedIn' | readonly AccessEntry[]

/** All conditions of an entry must hold; any one entry of a rule lets in. */
export interface AccessEntry {
  /** Every one of them. The only condition here that a machine can meet. */
  readonly scopes?: readonly string[]
  /** Any one of them. */
  readonly groups?: readonly string[]
  /** Each named claim has one of the values. */
  readonly claims?: Readonly<Record<string, readonly string[]>>
}

declare const minted: unique symbol

/** Proof that a request may be forwarded. Only `decide` makes one. */
export interface Permit {
  readonly [minted]: true
  /** Who the application is told about; null where nobody is signed in or nobody was asked. */
  readonly identity: Identity | null
}

/** Kinds of conditions that an identity can lack; also the reason in log and metric. */
export type Missing =
  'scope_missing' | 'group_missing' | 'claim_mismatch' | 'person_required' | 'foreign_pool' | 'no_rule'

export type Decision =
  | { readonly kind: 'permit'; readonly permit: Permit }
  | { readonly kind: 'sign-in' }
  | { readonly kind: 'deny'; readonly missing: readonly Missing[] }

/** The rule, the pool of the application whose identities count, and who is asking. Anything missing refuses. */
export function decide(access: AccessRule, pool: string, identity: Identity | null): Decision {
  if (access === 'public') return permit(null)
  const known = identity?.pool === pool ? identity : null
  if (access === 'optional') return permit(known)
  if (identity === null) return { kind: 'sign-in' }
  if (known === null) return deny(['foreign_pool'])
  if (access === 'signedIn') return known.kind === 'person' ? permit(known) : deny(['person_required'])
  const refusals = access.map((entry) => lacks(entry, known))
  if (refusals.some((missing) => missing.length === 0)) return permit(known)
  return deny([...new Set(refusals.flat())])
}

function lacks(entry: AccessEntry, identity: Identity): Missing[] {
  const missing: Missing[] = []
  // An entry without a condition would let everybody in; the settings refuse it, and so does this.
  if (entry.scopes === undefined && entry.groups === undefined && entry.claims === undefined) return ['no_rule']
  if (entry.scopes !== undefined && !entry.scopes.every((scope) => identity.scopes.has(scope)))
    missing.push('scope_missing')
  if (identity.kind === 'machine') {
    if (entry.scopes === undefined || entry.groups !== undefined || entry.claims !== undefined)
      missing.push('person_required')
    return missing
  }
  if (entry.groups !== undefined && !entry.groups.some((group) => identity.groups.has(group)))
    missing.push('group_missing')
  if (entry.claims !== undefined && !holdsClaims(entry.claims, identity)) missing.push('claim_mismatch')
  return missing
}

function holdsClaims(wanted: Readonly<Record<string, readonly string[]>>, person: Person): boolean {
  return Object.entries(wanted).every(([name, values]) => {
    const held = Object.hasOwn(person.claims, name) ? person.claims[name] : undefined
    if (held === undefined) return false
    // A list matches by member; a string is never split, and numbers and booleans match by their JSON text.
    return Array.isArray(held) ? held.some((member) => values.includes(member)) : values.includes(String(held))
  })
}

function permit(identity: Identity | null): Decision {
  // oxlint-disable-next-line no-unsafe-type-assertion -- the only mint of permits
  return { kind: 'permit', permit: { identity } as Permit }
}

function deny(missing: readonly Missing[]): Decision {
  return { kind: 'deny', missing }
}
