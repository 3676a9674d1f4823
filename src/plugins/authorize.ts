import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import { decide, type Missing, type Permit } from '../domain/access.ts'
import { isCrossOrigin, isUpgrade } from '../domain/client-kind.ts'
import { isAllowedOrigin } from '../domain/cors.ts'
import { GatewayError } from '../domain/errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Proof that the request may go on; whoever forwards must show it. */
    permit: Permit | null
    /** What the identity lacked, for the page that says so. */
    missing: readonly Missing[] | undefined
  }
}

export interface AuthorizeOptions {
  readonly metrics: Metrics
}

const hook: FastifyPluginCallback<AuthorizeOptions> = (app, { metrics }, ready) => {
  app.decorateRequest('permit', null)
  app.decorateRequest('missing')

  // Silence is not public: an own endpoint that states no access stops the start.
  app.addHook('onRoute', ({ url, config }) => {
    if (config?.access === undefined) throw new Error(`${url} states no access`)
  })

  app.addHook('onRequest', (request, _reply, done) => {
    try {
      authorize(request)
      done()
    } catch (error) {
      done(error instanceof Error ? error : new GatewayError('GW_INTERNAL', { cause: error }))
    }
  })

  function authorize(request: FastifyRequest): void {
    const route = request.routeLabel
    if (isForeign(request)) {
      metrics.count('decisions_total', { route, result: 'deny', reason: 'cross_origin' })
      throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' })
    }
    const decision = decide(request.access, request.route?.pool ?? request.site.pool, request.identity)
    switch (decision.kind) {
      case 'permit':
        if (request.route !== null) metrics.count('decisions_total', { route, result: 'permit', reason: '' })
        request.permit = decision.permit
        return
      case 'sign-in':
        metrics.count('decisions_total', { route, result: 'sign_in', reason: '' })
        throw new GatewayError('GW_SIGN_IN_REQUIRED', { reason: request.outcome.reason ?? 'no_session' })
      case 'deny': {
        const reason = decision.missing[0] ?? 'no_rule'
        metrics.count('decisions_total', { route, result: 'deny', reason })
        request.missing = decision.missing
        throw new GatewayError('GW_FORBIDDEN', { reason })
      }
    }
  }

  /** Cookies travel without the person's doing, and so do passwords that a browser keeps; a bearer token was put there by whoever sends it. */
  function isForeign({
    route,
    identity,
    bearer,
    isPreflight,
    method,
    site,
    raw: { headers },
  }: FastifyRequest): boolean {
    if (route === null) return false
    // Where the application answers preflights, it is the one to judge them.
    if (isPreflight) return route.cors.preflight === 'answer' && !isAllowedOrigin(headers.origin, route)
    if (identity === null || (bearer !== null && bearer.kind !== 'client')) return false
    // Of clients with a password only browsers send an Origin.
    const upgrade = isUpgrade(headers) && (bearer === null || headers.origin !== undefined)
    return isCrossOrigin(headers, { method, upgrade, allowed: [site.origin, ...route.allowedOrigins] })
  }
  ready()
}

export const authorize = fp(hook, { name: 'authorize', fastify: '5.x', dependencies: ['authenticate'] })
