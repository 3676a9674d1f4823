import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { BasicClients } from '../adapters/basic-clients.ts'
import type { Bearers } from '../adapters/bearers.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { Refresher, RefreshOutcome } from '../adapters/refresher.ts'
import { clientKind } from '../domain/client-kind.ts'
import type { Credentials } from '../domain/credentials.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'
import {
  carriesOn,
  freshness,
  mayGoForRenewal,
  renewalDue,
  renewalPressing,
  survivesOutage,
  type Session,
  type SessionLimits,
} from '../domain/session.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking, once it is known for certain. */
    identity: Identity | null
    /** The user pool refuses to renew the session that came along: it ended before its time. */
    sessionRefused: boolean
  }
}

export interface AuthenticateOptions {
  readonly bearers: Bearers
  readonly basicClients: BasicClients
  readonly refresher: Refresher
  readonly limits: SessionLimits
  readonly metrics: Metrics
  readonly now: () => number
}

const hook: FastifyPluginCallback<AuthenticateOptions> = (app, options, ready) => {
  const { bearers, basicClients, refresher, limits, metrics, now } = options
  const validBearers = metrics.counter('token_verifications_total', { kind: 'bearer', result: 'valid' })
  const validClients = metrics.counter('token_verifications_total', { kind: 'basic', result: 'valid' })
  app.decorateRequest('identity', null)
  app.decorateRequest('sessionRefused', false)

  app.addHook('onRequest', (request, _reply, done) => {
    if (request.access === 'public') {
      done()
      return
    }
    if (request.bearer !== null) {
      const identity = identityOf(request.bearer)
      if (identity instanceof Promise) {
        verified(request, identity).then(() => done(), done)
        return
      }
      request.identity = identity
      if (request.bearer.kind === 'client') validClients.inc()
      else validBearers.inc()
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

  function identityOf(credentials: Credentials): Identity | Promise<Identity> {
    switch (credentials.kind) {
      case 'token':
        return bearers.identityOf(credentials.token)
      case 'client':
        return basicClients.identityOf(credentials)
      case 'unknown':
        return Promise.reject(new GatewayError('GW_TOKEN_INVALID', { reason: 'credentials_unknown' }))
    }
  }

  /** The token alone decides: where it is not valid, no session steps in for it. */
  async function verified(request: FastifyRequest, identity: Promise<Identity>): Promise<void> {
    const kind = request.bearer?.kind === 'client' ? 'basic' : 'bearer'
    try {
      request.identity = await identity
      metrics.count('token_verifications_total', { kind, result: 'valid' })
    } catch (error) {
      metrics.count('token_verifications_total', { kind, result: 'refused' })
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
        if (session.lentAt !== undefined) return outgrown(request, session)
        await follow(request, session, await refresher.renew(session))
        return
      case 'early': {
        if (session.lentAt !== undefined) return stay(request, session)
        const renewal = refresher.renewEarly(session)
        if (renewal === null) request.identity = session.person
        else await follow(request, session, await renewal)
        return
      }
      case 'fresh':
        await stay(request, session)
    }
  }

  /** Only the last use is new; a session under an old key must be written in any case. */
  async function stay(request: FastifyRequest, session: Session): Promise<void> {
    if (!request.sessionOnOldKey && !renewalDue(session, limits, now())) {
      request.identity = session.person
      return
    }
    await keep(request, session)
    request.setCookiesAreOptional = request.identity !== null && !request.sessionOnOldKey
  }

  /**
   * A copy whose claims are too old is renewed by the host that handed it over, by way of the sign-in. Only a page can be sent there; whatever
   * else asks goes on for a while, for it is the client that says what it is.
   */
  async function outgrown(request: FastifyRequest, session: Session): Promise<void> {
    const goes = canBeSent(request) && mayGoForRenewal(session, now())
    if (goes || !carriesOn(session, limits, now())) await lapse(request, session, 'session_outgrown')
    else await outlast(request, session)
  }

  async function keep(request: FastifyRequest, session: Session): Promise<void> {
    if (await app.keepSession(request, { ...session, seenAt: now() })) request.identity = session.person
    else app.dropSession(request)
  }

  async function follow(request: FastifyRequest, session: Session, outcome: RefreshOutcome): Promise<void> {
    switch (outcome.kind) {
      case 'renewed':
        await keep(request, outcome.session)
        return
      case 'rejected':
        request.sessionRefused = REFUSALS.has(outcome.reason)
        await lapse(request, session, outcome.reason)
        return
      case 'unavailable':
        // Whatever comes of this request: a refresh token that is not kept is lost.
        if (outcome.session !== undefined) await keep(request, outcome.session)
        if (!survivesOutage(session, limits, now())) {
          request.identity = null
          throw new GatewayError('GW_POOL_UNAVAILABLE', {
            cause: outcome.cause,
            reason: 'refresh_unavailable',
            headers: { 'retry-after': '5' },
          })
        }
        if (outcome.session === undefined) await outlast(request, session)
    }
  }

  /** As it is. It is not written without need: another replica may have renewed it, and the browser would lose what it got there. */
  async function outlast(request: FastifyRequest, session: Session): Promise<void> {
    // Its key may be taken away before the user pool is back.
    if (request.sessionOnOldKey || renewalPressing(session, limits, now())) await keep(request, session)
    else request.identity = session.person
  }

  async function lapse(request: FastifyRequest, session: Session, reason: string): Promise<void> {
    await app.lapseSession(request, session)
    request.outcome.reason = reason
    if (session.lentAt === undefined) metrics.count('sessions_ended_total', { reason })
  }
  ready()
}

/** Whether a redirect to sign in can be followed, and comes back to the same. */
function canBeSent({ route, access, method, raw }: FastifyRequest): boolean {
  if (route === null || access === 'optional' || route.onUnauthenticated === '401') return false
  return method === 'GET' && clientKind(raw.headers) === 'page'
}

/** Ends of a session that its person could not see coming; all others are a matter of time. */
const REFUSALS: ReadonlySet<string> = new Set(['refresh_rejected', 'other_person', 'tokens_foreign'])

export const authenticate = fp(hook, {
  name: 'authenticate',
  fastify: '5.x',
  dependencies: ['bearer', 'session-cookie'],
})
