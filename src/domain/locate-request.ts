import type { IncomingHttpHeaders } from 'node:http'
import type { AccessRule } from './access.ts'
import { preflightMethod, type CorsRule } from './cors.ts'
import { GatewayError } from './errors.ts'
import { methodsNamed } from './method-override.ts'
import { agreedRoute, isOwnPath, type LenientPattern } from './path-readings.ts'
import type { AcceptedTarget, Target } from './request-target.ts'
import { matchRoute, type RouteTable } from './route-table.ts'

/** Every address that is served: those of the routes, and the gateway's own below a prefix. */
export interface ServedAddresses<R extends LenientPattern> {
  readonly table: RouteTable<R>
  /** Folded. */
  readonly ownPrefix: string
  /** Set where a proxy passes requests on: headers that name another method reach the application, whatever its settings say. */
  readonly overridesReach?: boolean
}

export interface AskedAddress {
  /** As `parseHost` gave it. */
  readonly host: string | null
  readonly method: string
  readonly target: Target
}

export type Located<R> =
  | { readonly kind: 'route'; readonly route: R; readonly target: AcceptedTarget }
  /** Not one of the routes: the gateway answers itself, on its own hosts. */
  | { readonly kind: 'own' }
  | { readonly kind: 'refused'; readonly error: GatewayError }

/** The one route that a request belongs to. A path with more than one reading has one only where its application allows it and every reading agrees. */
export function locateRequest<R extends LenientPattern>(
  { table, ownPrefix }: ServedAddresses<R>,
  { host, method, target }: AskedAddress,
): Located<R> {
  if (!target.ok) {
    const known = host !== null && table.hosts.has(host)
    const agreed = known
      ? agreedRoute(target, { match: (path) => matchRoute(table, host, method, path), ownPrefix })
      : null
    if (agreed?.ok === true) return { kind: 'route', route: agreed.route, target: agreed.target }
    const code = target.reason === 'too_long' ? 'GW_TARGET_TOO_LONG' : 'GW_REQUEST_REFUSED'
    const detail = agreed?.detail
    return refused(new GatewayError(code, { reason: target.reason, ...(detail === undefined ? {} : { detail }) }))
  }
  if (host === null) return refused(new GatewayError('GW_REQUEST_REFUSED', { reason: 'host_malformed' }))
  if (isOwnPath(target.path, ownPrefix)) return { kind: 'own' }
  const match = matchRoute(table, host, method, target.path)
  switch (match.kind) {
    case 'route':
      return { kind: 'route', route: match.route, target }
    case 'hostUnknown':
      return refused(new GatewayError('GW_HOST_UNKNOWN', { reason: 'host_unknown' }))
    case 'pathUnknown':
      return refused(new GatewayError('GW_ROUTE_UNKNOWN', { reason: 'no_rule' }))
    case 'methodNotAllowed': {
      const headers = { allow: match.allow.join(', ') }
      return refused(new GatewayError('GW_METHOD_NOT_ALLOWED', { reason: 'method', headers }))
    }
  }
}

/** What of a route decides for which requests it answers, beside host, path and method. */
export type AnsweringRoute = LenientPattern & CorsRule & { readonly methodOverride: 'drop' | 'both' }

/** A preflight belongs to the request that it asks for, where the route of that one says who answers. Null for any other request. */
export function locatePreflight<R extends AnsweringRoute>(
  served: ServedAddresses<R>,
  asked: AskedAddress,
  headers: IncomingHttpHeaders,
): Extract<Located<R>, { kind: 'route' }> | null {
  const method = asked.target.ok ? preflightMethod(asked.method, headers) : null
  const located = method === null ? null : locateRequest(served, { ...asked, method })
  return located?.kind === 'route' && located.route.cors.preflight !== 'refuse' ? located : null
}

/**
 * The routes of the methods that override headers name, where they reach the application: each must permit the request too. Null where they do
 * not. Throws where a method is none, or where no route takes it.
 */
export function overriddenRoutes<R extends AnsweringRoute>(
  served: ServedAddresses<R>,
  asked: AskedAddress,
  { route, rawHeaders }: { readonly route: R; readonly rawHeaders: readonly string[] },
): readonly R[] | null {
  if (route.methodOverride !== 'both' && served.overridesReach !== true) return null
  return methodsNamed(rawHeaders).map((method) => {
    const located = locateRequest(served, { ...asked, method })
    if (located.kind === 'refused') throw located.error
    if (located.kind === 'own') throw new GatewayError('GW_INTERNAL', { detail: 'an own address came as another' })
    return located.route
  })
}

/** What is asked of whoever sends a request: nothing only where none of its routes asks anything. */
export function accessAsked(route: AnsweringRoute, overridden: readonly AnsweringRoute[] | null): AccessRule {
  const others = route.access === 'public' ? overridden?.find(({ access }) => access !== 'public') : undefined
  return others?.access ?? route.access
}

function refused(error: GatewayError): { readonly kind: 'refused'; readonly error: GatewayError } {
  return { kind: 'refused', error }
}
