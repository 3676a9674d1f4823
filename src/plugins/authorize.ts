import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import type { RouteSettings } from '../config/settings.ts'
import { decide, refusalOf, type Decision, type Permit, type Rule } from '../domain/access.ts'
import { LACKED, type Circumstances, type Missing } from '../domain/conditions.ts'
import { GatewayError } from '../domain/errors.ts'
import { isForeign } from '../domain/foreign-origin.ts'

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
  readonly routes: readonly RouteSettings[]
  readonly now: () => number
}

const hook: FastifyPluginCallback<AuthorizeOptions> = (app, { metrics, routes, now }, ready) => {
  const permits = permitCounters(metrics, routes)
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
    if (isFromElsewhere(request)) {
      metrics.count('decisions_total', { route: routeLabel, result: 'deny', reason: 'cross_origin' })
      throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' })
    }
    const circumstances = { address: request.peer.address, now: now() }
    if (overridden !== null) for (const other of overridden) permitBy(other, request, circumstances)
    request.permit = permitBy(ruleOf(request), request, circumstances)
    if (route !== null) permits.get(route.name)?.inc()
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

  function isFromElsewhere(request: FastifyRequest): boolean {
    const { route, raw, method, identity, bearer, isPreflight, overridden, site } = request
    if (route === null) return false
    const isOverridden = overridden !== null && overridden.length > 0
    const credentials = bearer === null ? null : bearer.kind
    const sent = { method, headers: raw.headers, isPreflight, isOverridden, isKnown: identity !== null, credentials }
    return isForeign(sent, route, site.origin)
  }
  ready()
}

/** Of each route. What routes only report is there from the start, too: of a counter that appears with its first event, no rate ever shows that event. */
function permitCounters(metrics: Metrics, routes: AuthorizeOptions['routes']): ReadonlyMap<string, { inc(): void }> {
  for (const { name, reportOnlyUntil } of routes)
    if (reportOnlyUntil !== null)
      for (const reason of LACKED) metrics.counter('would_deny_total', { route: name, reason })
  return new Map(
    routes.map(({ name }) => [name, metrics.counter('decisions_total', { route: name, result: 'permit', reason: '' })]),
  )
}

export const authorize = fp(hook, { name: 'authorize', fastify: '5.x', dependencies: ['peer', 'authenticate'] })
