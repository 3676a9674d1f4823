import type { IncomingHttpHeaders } from 'node:http'
import { isCrossOrigin, isUpgrade } from './client-kind.ts'
import { isAllowedOrigin, type CorsRule } from './cors.ts'
import type { Credentials } from './credentials.ts'

/** A request of which somebody may ask whether a page of another origin has sent it. */
export interface SentRequest {
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly isPreflight: boolean
  /** Override headers reach the application with it. */
  readonly isOverridden: boolean
  readonly isKnown: boolean
  /** What of its Authorization header says who it is; null where a cookie does. */
  readonly credentials: Credentials['kind'] | null
}

/**
 * Whether a page of an origin that the route does not list has sent a request in somebody's name. Cookies travel without the person's doing, and
 * so do passwords that a browser keeps; a bearer token was put there by whoever sends it.
 */
export function isForeign(request: SentRequest, route: CorsRule, ownOrigin: string): boolean {
  const { headers, credentials } = request
  // Where the application answers preflights, it is the one to judge them.
  if (request.isPreflight) return route.cors.preflight === 'answer' && !isAllowedOrigin(headers.origin, route)
  if (!request.isKnown || (credentials !== null && credentials !== 'client')) return false
  // Of clients with a password only browsers send an Origin.
  const upgrade = isUpgrade(headers) && (credentials === null || headers.origin !== undefined)
  // An application that goes by override headers may change something whatever the method is.
  const method = request.isOverridden ? 'POST' : request.method
  return isCrossOrigin(headers, { method, upgrade, allowed: [ownOrigin, ...route.allowedOrigins] })
}
