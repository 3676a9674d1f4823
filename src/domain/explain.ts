import type { IncomingHttpHeaders } from 'node:http'
import { decide, refusalsOf, type Rule } from './access.ts'
import { isUpgrade } from './client-kind.ts'
import type { Circumstances, Missing } from './conditions.ts'
import type { Credentials } from './credentials.ts'
import { catalogue, GatewayError, type ErrorCode } from './errors.ts'
import { isForeign } from './foreign-origin.ts'
import { countHops, HOP_HEADER } from './hops.ts'
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
import { errorOf, ownRefusal } from './own-access.ts'
import type { OwnEndpoint, OwnEndpointAt } from './own-endpoints.ts'
import { isOwnPath } from './path-readings.ts'
import type { Site } from './site.ts'
import { requireSoundHeaders } from './sound-headers.ts'

/** What decides of a route who gets where. */
export type RuledRoute = AnsweringRoute & Rule & { readonly webSocket: { readonly allow: boolean } }

/** Where requests are served, and in whose name. */
export interface Serving<R extends AnsweringRoute> extends ServedAddresses<R> {
  /** By host; the gateway's own addresses answer on all of them. */
  readonly sites: ReadonlyMap<string, Pick<Site, 'origin' | 'pool'>>
  readonly ownEndpointAt: OwnEndpointAt
  /** Those that can be asked with; letter case counts. */
  readonly methods: ReadonlySet<string>
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
  /** Null for an address of the gateway's own. */
  readonly callerAt: (route: R | null) => Caller
}

/** What becomes of a request and why, in the words of answers, log and metrics. */
export interface Explanation<R> {
  readonly verdict: 'allowed' | 'denied'
  /** Null where none was found, or where the gateway answers itself. */
  readonly route: R | null
  /** The path is one of the gateway's own: nothing there reaches an application. */
  readonly own: boolean
  /** What answers there; null where nothing does, or where it is an application's. */
  readonly endpoint: OwnEndpoint | null
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

/** Nobody who asks says which. */
const HTTP_VERSION = '1.1'

/** Asks the very functions that the running gateway asks, in its order. What an own address answers whoever is let in there is not asked. */
export function explain<R extends RuledRoute>(served: Serving<R>, question: Question<R>): Explanation<R> {
  const { target, headers } = question
  // No parser makes a request of it.
  if (!served.methods.has(question.method))
    return deniedBy<R>(null, new GatewayError('GW_REQUEST_REFUSED', { reason: 'malformed' }))
  const unsound = thrownBy(() => requireSoundHeaders(question, HTTP_VERSION))
  if (target.ok && isOwnPath(target.path, served.ownPrefix)) {
    const endpoint = served.ownEndpointAt(target.rawPath, question.method)
    const error = unsound ?? ownRefusal(endpoint, question, served.sites)
    return { ...(error === null ? allowed<R>(null) : deniedBy<R>(null, error)), own: true, endpoint }
  }
  if (target.ok && unsound !== null) return deniedBy<R>(null, unsound)
  const meant = locatePreflight(served, question, headers)
  const located = meant ?? locateRequest(served, question)
  if (located.kind === 'refused') return deniedBy<R>(null, located.error)
  if (located.kind === 'own') throw new GatewayError('GW_INTERNAL', { detail: 'an own address came as another' })
  // What has more than one reading is refused as that, whatever its headers are.
  if (unsound !== null) return deniedBy<R>(null, unsound)
  const { route } = located
  const { rawHeaders } = question
  try {
    countHops(headers[HOP_HEADER])
    const overridden = overriddenRoutes(served, question, { route, rawHeaders })
    return { ...judge(served, question, { route, overridden, isPreflight: meant !== null }), preflight: meant !== null }
  } catch (error) {
    if (error instanceof GatewayError) return deniedBy(route, error)
    throw error
  }
}

function thrownBy(check: () => void): GatewayError | null {
  try {
    check()
    return null
  } catch (error) {
    if (error instanceof GatewayError) return error
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
  if (isForeign(sent, route, served.sites.get(question.host ?? '')?.origin ?? ''))
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

const UNDECIDED = { own: false, endpoint: null, preflight: false } as const

function allowed<R>(route: R | null): Explanation<R> {
  const nothing = { code: null, status: null, reason: null, missing: [], wouldDeny: null, detail: null }
  return { verdict: 'allowed', route, ...UNDECIDED, ...nothing }
}

function deniedBy<R>(route: R | null, { code, reason, detail }: GatewayError): Explanation<R> {
  const { status } = catalogue[code]
  const why = { reason: reason ?? null, detail: detail ?? null }
  return { verdict: 'denied', route, ...UNDECIDED, code, status, missing: [], wouldDeny: null, ...why }
}
