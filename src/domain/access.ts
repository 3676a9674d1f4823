import { lacks, meets, waysOf, type AccessEntry, type Circumstances, type Missing, type Way } from './conditions.ts'
import type { ErrorCode } from './errors.ts'
import type { Identity } from './identity.ts'

/** What a route asks. `public`: nobody is asked. `optional`: nobody is asked, but who is signed in is told. `signedIn`: any person. Else any one entry lets in. */
export type AccessRule = 'public' | 'optional' | 'signedIn' | readonly AccessEntry[]

/** What of a route decides who may pass. */
export interface Rule {
  readonly access: AccessRule
  /** The user pool whose identities count. */
  readonly pool: string
  /** Epoch milliseconds; until then whom the rule refuses is let through and written down. */
  readonly reportOnlyUntil?: number | null
}

declare const minted: unique symbol

/** Proof that a request may be forwarded. Only `decide` makes one. */
export interface Permit {
  readonly [minted]: true
  /** Who the application is told about; null where nobody is signed in or nobody was asked. */
  readonly identity: Identity | null
}

export type Decision =
  | {
      readonly kind: 'permit'
      readonly permit: Permit
      /** What the identity lacked, where the rule refuses it and only reports that. */
      readonly wouldDeny?: Missing
    }
  | { readonly kind: 'sign-in' }
  /** Nothing is missing but that the person gave their password lately. */
  | { readonly kind: 'sign-in-again'; readonly withinSeconds: number }
  | { readonly kind: 'deny'; readonly missing: readonly Missing[] }

/** Who is asking, and from where: may they pass? Anything missing refuses. */
export function decide(rule: Rule, identity: Identity | null, circumstances: Circumstances): Decision {
  const { access, pool } = rule
  if (access === 'public') return permit(null)
  if (access === 'optional') return permit(identity?.pool === pool ? identity : null)
  if (identity === null) return { kind: 'sign-in' }
  if (access === 'signedIn') {
    if (identity.pool === pool && identity.kind === 'person') return permit(identity)
  } else {
    for (const way of waysOf(access))
      if (isOpenTo(way, pool, identity) && meets(way, identity, circumstances)) return permit(identity)
  }
  return refuse(rule, identity, circumstances)
}

/** What each entry of a rule lacks in an identity, in order. An identity of a pool that an entry does not name does not exist there. */
export function refusalsOf(
  { access, pool }: Rule,
  identity: Identity,
  circumstances: Circumstances,
): readonly (readonly Missing[])[] {
  if (typeof access === 'string') return [[identity.pool === pool ? 'person_required' : 'foreign_pool']]
  if (access.length === 0) return [['no_rule']]
  return waysOf(access).map((way) =>
    isOpenTo(way, pool, identity) ? lacks(way, identity, circumstances) : ['foreign_pool'],
  )
}

/** The code and the reason of a decision that is no permit: the same in answer, log, metric and `explain`. */
export function refusalOf(decision: Exclude<Decision, { kind: 'permit' }>): {
  readonly code: ErrorCode
  readonly reason: string
} {
  switch (decision.kind) {
    case 'sign-in':
      return { code: 'GW_SIGN_IN_REQUIRED', reason: 'no_session' }
    case 'sign-in-again':
      return { code: 'GW_SIGN_IN_REQUIRED', reason: 'sign_in_too_old' }
    case 'deny':
      return { code: 'GW_FORBIDDEN', reason: decision.missing[0] ?? 'no_rule' }
  }
}

function isOpenTo({ entry }: Way, own: string, { pool }: Identity): boolean {
  return pool === own || (entry.pools !== undefined && entry.pools.includes(pool))
}

function refuse(rule: Rule, identity: Identity, circumstances: Circumstances): Decision {
  const refusals = refusalsOf(rule, identity, circumstances)
  const known = refusals.filter(([first]) => first !== 'foreign_pool')
  const missing = [...new Set((known.length === 0 ? refusals : known).flat())]
  const again = withinSecondsOf(rule.access, refusals)
  // Report-only lifts what the rule says of an identity that exists here, and nothing else.
  const stands = missing.includes('foreign_pool') || missing.includes('no_rule')
  const until = rule.reportOnlyUntil ?? 0
  if (circumstances.now < until && !stands)
    return { ...permit(identity), wouldDeny: again === null ? (missing[0] ?? 'no_rule') : 'sign_in_too_old' }
  return again === null ? { kind: 'deny', missing } : { kind: 'sign-in-again', withinSeconds: again }
}

/** The longest time that an entry gives of which nothing else is missing; null where there is no such entry. */
function withinSecondsOf(access: AccessRule, refusals: readonly (readonly Missing[])[]): number | null {
  if (typeof access === 'string') return null
  const times = access.flatMap(({ signedInWithinSeconds }, at) => {
    const [first, ...others] = refusals[at] ?? []
    const only = first === 'sign_in_too_old' && others.length === 0
    return only && signedInWithinSeconds !== undefined ? [signedInWithinSeconds] : []
  })
  return times.length === 0 ? null : Math.max(...times)
}

function permit(identity: Identity | null): Extract<Decision, { kind: 'permit' }> {
  // oxlint-disable-next-line no-unsafe-type-assertion -- the only mint of permits
  return { kind: 'permit', permit: { identity } as Permit }
}
