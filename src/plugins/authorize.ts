import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import { decide, type Missing, type Permit } from '../domain/access.ts'
import { isCrossOrigin, isUpgrade } from '../domain/client-kind.ts'
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

  /** Only a cookie travels without the person's doing; a bearer token was put there by whoever sends it. */
  function isForeign(request: FastifyRequest): boolean {
    if (request.identity === null || request.bearer !== null || request.route === null) return false
    const { headers } = request.raw
    const allowed = [request.site.origin, ...request.route.allowedOrigins]
    return isCrossOrigin(headers, { method: request.method, upgrade: isUpgrade(headers), allowed })
  }
  ready()
}

export const authorize = fp(hook, { name: 'authorize', fastify: '5.x', dependencies: ['authenticate'] })
