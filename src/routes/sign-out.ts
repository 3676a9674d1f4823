import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CsrfTokens } from '../adapters/csrf-tokens.ts'
import type { Revocations } from '../adapters/revocations.ts'
import { FORGET_PAGES } from '../domain/answer-headers.ts'
import { isCrossOrigin } from '../domain/client-kind.ts'
import { GatewayError } from '../domain/errors.ts'
import { expiredCookie, hasCookie, switchCookie, SWITCH_COOKIE } from '../domain/own-cookies.ts'
import { parseReturnTo, type ReturnToSelf } from '../domain/return-to.ts'
import type { Session } from '../domain/session.ts'
import { confirmSignOutPage } from '../pages/confirm-sign-out-page.ts'
import { leavingHeaders, leavingPage } from '../pages/leaving-page.ts'
import { signedOutPage } from '../pages/signed-out-page.ts'

export interface SignOutOptions {
  readonly csrf: CsrfTokens
  readonly revocations: Revocations
  readonly log: Logger
  readonly now: () => number
  readonly self: ReturnToSelf
  readonly ownPrefix: string
}

/** Signing out for good: our session here, the refresh token, and Cognito's own session, so that the next visit asks for the password. */
export const signOut: FastifyPluginAsync<SignOutOptions> = async (app, options) => {
  const { csrf, revocations, log, now, self, ownPrefix } = options
  const open = { config: { access: 'public' } } as const
  const same = { config: { access: 'public', sessionless: true } } as const

  app.get(`${ownPrefix}/sign_out`, open, async (request, reply) => {
    const session = request.signedInSession
    if (session === null && isUnderWay(request)) return goOn(request, reply)
    return reply.sendPage(
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
    // A form of another site brings no cookie along, and would take all of them away.
    requireOwnOrigin(request)
    if (session !== null) {
      if (!csrf.isValid(session.id, form['csrf'] ?? '')) throw new GatewayError('GW_CSRF', { reason: 'csrf' })
      // First, because it happens as a whole or not at all: then the person is still signed in and can try again.
      if (form['everywhere'] === '1') await endEverywhere(session, request)
    }
    await app.endSession(request, session)
    reply.header(...FORGET_PAGES).header('cache-control', 'no-store')
    if (form['switch'] !== '1') return reply.redirect(await nextUrl(request), 303)
    request.setCookies.set(SWITCH_COOKIE, switchCookie())
    const rd = parseReturnTo(form['rd'], self, request.site.origin)
    return reply.redirect(`${ownPrefix}/start?leave=1&rd=${encodeURIComponent(rd)}`, 303)
  })

  app.get(`${ownPrefix}/signed_out`, same, async (_request, reply) =>
    reply.sendPage(signedOutPage({ signInHref: `${ownPrefix}/start` })),
  )

  /** Cognito's sign-out; from any other host by way of the one where people sign in, whose cookie is worth nothing now either. */
  async function nextUrl({ site }: FastifyRequest): Promise<string> {
    return site.signsIn ? app.signOutUrl(site) : `${site.signInOrigin}${ownPrefix}/sign_out?leave=1`
  }

  /** The application has signed out, or another host, and we with it: Cognito's own session is left. */
  async function goOn(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const href = `${ownPrefix}/sign_out?leave=1`
    if (!isLeaving(request)) return reply.headers(leavingHeaders(href)).sendPage(leavingPage({ href }))
    await app.revokeLeftover(request)
    request.setCookies.set(SWITCH_COOKIE, expiredCookie(SWITCH_COOKIE))
    return reply
      .header(...FORGET_PAGES)
      .header('cache-control', 'no-store')
      .redirect(await nextUrl(request), 303)
  }

  function requireOwnOrigin({ raw, site }: FastifyRequest): void {
    if (isCrossOrigin(raw.headers, { method: 'POST', upgrade: false, allowed: [site.origin] }))
      throw new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin' })
  }

  async function endEverywhere({ person }: Session, request: FastifyRequest): Promise<void> {
    const { pool, subject } = person
    await revocations.revoke({ kind: 'person', pool, subject, before: now() })
    log.info(
      { event: 'revoked', requestId: request.id, client: request.peer.address, what: 'person', by: 'sign_out' },
      'signed out on all devices',
    )
  }
}

function isLeaving({ target }: FastifyRequest): boolean {
  return new URLSearchParams(target?.query ?? '').has('leave')
}

/** Whoever has no session here loses nothing by it but Cognito's own, and anybody can link to the end of that. */
function isUnderWay(request: FastifyRequest): boolean {
  return isLeaving(request) || hasCookie(request.raw.headers.cookie, SWITCH_COOKIE)
}

type Fields = Readonly<Record<string, string | undefined>>

function fieldsOf(body: unknown): Fields {
  if (typeof body !== 'object' || body === null) return {}
  return Object.fromEntries(
    Object.entries(body).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}
