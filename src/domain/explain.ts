import type { IncomingHttpHeaders } from 'node:http'
import { decide, refusalOf, refusalsOf, type Decision, type Rule } from './access.ts'
import { isUpgrade } from './client-kind.ts'
import type { Circumstances, Missing } from './conditions.ts'
import type { Credentials } from './credentials.ts'
import { catalogue, GatewayError, type ErrorCode } from './errors.ts'
import { isForeign } from './foreign-origin.ts'
import type { Identity } from './identity.ts'
import {
  accessAsked,
  locatePreflight,
  locateRequest,
  overriddenRoutes,
  type AnsweringRoute,
  type AskedAddress,
  type ServedAddresses,
} from './locate-request.ts'

/** What decides of a route who gets where. */
export type RuledRoute = AnsweringRoute & Rule & { readonly webSocket: { readonly allow: boolean } }

/** Where requests are served, and in whose name. */
export interface Serving<R extends AnsweringRoute> extends ServedAddresses<R> {
  /** Of each host, as browsers call it; the gateway's own addresses answer on all of them. */
  readonly ownOrigins: ReadonlyMap<string, string>
}

/** Who asks, as a route reads what they bring. */
export interface Caller {
  /** An error where their token is refused before any rule is asked. */
  readonly identity: Identity | GatewayError | null
  /** What of an Authorization header says so; null where a session does. */
  readonly credentials: Credentials['kind'] | null
}

export interface Question<R> extends AskedAddress, Circumstances {
  readonly headers: IncomingHttpHeaders
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[]
  readonly callerAt: (route: R) => Caller
}

/** What becomes of a request and why, in the words of answers, log and metrics. */
export interface Explanation<R> {
  readonly verdict: 'allowed' | 'denied'
  /** Null where none was found, or where the gateway answers itself. */
  readonly route: R | null
  /** The path is one of the gateway's own. */
  readonly own: boolean
  /** It only asks whether a script of another origin may send a request, and nobody is asked who they are. */
  readonly preflight: boolean
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

/** Asks the very functions that the running gateway asks, in its order. Whether headers are well-formed and unrepeated is not asked. */
export function explain<R extends RuledRoute>(served: Serving<R>, question: Question<R>): Explanation<R> {
  const meant = locatePreflight(served, question, question.headers)
  const located = meant ?? locateRequest(served, question)
  if (located.kind === 'refused') return deniedBy<R>(null, located.error)
  if (located.kind === 'own') {
    if (served.ownOrigins.has(question.host ?? '')) return { ...allowed<R>(null), own: true }
    return deniedBy<R>(null, new GatewayError('GW_HOST_UNKNOWN', { reason: 'host_unknown' }))
  }
  const { route } = located
  const { rawHeaders } = question
  try {
    const overridden = overriddenRoutes(served, question, { route, rawHeaders })
    return { ...judge(served, question, { route, overridden, isPreflight: meant !== null }), preflight: meant !== null }
  } catch (error) {
    if (error instanceof GatewayError) return deniedBy(route, error)
    throw error
  }
}

const NOBODY: Caller = { identity: null, credentials: null }

interface Found<R> {
  readonly route: R
  readonly overridden: readonly R[] | null
  readonly isPreflight: boolean
}

function judge<R extends RuledRoute>(
  served: Serving<R>,
  question: Question<R>,
  { route, overridden, isPreflight }: Found<R>,
): Explanation<R> {
  const { headers, method } = question
  // Where nobody is asked no token is looked at.
  const asksNobody = isPreflight || accessAsked(route, overridden) === 'public'
  const { identity, credentials } = asksNobody ? NOBODY : question.callerAt(route)
  if (identity instanceof GatewayError) return deniedBy(route, identity)
  const isOverridden = overridden !== null && overridden.length > 0
  const sent = { method, headers, isPreflight, isOverridden, isKnown: identity !== null, credentials }
  if (isForeign(sent, route, served.ownOrigins.get(question.host ?? '') ?? ''))
    return deniedBy(route, new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' }))
  let wouldDeny: Missing | null = null
  for (const rule of [...(overridden ?? []), isPreflight ? { access: 'public' as const, pool: route.pool } : route]) {
    const decision = decide(rule, identity, question)
    const missing = identity === null ? [] : refusalsOf(rule, identity, question)
    if (decision.kind !== 'permit') return { ...deniedBy(route, errorOf(decision)), missing }
    wouldDeny = decision.wouldDeny ?? wouldDeny
  }
  if (isUpgrade(headers) && !route.webSocket.allow)
    return deniedBy(route, new GatewayError('GW_UPGRADE_UNSUPPORTED', { reason: 'upgrade' }))
  const missing = wouldDeny === null || identity === null ? [] : refusalsOf(route, identity, question)
  return { ...allowed(route), wouldDeny, missing }
}

function errorOf(decision: Exclude<Decision, { kind: 'permit' }>): GatewayError {
  const { code, reason } = refusalOf(decision)
  return new GatewayError(code, { reason })
}

function allowed<R>(route: R | null): Explanation<R> {
  const nothing = { code: null, status: null, reason: null, missing: [], wouldDeny: null, detail: null }
  return { verdict: 'allowed', route, own: false, preflight: false, ...nothing }
}

function deniedBy<R>(route: R | null, { code, reason, detail }: GatewayError): Explanation<R> {
  const { status } = catalogue[code]
  const why = { reason: reason ?? null, detail: detail ?? null }
  return { verdict: 'denied', route, own: false, preflight: false, code, status, missing: [], wouldDeny: null, ...why }
}
