import { decide, refusalOf, refusalsOf, type Rule } from './access.ts'
import type { Circumstances, Missing } from './conditions.ts'
import { catalogue, GatewayError, type ErrorCode } from './errors.ts'
import type { Identity } from './identity.ts'
import { locateRequest, type AskedAddress, type ServedAddresses } from './locate-request.ts'
import type { LenientPattern } from './path-readings.ts'

/** What decides of a route who gets where. */
export type RuledRoute = LenientPattern & Rule

export interface Question<R> extends AskedAddress, Circumstances {
  /** Who asks, at a route that reads what they bring; an error where their token is refused before any rule is asked. */
  readonly identityAt: (route: R) => Identity | GatewayError | null
}

/** What becomes of a request and why, in the words of answers, log and metrics. */
export interface Explanation<R> {
  readonly verdict: 'allowed' | 'denied'
  /** Null where none was found, or where the gateway answers itself. */
  readonly route: R | null
  /** The path is one of the gateway's own. */
  readonly own: boolean
  readonly code: ErrorCode | null
  readonly status: number | null
  readonly reason: string | null
  /** What each entry of the rule lacks in the identity, in the rule's order; empty where that is not what decided. */
  readonly missing: readonly (readonly Missing[])[]
  /** The rule refuses, and only reports that until its last day. */
  readonly wouldDeny: Missing | null
  /** For operators only. */
  readonly detail: string | null
}

/** Asks the very functions that the running gateway asks, of a request that has a session's or a token's identity and no foreign origin. */
export function explain<R extends RuledRoute>(
  served: ServedAddresses<R> & { readonly ownHosts: ReadonlySet<string> },
  question: Question<R>,
): Explanation<R> {
  const located = locateRequest(served, question)
  if (located.kind === 'refused') return deniedBy<R>(null, located.error)
  if (located.kind === 'own') {
    if (served.ownHosts.has(question.host ?? '')) return { ...allowed<R>(null), own: true }
    return deniedBy<R>(null, new GatewayError('GW_HOST_UNKNOWN', { reason: 'host_unknown' }))
  }
  const { route } = located
  const identity = question.identityAt(route)
  // Where nobody is asked no token is looked at.
  if (identity instanceof GatewayError) return route.access === 'public' ? allowed(route) : deniedBy(route, identity)
  const decision = decide(route, identity, question)
  const missing = identity === null ? [] : refusalsOf(route, identity, question)
  if (decision.kind !== 'permit') {
    const { code, reason } = refusalOf(decision)
    return { ...deniedBy(route, new GatewayError(code, { reason })), missing }
  }
  const { wouldDeny = null } = decision
  return { ...allowed(route), wouldDeny, missing: wouldDeny === null ? [] : missing }
}

function allowed<R>(route: R | null): Explanation<R> {
  const nothing = { code: null, status: null, reason: null, missing: [], wouldDeny: null, detail: null }
  return { verdict: 'allowed', route, own: false, ...nothing }
}

function deniedBy<R>(route: R | null, { code, reason, detail }: GatewayError): Explanation<R> {
  const { status } = catalogue[code]
  const why = { reason: reason ?? null, detail: detail ?? null }
  return { verdict: 'denied', route, own: false, code, status, missing: [], wouldDeny: null, ...why }
}
