import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readAuthorizationRequest, type AuthorizationRequest } from './authorization-request.ts'
import {
  finishSignIn,
  queryOf,
  redirectToCallback,
  redirectToError,
  refuse,
  SESSION_COOKIE,
  type PoolContext,
} from './pool-context.ts'
import { sendPage } from './pool-layout.ts'
import { errorPage } from './pool-pages.ts'
import { OWN_DIRECTORY } from './pool-settings.ts'
import type { HostedSession, UserPool } from './user-pool.ts'

const NO_REDIRECT = 'Required parameters missing'

/** The endpoints that a browser is sent to: `/oauth2/authorize`, `/logout` and the error page. */
export function addAuthorize(app: FastifyInstance, context: PoolContext): void {
  const { pool } = context

  app.get('/oauth2/authorize', { config: { poolEndpoint: 'authorize' } }, async (request, reply) => {
    const outcome = readAuthorizationRequest(pool, queryOf(request))
    if (outcome.kind !== 'accepted') return refuse(reply, context, outcome)
    return authorize(outcome.asked, context, { request, reply })
  })

  app.get('/logout', { config: { poolEndpoint: 'logout' } }, async (request, reply) => {
    pool.endSession(request.cookies[SESSION_COOKIE])
    reply.clearCookie(SESSION_COOKIE, { path: '/', httpOnly: true, sameSite: 'lax' })
    return logOut(pool, queryOf(request), reply)
  })

  app.get('/error', async (request, reply) => {
    const given = new URLSearchParams(queryOf(request))
    return sendPage(reply, errorPage(given.get('error') ?? '', given.get('client_id') ?? undefined), 400)
  })
}

interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

function authorize(asked: AuthorizationRequest, context: PoolContext, { request, reply }: Exchange): FastifyReply {
  const { pool } = context
  const session = usableSession(asked, pool.session(request.cookies[SESSION_COOKIE]))
  if (asked.prompts.includes('none') && session === undefined) {
    const parameters = { state: asked.state, error: 'login_required' }
    return redirectToCallback(reply, context, { redirectUri: asked.redirectUri, parameters })
  }
  const prompted = asked.prompts.includes('login') || asked.prompts.includes('select_account')
  const mustAsk = prompted && !pool.settings.classicPages
  if (session !== undefined && !mustAsk) return finishSignIn(reply, context, { asked, session })
  const provider = pool.provider(asked.provider ?? onlyProvider(asked))
  if (provider === undefined) return reply.redirect(`${pool.url}/login?${asked.query}`, 302)
  const state = pool.startFederation({ query: asked.query, provider })
  return reply.redirect(`${pool.url}/simulated-provider?${new URLSearchParams({ state })}`, 302)
}

/** A session counts for every client of the pool that allows its provider, and only if no other provider was asked for. */
function usableSession(asked: AuthorizationRequest, session: HostedSession | undefined): HostedSession | undefined {
  if (session === undefined || !asked.client.identityProviders.includes(session.provider)) return undefined
  return asked.provider === undefined || asked.provider === session.provider ? session : undefined
}

function onlyProvider({ client }: AuthorizationRequest): string | undefined {
  const [first, ...others] = client.identityProviders
  return others.length === 0 && first !== OWN_DIRECTORY ? first : undefined
}

/** `client_id` with `logout_uri` leaves for that address; with `redirect_uri` it leads to a new sign-in. Never with a state. */
function logOut(pool: UserPool, query: string, reply: FastifyReply): FastifyReply {
  const given = new URLSearchParams(query)
  const client = pool.client(given.get('client_id'))
  if (client === undefined) return redirectToError(reply, pool, 'Client does not exist')
  const logoutUri = given.get('logout_uri')
  if (logoutUri !== null) {
    if (client.logoutUrls.includes(logoutUri)) return reply.redirect(logoutUri, 302)
    return redirectToError(reply, pool, NO_REDIRECT, client.id)
  }
  const redirectUri = given.get('redirect_uri')
  if (redirectUri === null) return redirectToError(reply, pool, NO_REDIRECT, client.id)
  if (!client.callbackUrls.includes(redirectUri)) return redirectToError(reply, pool, 'redirect_mismatch', client.id)
  return reply.redirect(`${pool.url}/login?${query}`, 302)
}
