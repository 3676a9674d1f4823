import { randomUUID } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { AuthorizationRequest, Refusal } from './authorization-request.ts'
import { withPatch, type Faults } from './pool-faults.ts'
import { sendPage } from './pool-layout.ts'
import { errorPage } from './pool-pages.ts'
import type { TokenMint } from './pool-tokens.ts'
import type { HostedSession, UserPool } from './user-pool.ts'

/** What every route of the pool works with. */
export interface PoolContext {
  readonly pool: UserPool
  readonly mint: TokenMint
  readonly faults: Faults
  /** What was asked of the token endpoint, newest last, without secrets. */
  readonly tokenRequests: TokenRequest[]
}

export interface TokenRequest {
  readonly at: number
  readonly clientAuthentication: 'basic' | 'post' | 'none'
  /** The form, with `(hidden)` for the client's secret, codes, verifiers and refresh tokens. */
  readonly form: Readonly<Record<string, string>>
}

export const SESSION_COOKIE = 'cognito'
export const CSRF_COOKIE = 'XSRF-TOKEN'

/** The query of a request in one spelling, with order and repetitions as they came. */
export const queryOf = (request: FastifyRequest): string =>
  new URLSearchParams(request.raw.url?.split('?').slice(1).join('?')).toString()

export const formOf = (request: FastifyRequest): URLSearchParams =>
  request.body instanceof URLSearchParams ? request.body : new URLSearchParams()

/** The value that a form must send back; made once per browser, because a person may have several pages open. */
export function csrfToken(request: FastifyRequest, reply: FastifyReply): string {
  const token = request.cookies[CSRF_COOKIE] ?? randomUUID()
  reply.setCookie(CSRF_COOKIE, token, { path: '/', httpOnly: true, sameSite: 'lax' })
  return token
}

export function isForged(request: FastifyRequest): boolean {
  const token = request.cookies[CSRF_COOKIE]
  return token === undefined || formOf(request).get('_csrf') !== token
}

export const refuseForged = (reply: FastifyReply): FastifyReply =>
  sendPage(reply, errorPage('Invalid CSRF token', undefined), 403)

/** What managed login shows of an app client that nobody has given a style: nothing. */
export function refuseUnstyled(reply: FastifyReply): FastifyReply {
  return sendPage(reply, errorPage('Login pages unavailable. Please contact an administrator.', undefined), 403)
}

export const isUnstyled = ({ pool }: PoolContext, { client }: AuthorizationRequest): boolean =>
  !client.styled && !pool.settings.classicPages

/** Cognito's own error page, which it shows where there is no callback to be trusted. */
export function redirectToError(reply: FastifyReply, pool: UserPool, error: string, clientId?: string): FastifyReply {
  const query = new URLSearchParams({ error, ...(clientId === undefined ? {} : { client_id: clientId }) })
  return reply.redirect(`${pool.url}/error?${query}`, 302)
}

export function refuse(reply: FastifyReply, context: PoolContext, refusal: Refusal): FastifyReply {
  if (refusal.kind === 'callback') return redirectToCallback(reply, context, refusal)
  return redirectToError(reply, context.pool, refusal.error, refusal.clientId)
}

/** Brings the person back to the client, unless a fault changes what comes along. */
export function redirectToCallback(
  reply: FastifyReply,
  { faults }: PoolContext,
  to: { readonly redirectUri: string; readonly parameters: Readonly<Record<string, string | undefined>> },
): FastifyReply {
  const given = Object.entries(to.parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  const fault = faults.take('callback', new URLSearchParams(given))
  const patch = { ...fault?.patch, ...(fault?.dropState === true ? { state: null } : {}) }
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries(withPatch(Object.fromEntries(given), patch))) {
    query.append(name, String(value))
  }
  return reply.redirect(`${to.redirectUri}${to.redirectUri.includes('?') ? '&' : '?'}${query}`, 302)
}

/** Hands out a code for a hosted session. */
export function finishSignIn(
  reply: FastifyReply,
  context: PoolContext,
  { asked, session }: { readonly asked: AuthorizationRequest; readonly session: HostedSession },
): FastifyReply {
  const code = context.pool.newCode({
    clientId: asked.client.id,
    username: session.username,
    scopes: asked.scopes,
    authTime: session.authTime,
    redirectUri: asked.redirectUri,
    challenge: asked.challenge,
    nonce: asked.nonce,
  })
  const parameters = { code, state: asked.state }
  return redirectToCallback(reply, context, { redirectUri: asked.redirectUri, parameters })
}

/** Begins a hosted session for somebody who has just proved who they are, and hands out a code. */
export function signIn(
  reply: FastifyReply,
  context: PoolContext,
  { asked, username }: { readonly asked: AuthorizationRequest; readonly username: string },
): FastifyReply {
  const user = context.pool.users.find(username)
  if (user === undefined || !user.enabled) return redirectToError(reply, context.pool, 'User is disabled.')
  const { id, session } = context.pool.startSession(user)
  reply.setCookie(SESSION_COOKIE, id, { path: '/', httpOnly: true, sameSite: 'lax', maxAge: 3600 })
  return finishSignIn(reply, context, { asked, session })
}
