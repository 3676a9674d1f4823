import { GatewayError } from './errors.ts'
import { agreedRoute, isOwnPath, type LenientPattern } from './path-readings.ts'
import type { AcceptedTarget, Target } from './request-target.ts'
import { matchRoute, type RouteTable } from './route-table.ts'

/** Every address that is served: those of the routes, and the gateway's own below a prefix. */
export interface ServedAddresses<R extends LenientPattern> {
  readonly table: RouteTable<R>
  /** Folded. */
  readonly ownPrefix: string
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

function refused(error: GatewayError): { readonly kind: 'refused'; readonly error: GatewayError } {
  return { kind: 'refused', error }
}
