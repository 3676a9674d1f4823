import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Logger } from 'pino'
import type { CognitoClient } from '../adapters/cognito-client.ts'
import type { CookieBindings } from '../adapters/cookie-bindings.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { SessionStore } from '../adapters/session-store.ts'
import type { TokenRevoker } from '../adapters/token-revoker.ts'
import { isOwnCookie } from '../domain/cookie-header.ts'
import type { PersonNames } from '../adapters/person-names.ts'
import { expiredCookie } from '../domain/own-cookies.ts'
import type { Session } from '../domain/session.ts'
import type { Site } from '../domain/site.ts'
import { deletionOf, nameAndValue, placeKey } from '../domain/set-cookie.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** A person signs out: nothing of the session is good for anything any more, here, at Cognito and in the browser. */
    endSession(request: FastifyRequest, session: Session | null): Promise<void>
    /** Another session took the place of this one in the browser: nothing of it survives. */
    endReplaced(request: FastifyRequest, before: Session | null): Promise<void>
    /** The refresh token of a session that was ended on a host which had none is revoked too. */
    revokeLeftover(request: FastifyRequest): Promise<void>
    /** Cognito's sign-out, which ends its own session and comes back to the last page. */
    signOutUrl(site: Site): Promise<string>
    /** The gateway's own, for whoever was signed out somewhere else. */
    readonly signOutPath: string
  }
}

export interface EndSessionOptions {
  /** By the pool's name. */
  readonly pools: ReadonlyMap<string, { readonly cognito: CognitoClient }>
  readonly store: SessionStore
  readonly tokenRevoker: TokenRevoker
  readonly cookieBindings: CookieBindings
  readonly metrics: Metrics
  readonly log: Logger
  readonly names: PersonNames
  readonly ownPrefix: string
}

const hook: FastifyPluginCallback<EndSessionOptions> = (app, options, ready) => {
  const { pools, store, tokenRevoker, cookieBindings, metrics, log, names, ownPrefix } = options

  /** First the id is worth nothing any more, then a running refresh may end, then the newest token is revoked. */
  async function end(session: Session, requestId: string): Promise<void> {
    await store.end(session)
    metrics.count('sign_outs_total', {})
    metrics.count('sessions_ended_total', { reason: 'signed_out' })
    log.info({ event: 'sign_out', requestId, session: session.id, ...names.of(session.person) }, 'signed out')
    await tokenRevoker.revoke(session, requestId)
  }

  app.decorate('endSession', async (request, session) => {
    if (session !== null) await end(session, request.id)
    app.dropSession(request)
    dropCookies(request, cookieBindings)
  })
  app.decorate('endReplaced', async ({ signedInSession: session, id }, before) => {
    if (before === null || before.id === session?.id) return
    await store.end(before)
    metrics.count('sessions_ended_total', { reason: 'replaced' })
    void tokenRevoker.revoke(before, id)
  })
  app.decorate('revokeLeftover', async ({ leftoverToken: refreshToken, site: { pool }, id }) => {
    if (refreshToken !== undefined) await tokenRevoker.revokeToken({ pool, refreshToken }, id)
  })
  app.decorate('signOutUrl', async ({ pool, callbackOrigin }) => {
    /** Registered at Cognito. */
    const signedOutUrl = `${callbackOrigin}${ownPrefix}/signed_out`
    return (
      pools
        .get(pool)
        ?.cognito.signOutUrl(signedOutUrl)
        .catch(() => signedOutUrl) ?? signedOutUrl
    )
  })
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

export const endSession = fp(hook, { name: 'end-session', fastify: '5.x', dependencies: ['session-cookie'] })
