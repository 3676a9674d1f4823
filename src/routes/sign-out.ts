import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CsrfTokens } from '../adapters/csrf-tokens.ts'
import type { Revocations } from '../adapters/revocations.ts'
import { FORGET_PAGES } from '../domain/answer-headers.ts'
import { isCrossOrigin } from '../domain/client-kind.ts'
import { GatewayError } from '../domain/errors.ts'
import {
  cookieIn,
  expiredCookie,
  hasCookie,
  LEFT_COOKIE,
  leftCookie,
  ownCookies,
  switchCookie,
  SWITCH_COOKIE,
} from '../domain/own-cookies.ts'
import { parseReturnTo, type ReturnToSelf } from '../domain/return-to.ts'
import type { Session } from '../domain/session.ts'
import type { Site, Sites } from '../domain/site.ts'
import { confirmSignOutPage } from '../pages/confirm-sign-out-page.ts'
import { leavingHeaders, leavingPage } from '../pages/leaving-page.ts'
import { signedOutPage } from '../pages/signed-out-page.ts'

export interface SignOutOptions {
  readonly csrf: CsrfTokens
  readonly sites: Sites
  readonly revocations: Revocations
  readonly log: Logger
  readonly now: () => number
  readonly self: ReturnToSelf
  readonly ownPrefix: string
}

/** Signing out for good: our session here, the refresh token, and Cognito's own session, so that the next visit asks for the password. */
export const signOut: FastifyPluginAsync<SignOutOptions> = async (app, options) => {
  const { csrf, sites, revocations, log, now, self, ownPrefix } = options
  const open = { config: { access: 'public' } } as const
  const same = { config: { access: 'public', sessionless: true } } as const

  app.get(`${ownPrefix}/sign_out`, open, async (request, reply) => {
    const session = request.signedInSession
    const begun = begunOn(request)
    if (begun.pool !== request.site.pool) return passBy(begun, { request, reply })
    if (session === null && isUnderWay(request)) return goOn(begun, { request, reply })
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
    if (form['switch'] !== '1') return reply.redirect(await nextUrl(request.site, request), 303)
    request.setCookies.set(SWITCH_COOKIE, switchCookie())
    forget(ownCookies.rounds.name, request)
    const rd = parseReturnTo(form['rd'], self, request.site.origin)
    return reply.redirect(`${ownPrefix}/start?leave=1&rd=${encodeURIComponent(rd)}`, 303)
  })

  app.get(`${ownPrefix}/signed_out`, same, async (request, reply) => {
    const begun = comesBy(cookieIn(request.raw.headers.cookie, LEFT_COOKIE), request.site)
    request.returnTo = parseReturnTo(`${begun.origin}/`, self, request.site.origin)
    return reply.sendPage(
      signedOutPage({ signInHref: `${begun === request.site ? '' : begun.origin}${ownPrefix}/start` }),
    )
  })

  /**
   * Cognito's sign-out, by way of the host where people sign in, whose cookie is worth nothing now either, and of the one to which Cognito
   * sends them back: there it is remembered on which host the sign-out began, so that whoever signs in again gets back to that.
   */
  async function nextUrl(begun: Site, request: FastifyRequest): Promise<string> {
    const { site } = request
    // Whoever signs out on purpose and in again is in no circle: a click lies between.
    forget(ownCookies.rounds.name, request)
    const next = site.signsIn ? begun.callbackOrigin : site.signInOrigin
    if (next !== site.origin) return `${next}${ownPrefix}/sign_out?leave=1&of=${encodeURIComponent(begun.host)}`
    if (begun !== site) request.setCookies.set(LEFT_COOKIE, leftCookie(begun.host))
    else forget(LEFT_COOKIE, request)
    return app.signOutUrl(begun)
  }

  /** Where a sign-out began that goes on here: another host may say so. */
  function begunOn({ target, site }: FastifyRequest): Site {
    const query = new URLSearchParams(target?.query ?? '')
    return comesBy(query.has('leave') ? query.get('of') : null, site)
  }

  /** A host whose people come by this one when they sign out; `site` itself for anything else that somebody wrote. */
  function comesBy(host: string | null, site: Site): Site {
    const other = sites.byHost.get(host ?? '')
    const comes = other?.signInOrigin === site.origin || other?.callbackOrigin === site.origin
    return other !== undefined && comes ? other : site
  }

  /** This host keeps the sessions of another pool: none of them ends. */
  async function passBy(begun: Site, { request, reply }: Visit): Promise<FastifyReply> {
    return reply.header('cache-control', 'no-store').redirect(await nextUrl(begun, request), 303)
  }

  /** The application has signed out, or another host, and we with it: Cognito's own session is left. */
  async function goOn(begun: Site, { request, reply }: Visit): Promise<FastifyReply> {
    const href = `${ownPrefix}/sign_out?leave=1`
    if (!isLeaving(request)) return reply.headers(leavingHeaders(href)).sendPage(leavingPage({ href }))
    await app.revokeLeftover(request)
    request.setCookies.set(SWITCH_COOKIE, expiredCookie(SWITCH_COOKIE))
    return reply
      .header(...FORGET_PAGES)
      .header('cache-control', 'no-store')
      .redirect(await nextUrl(begun, request), 303)
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

/** Tells the browser to forget a cookie, where it has it. */
function forget(name: string, { raw, setCookies }: FastifyRequest): void {
  if (hasCookie(raw.headers.cookie, name)) setCookies.set(name, expiredCookie(name))
}

interface Visit {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
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
