import { randomBytes } from 'node:crypto'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CognitoClient } from '../adapters/cognito-client.ts'
import type { CsrfTokens } from '../adapters/csrf-tokens.ts'
import type { LoginStates } from '../adapters/login-states.ts'
import type { Revocations } from '../adapters/revocations.ts'
import { FORGET_PAGES } from '../domain/answer-headers.ts'
import { isCrossOrigin } from '../domain/client-kind.ts'
import { GatewayError } from '../domain/errors.ts'
import { stateWithoutAttempt } from '../domain/login-attempt.ts'
import { parseReturnTo, type ReturnToSelf, type SafePath } from '../domain/return-to.ts'
import type { Session } from '../domain/session.ts'
import { confirmSignOutPage } from '../pages/confirm-sign-out-page.ts'
import { pageHeaders } from '../pages/layout.ts'
import { signedOutPage } from '../pages/signed-out-page.ts'

export interface SignOutOptions {
  readonly cognito: CognitoClient
  readonly csrf: CsrfTokens
  readonly states: LoginStates
  readonly revocations: Revocations
  readonly log: Logger
  readonly now: () => number
  readonly self: ReturnToSelf
  readonly pool: string
  readonly ownPrefix: string
  readonly callbackUrl: string
}

/** Signing out for good: our session here, the refresh token, and Cognito's own session, so that the next visit asks for the password. */
export const signOut: FastifyPluginAsync<SignOutOptions> = async (app, options) => {
  const { cognito, csrf, states, revocations, log, now, self, ownPrefix } = options
  const https = self.publicUrl.startsWith('https:')
  const open = { config: { access: 'public' } } as const
  const same = { config: { access: 'public', sessionless: true } } as const

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
    }
    await app.endSession(request, session)
    reply.header(...FORGET_PAGES).header('cache-control', 'no-store')
    return form['switch'] === '1' ? switchPerson(reply, form) : reply.redirect(await app.signOutUrl(), 303)
  })

  app.get(`${ownPrefix}/signed_out`, same, async (_request, reply) =>
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
      { event: 'revoked', requestId: request.id, client: request.peer.address, what: 'person', by: 'sign_out' },
      'signed out on all devices',
    )
  }

  /**
   * Cognito shows its sign-in page and comes back with a code for which there is no attempt here: the callback then begins a sign-in of its
   * own. Not relying on nonce and PKCE surviving `/logout` costs one redirect.
   */
  async function switchPerson(reply: FastifyReply, form: Fields): Promise<FastifyReply> {
    const returnTo: SafePath = parseReturnTo(form['rd'], self)
    const { pool } = options
    const id = randomBytes(6).toString('base64url')
    const state = states.write(stateWithoutAttempt({ id, pool, returnTo, startedAt: now(), renewed: false }))
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
