import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Bearers } from '../adapters/bearers.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { Refresher } from '../adapters/refresher.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'
import { freshness, renewalDue, survivesOutage, type Session, type SessionLimits } from '../domain/session.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking, once it is known for certain. */
    identity: Identity | null
  }
}

export interface AuthenticateOptions {
  readonly bearers: Bearers
  readonly refresher: Refresher
  readonly limits: SessionLimits
  readonly metrics: Metrics
  readonly now: () => number
}

const hook: FastifyPluginCallback<AuthenticateOptions> = (app, options, ready) => {
  const { bearers, refresher, limits, metrics, now } = options
  const validBearers = metrics.counter('token_verifications_total', { kind: 'bearer', result: 'valid' })
  app.decorateRequest('identity', null)

  app.addHook('onRequest', (request, _reply, done) => {
    if (request.access === 'public') {
      done()
      return
    }
    if (request.bearer !== null) {
      const identity = bearers.identityOf(request.bearer)
      if (identity instanceof Promise) {
        verified(request, identity).then(() => done(), done)
        return
      }
      request.identity = identity
      validBearers.inc()
      done()
      return
    }
    const session = request.signedInSession
    if (session === null) {
      done()
      return
    }
    if (
      freshness(session, limits, now()) === 'fresh' &&
      !renewalDue(session, limits, now()) &&
      !request.sessionOnOldKey
    ) {
      request.identity = session.person
      done()
      return
    }
    renewed(request, session).then(() => done(), done)
  })

  /** The token alone decides: where it is not valid, no session steps in for it. */
  async function verified(request: FastifyRequest, identity: Promise<Identity>): Promise<void> {
    try {
      request.identity = await identity
      validBearers.inc()
    } catch (error) {
      metrics.count('token_verifications_total', { kind: 'bearer', result: 'refused' })
      throw error
    }
  }

  async function renewed(request: FastifyRequest, session: Session): Promise<void> {
    const state = freshness(session, limits, now())
    switch (state) {
      case 'idle':
      case 'aged':
        await lapse(request, session, state === 'idle' ? 'idle' : 'max_age')
        return
      case 'refresh':
        await refreshed(request, session)
        return
      case 'fresh':
        if (await app.keepSession(request, { ...session, seenAt: now() })) {
          // Only the last use is new; a session under an old key must be written in any case.
          request.setCookiesAreOptional = !request.sessionOnOldKey
          request.identity = session.person
        } else {
          app.dropSession(request)
        }
    }
  }

  async function refreshed(request: FastifyRequest, session: Session): Promise<void> {
    const outcome = await refresher.renew(session)
    switch (outcome.kind) {
      case 'renewed':
        if (await app.keepSession(request, { ...outcome.session, seenAt: now() }))
          request.identity = outcome.session.person
        else app.dropSession(request)
        return
      case 'rejected':
        await lapse(request, session, outcome.reason)
        return
      case 'unavailable':
        if (!survivesOutage(session, limits, now())) {
          throw new GatewayError('GW_POOL_UNAVAILABLE', {
            cause: outcome.cause,
            reason: 'refresh_unavailable',
            headers: { 'retry-after': '5' },
          })
        }
        request.identity = session.person
        // Its key may be taken away before the user pool is back.
        if (request.sessionOnOldKey) await app.keepSession(request, session)
    }
  }

  async function lapse(request: FastifyRequest, session: Session, reason: string): Promise<void> {
    await app.lapseSession(request, session)
    request.outcome.reason = reason
    metrics.count('sessions_ended_total', { reason })
  }
  ready()
}

export const authenticate = fp(hook, {
  name: 'authenticate',
  fastify: '5.x',
  dependencies: ['bearer', 'session-cookie'],
})
