import formbody from '@fastify/formbody'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CognitoClient } from '../adapters/cognito-client.ts'
import type { CsrfTokens } from '../adapters/csrf-tokens.ts'
import type { LoginStates } from '../adapters/login-states.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { Revocations } from '../adapters/revocations.ts'
import type { SessionStore } from '../adapters/session-store.ts'
import type { TokenRevoker } from '../adapters/token-revoker.ts'
import { isCrossOrigin } from '../domain/client-kind.ts'
import { GatewayError } from '../domain/errors.ts'
import { isOwnCookie } from '../domain/identity-headers.ts'
import { stateWithoutAttempt } from '../domain/login-attempt.ts'
import { parseReturnTo, type ReturnToSelf, type SafePath } from '../domain/return-to.ts'
import type { Session } from '../domain/session.ts'
import { confirmSignOutPage } from '../pages/confirm-sign-out-page.ts'
import { pageHeaders } from '../pages/layout.ts'
import { signedOutPage } from '../pages/signed-out-page.ts'

export interface SignOutOptions {
  readonly cognito: CognitoClient
  readonly store: SessionStore
  readonly revocations: Revocations
  readonly tokenRevoker: TokenRevoker
  readonly csrf: CsrfTokens
  readonly states: LoginStates
  readonly metrics: Metrics
  readonly log: Logger
  readonly now: () => number
  readonly self: ReturnToSelf
  readonly pool: string
  readonly ownPrefix: string
  readonly callbackUrl: string
}

/** A form is a few hundred bytes: no browser takes this long to send it. */
const FORM_PATIENCE_MS = 10_000
const COOKIE_ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'

/** Signing out for good: our session here, the refresh token, and Cognito's own session, so that the next visit asks for the password. */
export const signOut: FastifyPluginAsync<SignOutOptions> = async (app, options) => {
  const { cognito, store, revocations, csrf, states, metrics, log, now, self, ownPrefix } = options
  const https = self.publicUrl.startsWith('https:')
  const open = { config: { access: 'public' } } as const
  await app.register(formbody)
  app.addHook('preParsing', (_request, reply, payload, done) => {
    const slow = new GatewayError('GW_REQUEST_TIMEOUT', { reason: 'form_slow' })
    const patience = setTimeout(() => void reply.send(slow), FORM_PATIENCE_MS)
    for (const over of ['end', 'close']) payload.once(over, () => clearTimeout(patience))
    done()
  })

  app.get(`${ownPrefix}/sign_out`, open, async (request, reply) => {
    const session = request.signedInSession
    return reply.headers(pageHeaders({ https, form: true })).send(
      confirmSignOutPage({
        who: session === null ? undefined : (session.person.email ?? session.person.username),
        action: `${ownPrefix}/sign_out`,
        csrfToken: session === null ? '' : csrf.tokenFor(session.id),
        everywhere: session !== null && revocations.lasting,
        home: '/',
      }),
    )
  })

  app.post(`${ownPrefix}/sign_out`, open, async (request, reply) => {
    const form = fieldsOf(request.body)
    const session = request.signedInSession
    if (session !== null) {
      requireOwnForm(request, session, form)
      // First, because it happens as a whole or not at all: then the person is still signed in and can try again.
      if (form['everywhere'] === '1') await endEverywhere(session, request)
      await end(session, request)
    }
    app.dropSession(request)
    dropAttempts(request)
    reply.header('clear-site-data', '"cache"').header('cache-control', 'no-store')
    return form['switch'] === '1' ? switchPerson(reply, form) : leave(reply)
  })

  app.get(`${ownPrefix}/signed_out`, open, async (_request, reply) =>
    reply.headers(pageHeaders({ https })).send(signedOutPage({ signInHref: `${ownPrefix}/start` })),
  )

  function requireOwnForm(request: FastifyRequest, session: Session, form: Fields): void {
    const foreign = isCrossOrigin(request.raw.headers, {
      method: 'POST',
      upgrade: false,
      allowed: [new URL(self.publicUrl).origin],
    })
    if (foreign) throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' })
    if (!csrf.isValid(session.id, form['csrf'] ?? '')) throw new GatewayError('GW_CSRF', { reason: 'csrf' })
  }

  async function endEverywhere({ person }: Session, request: FastifyRequest): Promise<void> {
    const { pool, subject } = person
    await revocations.revoke({ kind: 'person', pool, subject, before: now() })
    log.info(
      { event: 'revoked', requestId: request.id, client: request.peer.address, kind: 'person', by: 'person' },
      'signed out on all devices',
    )
  }

  /** First the id is worth nothing any more, then a running refresh may end, then the newest token is revoked. */
  async function end(session: Session, request: FastifyRequest): Promise<void> {
    await store.end(session, 'signed_out')
    metrics.count('sign_outs_total', {})
    metrics.count('sessions_ended_total', { reason: 'signed_out' })
    log.info({ event: 'sign_out', requestId: request.id }, 'signed out')
    await options.tokenRevoker.revoke(session, request.id)
  }

  async function leave(reply: FastifyReply): Promise<FastifyReply> {
    const signedOut = `${self.publicUrl}${ownPrefix}/signed_out`
    return reply.redirect(await cognito.signOutUrl(signedOut).catch(() => signedOut), 303)
  }

  /**
   * Cognito shows its sign-in page and comes back with a code for which there is no attempt here: the callback then begins a sign-in of its
   * own. Not relying on nonce and PKCE surviving `/logout` costs one redirect.
   */
  async function switchPerson(reply: FastifyReply, form: Fields): Promise<FastifyReply> {
    const returnTo: SafePath = parseReturnTo(form['rd'], self)
    const { pool } = options
    const state = states.write(stateWithoutAttempt({ pool, returnTo, startedAt: now(), renewed: false }))
    const url = await cognito
      .switchUrl({ redirectUri: options.callbackUrl, state })
      .catch(() => `${self.publicUrl}${ownPrefix}/start?rd=${encodeURIComponent(returnTo)}`)
    return reply.redirect(url, 303)
  }
}

type Fields = Readonly<Record<string, string | undefined>>

function fieldsOf(body: unknown): Fields {
  if (typeof body !== 'object' || body === null) return {}
  return Object.fromEntries(
    Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

/** Attempts that are under way end too: a sign-out must leave nothing behind that could become a session. */
function dropAttempts(request: FastifyRequest): void {
  for (const pair of (request.raw.headers.cookie ?? '').split(';')) {
    const name = pair.split('=', 1)[0]?.trim() ?? ''
    if (isOwnCookie(name) && !request.setCookies.has(name))
      request.setCookies.set(name, `${name}=; Max-Age=0; ${COOKIE_ATTRIBUTES}`)
  }
}
