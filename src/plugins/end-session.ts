import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Logger } from 'pino'
import type { CognitoClient } from '../adapters/cognito-client.ts'
import type { CookieBindings } from '../adapters/cookie-bindings.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { Refresher } from '../adapters/refresher.ts'
import type { SessionStore } from '../adapters/session-store.ts'
import { isOwnCookie } from '../domain/identity-headers.ts'
import { expiredCookie } from '../domain/own-cookies.ts'
import type { Session } from '../domain/session.ts'
import { deletionOf, nameAndValue, placeKey } from '../domain/set-cookie.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** A person signs out: nothing of the session is good for anything any more, here, at Cognito and in the browser. */
    endSession(request: FastifyRequest, session: Session | null): Promise<void>
    /** Cognito's sign-out, which ends its own session and comes back to the last page. */
    signOutUrl(): Promise<string>
    /** The gateway's own, for whoever was signed out somewhere else. */
    readonly signOutPath: string
  }
}

export interface EndSessionOptions {
  readonly cognito: CognitoClient
  readonly store: SessionStore
  readonly refresher: Refresher
  readonly cookieBindings: CookieBindings
  readonly metrics: Metrics
  readonly log: Logger
  readonly maxAgeSeconds: number
  readonly publicUrl: string
  readonly ownPrefix: string
}

/** Revoking is best effort: nobody waits longer than this for their sign-out because Cognito is slow. */
const REVOKE_PATIENCE_MS = 700

const hook: FastifyPluginCallback<EndSessionOptions> = (app, options, ready) => {
  const { cognito, store, refresher, cookieBindings, metrics, log, publicUrl, ownPrefix } = options
  /** Registered at Cognito. */
  const signedOutUrl = `${publicUrl}${ownPrefix}/signed_out`

  /** First the id is worth nothing any more, then a running refresh may end, then the newest token is revoked. */
  async function end(session: Session, requestId: string): Promise<void> {
    await store.end(session.id, session.startedAt + options.maxAgeSeconds * 1000)
    metrics.count('sign_outs_total', {})
    metrics.count('sessions_ended_total', { reason: 'signed_out' })
    log.info({ event: 'sign_out', requestId }, 'signed out')
    await Promise.race([revoke(session, requestId), pause(REVOKE_PATIENCE_MS)])
  }

  async function revoke(session: Session, requestId: string): Promise<void> {
    try {
      const { refreshToken } = await refresher.settle(session)
      if (refreshToken !== undefined) await cognito.revoke(refreshToken)
    } catch {
      log.warn(
        { event: 'revoke_failed', requestId },
        'the refresh token could not be revoked; it ends with its own life',
      )
    }
  }

  app.decorate('endSession', async (request, session) => {
    if (session !== null) await end(session, request.id)
    app.dropSession(request)
    dropCookies(request, cookieBindings)
  })
  app.decorate('signOutUrl', async () => cognito.signOutUrl(signedOutUrl).catch(() => signedOutUrl))
  app.decorate('signOutPath', `${ownPrefix}/sign_out`)
  ready()
}

/**
 * Attempts that are under way end too: a sign-out must leave nothing behind that could become a session. And so do the cookies by which
 * applications know the person, where they told us which those are.
 */
function dropCookies(request: FastifyRequest, bindings: CookieBindings): void {
  for (const pair of (request.raw.headers.cookie ?? '').split(';')) {
    const { name, value } = nameAndValue(pair)
    if (!isOwnCookie(name)) continue
    const bound = bindings.read(name, value)
    if (bound !== null) request.setCookies.set(placeKey(bound), deletionOf(bound))
    if (!request.setCookies.has(name)) request.setCookies.set(name, expiredCookie(name))
  }
}

async function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}

export const endSession = fp(hook, { name: 'end-session', fastify: '5.x', dependencies: ['session-cookie'] })
