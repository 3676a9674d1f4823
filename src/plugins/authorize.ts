import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import { decide, refusalOf, type Decision, type Permit, type Rule } from '../domain/access.ts'
import { isCrossOrigin, isUpgrade } from '../domain/client-kind.ts'
import type { Circumstances, Missing } from '../domain/conditions.ts'
import { isAllowedOrigin } from '../domain/cors.ts'
import { GatewayError } from '../domain/errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Proof that the request may go on; whoever forwards must show it. */
    permit: Permit | null
    /** What the identity lacked, for the page that says so. */
    missing: readonly Missing[] | undefined
    /** Set where nothing is missing but that the person gave their password so lately. */
    signedInWithinSeconds: number | null
  }
}

export interface AuthorizeOptions {
  readonly metrics: Metrics
  readonly now: () => number
}

const hook: FastifyPluginCallback<AuthorizeOptions> = (app, { metrics, now }, ready) => {
  app.decorateRequest('permit', null)
  app.decorateRequest('missing')
  app.decorateRequest('signedInWithinSeconds', null)

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
    const { route, overridden, routeLabel } = request
    if (isForeign(request)) {
      metrics.count('decisions_total', { route: routeLabel, result: 'deny', reason: 'cross_origin' })
      throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' })
    }
    const circumstances = { address: request.peer.address, now: now() }
    if (overridden !== null) for (const other of overridden) permitBy(other, request, circumstances)
    request.permit = permitBy(ruleOf(request), request, circumstances)
    if (route !== null) metrics.count('decisions_total', { route: routeLabel, result: 'permit', reason: '' })
  }

  /** An own endpoint has no route, and a preflight not the rule of its route. */
  function ruleOf({ route, access, isPreflight, site }: FastifyRequest): Rule {
    return route === null || isPreflight ? { access, pool: route?.pool ?? site.pool } : route
  }

  function permitBy(rule: Rule, request: FastifyRequest, circumstances: Circumstances): Permit {
    const decision = decide(rule, request.identity, circumstances)
    if (decision.kind !== 'permit') throw refused(request, decision)
    if (decision.wouldDeny !== undefined) {
      metrics.count('would_deny_total', { route: request.routeLabel, reason: decision.wouldDeny })
      request.outcome.wouldDeny = decision.wouldDeny
    }
    return decision.permit
  }

  function refused(request: FastifyRequest, decision: Exclude<Decision, { kind: 'permit' }>): GatewayError {
    const { code, reason } = refusalOf(decision)
    const route = request.routeLabel
    switch (decision.kind) {
      case 'sign-in':
        metrics.count('decisions_total', { route, result: 'sign_in', reason: '' })
        return new GatewayError(code, { reason: request.outcome.reason ?? reason })
      case 'sign-in-again':
        metrics.count('decisions_total', { route, result: 'sign_in', reason })
        request.signedInWithinSeconds = decision.withinSeconds
        return new GatewayError(code, { reason })
      case 'deny':
        metrics.count('decisions_total', { route, result: 'deny', reason })
        request.missing = decision.missing
        return new GatewayError(code, { reason })
    }
  }

  /** Cookies travel without the person's doing, and so do passwords that a browser keeps; a bearer token was put there by whoever sends it. */
  function isForeign(request: FastifyRequest): boolean {
    const { route, identity, bearer, isPreflight, overridden, site } = request
    const { headers } = request.raw
    if (route === null) return false
    // Where the application answers preflights, it is the one to judge them.
    if (isPreflight) return route.cors.preflight === 'answer' && !isAllowedOrigin(headers.origin, route)
    if (identity === null || (bearer !== null && bearer.kind !== 'client')) return false
    // Of clients with a password only browsers send an Origin.
    const upgrade = isUpgrade(headers) && (bearer === null || headers.origin !== undefined)
    // An application that goes by override headers may change something whatever the method is.
    const method = overridden === null || overridden.length === 0 ? request.method : 'POST'
    return isCrossOrigin(headers, { method, upgrade, allowed: [site.origin, ...route.allowedOrigins] })
  }
  ready()
}

export const authorize = fp(hook, { name: 'authorize', fastify: '5.x', dependencies: ['peer', 'authenticate'] })
