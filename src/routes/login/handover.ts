import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { CognitoPage } from '../../adapters/cognito-client.ts'
import type { Handovers } from '../../adapters/handovers.ts'
import type { LoginStates } from '../../adapters/login-states.ts'
import type { Metrics } from '../../adapters/metrics.ts'
import type { HostStores } from '../../adapters/session-store.ts'
import { FORGET_PAGES } from '../../domain/answer-headers.ts'
import { GatewayError } from '../../domain/errors.ts'
import { ATTEMPT_LIFE_MS, comebackOf, isStale, type LoginAttempt, type LoginState } from '../../domain/login-attempt.ts'
import { expiredCookie, SWITCH_COOKIE } from '../../domain/own-cookies.ts'
import { fromElsewhere, type SafePath } from '../../domain/return-to.ts'
import type { Session } from '../../domain/session.ts'
import { comesBackFor, type Site, type Sites } from '../../domain/site.ts'
import type { Attempts } from './attempts.ts'
import { HANDOVER, leave, random } from './begin.ts'
import type { LoopGuard } from './loop-guard.ts'
import type { SignInLimits } from './sign-in-limits.ts'

export interface HandoverParts {
  readonly states: LoginStates
  readonly handovers: Handovers
  readonly stores: HostStores
  readonly sites: Sites
  readonly limits: SignInLimits
  readonly metrics: Metrics
  readonly log: Logger
  readonly now: () => number
  readonly ownPrefix: string
}

/** How the sign-in is to begin where nobody is signed in yet; `choose` lets people choose an identity provider first. */
export type Entrance = CognitoPage | 'choose'

export interface Wish {
  readonly entrance: Entrance
  readonly returnTo: SafePath
  readonly identityProvider?: string | undefined
  readonly loginHint?: string | undefined
  /** Cognito's own session is to end first. */
  readonly leave?: boolean
  /** The person has to give their password, whoever is signed in. */
  readonly afresh?: boolean
  /** One before it led nowhere. */
  readonly restarted?: boolean
  /** The state of the attempt on another host for which all this is. */
  readonly visit?: string | undefined
}

/** Signs the person in for another host, because nobody of its pool is signed in here. */
export type SignInFor = (wish: Wish & { readonly visit: string }, pool: string, visit: Visit) => Promise<FastifyReply>

export interface Visit {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

const ENTRANCES: readonly Entrance[] = ['sign-in', 'sign-up', 'forgot-password', 'choose']
/** Longer addresses are cut or refused by what stands between browsers and us, and by ourselves. */
const MAX_URL = 8_000

export type Handover = ReturnType<typeof createHandover>

/**
 * A host on which nobody signs in gets its session from the one where people do: an attempt begins here, its sealed state goes there, and a
 * hand-over for this very attempt comes back. Cognito has no part in it where the person is signed in there. The same way a session comes to
 * the host that keeps it, where Cognito sends people back to another.
 */
export function createHandover(
  app: FastifyInstance,
  parts: HandoverParts,
  browser: { readonly attempts: Attempts; readonly loopGuard: LoopGuard },
) {
  const { states, handovers, stores, sites, metrics, log, now, ownPrefix } = parts
  const { attempts, loopGuard } = browser

  /** Sends a person from this host to the one where people sign in, or from there to the one to which Cognito sends them back. */
  function beginVisit(wish: Wish, { request, reply }: Visit): FastifyReply {
    const { returnTo, restarted = false, afresh = false, visit } = wish
    const { host, pool, signsIn, signInOrigin, callbackOrigin } = request.site
    const begun = { returnTo, startedAt: now(), afresh, visit }
    const attempt = { id: random(6), secret: random(16), nonce: '', verifier: '', ...begun }
    attempts.add(request, attempt)
    const query = new URLSearchParams({
      for: states.write({ ...attempt, pool, host, restarted, renewed: false }),
      ...(wish.entrance === 'sign-in' ? {} : { to: wish.entrance }),
      ...(wish.identityProvider === undefined ? {} : { idp: wish.identityProvider }),
      ...(wish.loginHint === undefined ? {} : { login_hint: wish.loginHint }),
      ...(wish.leave === true ? { leave: '1' } : {}),
    })
    if (wish.leave === true) request.setCookies.set(SWITCH_COOKIE, expiredCookie(SWITCH_COOKIE))
    return onward(reply, `${signsIn ? callbackOrigin : signInOrigin}${ownPrefix}${HANDOVER}?${query.toString()}`)
  }

  /** On the host where people sign in, or to which Cognito sends them back. */
  async function give(visit: Visit, signIn: SignInFor): Promise<FastifyReply> {
    const { request, reply } = visit
    const query = new URLSearchParams(request.target?.query ?? '')
    const text = query.get('for') ?? ''
    const state = states.read(text)
    const site = sites.byHost.get(state?.host ?? '')
    if (state === null || site?.pool !== state.pool) throw unknown(request)
    const isPassing = comesBackFor(request.site, site)
    if (!isPassing && (site.signsIn || site.signInOrigin !== request.site.origin)) throw unknown(request)
    const returnTo = fromElsewhere(state.returnTo, site.origin)
    request.returnTo = returnTo
    // That host begins anew.
    if (now() >= state.startedAt + ATTEMPT_LIFE_MS) return leave(reply, returnTo)
    const session = isPassing ? null : sessionOf(request)
    if (session !== null && !isStale(state, session.person.authTime)) {
      const lent = stores.at(site.host).lend(session, now())
      if (lent === null) throw new GatewayError('GW_SIGN_IN_REQUIRED', { reason: 'session_ended' })
      return onward(reply, addressOf({ session, state, stateText: text, text: lent }, site, request))
    }
    if (!isPassing) await app.revokeLeftover(request)
    const wish: Wish = {
      entrance: ENTRANCES.find((one) => one === query.get('to')) ?? 'sign-in',
      returnTo,
      identityProvider: query.get('idp') ?? undefined,
      loginHint: query.get('login_hint') ?? undefined,
      leave: query.has('leave'),
      afresh: state.afresh,
    }
    return signIn({ ...wish, visit: text }, site.pool, visit)
  }

  /** Where a session that has just begun is taken to the host that keeps it, whole; null where nobody waits for it there any more. */
  async function deliver(session: Session, stateText: string, request: FastifyRequest): Promise<string | null> {
    const state = states.read(stateText)
    const site = sites.byHost.get(state?.host ?? '')
    if (state === null || site?.pool !== session.person.pool || !comesBackFor(request.site, site)) return null
    if (now() >= state.startedAt + ATTEMPT_LIFE_MS) return null
    const text = await stores.at(site.host).create(session)
    return text === null ? null : addressOf({ session, state, stateText, text }, site, request)
  }

  /** Sealed once more: whoever comes to see the address must not be able to keep what that host's cookie is to hold. */
  function addressOf({ session, state, stateText, text }: Given, site: Site, request: FastifyRequest): string {
    const { id: attempt, secret, host } = state
    const query = new URLSearchParams({ state: stateText, session: handovers.write({ attempt, secret, host, text }) })
    const url = `${site.origin}${ownPrefix}${HANDOVER}?${query.toString()}`
    if (url.length > MAX_URL)
      throw new GatewayError('GW_SESSION_TOO_LARGE', {
        detail: `the hand-over to ${host} needs ${url.length} bytes of address and ${MAX_URL} are possible; emit or name fewer groups and claims, or keep sessions in Redis`,
        reason: 'handover_too_large',
      })
    told('given', { request, host, session: session.id })
    return url
  }

  /** On the host that asked for it. */
  async function take(visit: Visit): Promise<FastifyReply> {
    const { request, reply } = visit
    const query = new URLSearchParams(request.target?.query ?? '')
    const found = states.read(query.get('state') ?? '')
    const { host: here, pool, signsIn, callbackOrigin, origin } = request.site
    const state = found?.pool === pool && found.host === here ? found : null
    if (state === null || (signsIn && callbackOrigin === origin)) throw unknown(request)
    request.returnTo = state.returnTo
    const attempt = attempts.find(request, state.id)
    const { id, secret, host } = state
    // Whatever becomes of it here, what has been in this browser's address is worth nothing from now on.
    const handover = await handovers.take(query.get('session') ?? '', { attempt: id, secret, host })
    const comeback = comebackOf({ state, attempt, signedIn: sessionOf(request) !== null }, now())
    if (comeback !== 'attempt') await discard(handover?.text ?? null, request)
    switch (comeback) {
      case 'attempt':
        return settle({ state, attempt, text: handover?.text ?? null }, visit)
      case 'signed-in':
        return leave(reply, state.returnTo)
      case 'restart':
        return again(state, visit)
      case 'cookies-blocked':
        throw new GatewayError('GW_SIGN_IN_COOKIES_BLOCKED', { reason: 'cookie_blocked' })
      case 'expired':
        throw new GatewayError('GW_SIGN_IN_EXPIRED', { reason: 'attempt_expired' })
    }
  }

  /** A session that came whole and that nobody gets ends with its refresh token; a copy is the other host's to end. */
  async function discard(text: string | null, request: FastifyRequest): Promise<void> {
    const { host, signsIn } = request.site
    const stored = text === null || !signsIn ? null : await stores.at(host).read(text)
    if (stored !== null && stored !== 'foreign') await app.endReplaced(request, stored.session)
  }

  async function settle({ state, attempt, text }: Arrival, visit: Visit): Promise<FastifyReply> {
    const { request, reply } = visit
    const { id, host } = state
    attempts.forget(request, id)
    const stored = text === null ? null : await stores.at(host).read(text)
    if (text === null || stored === null || stored === 'foreign') {
      told('refused', { request, host })
      return again(state, visit)
    }
    const { session } = stored
    const { signedInSession, lapsedSession } = request
    const before = signedInSession ?? lapsedSession
    if (before !== null && before.person.subject !== session.person.subject) reply.header(...FORGET_PAGES)
    app.adoptSession(request, session, text)
    await app.endReplaced(request, signedInSession)
    request.identity = session.person
    loopGuard.count(request, state.startedAt)
    told('taken', { request, host, session: session.id })
    // The host that keeps the session goes on to the one for which the person came. Only the attempt knows long addresses.
    const { returnTo = state.returnTo, visit: waiting } = attempt ?? {}
    return leave(reply, waiting === undefined ? returnTo : `${ownPrefix}${HANDOVER}?for=${waiting}`)
  }

  /** Once: whatever kept the first one from arriving may keep the next, and nobody should be sent to and fro without end. */
  function again(state: LoginState, visit: Visit): FastifyReply {
    if (state.restarted) throw new GatewayError('GW_SIGN_IN_EXPIRED', { reason: 'handover_refused' })
    const { returnTo, afresh } = state
    return beginVisit({ entrance: 'sign-in', returnTo, afresh, restarted: true }, visit)
  }

  function unknown(request: FastifyRequest): GatewayError {
    parts.limits.guess(request)
    return new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'state_mismatch' })
  }

  function told(result: 'given' | 'taken' | 'refused', { request, host, session }: Told): void {
    metrics.count('handovers_total', { result })
    log.info({ event: `handover_${result}`, requestId: request.id, host, session }, `hand-over ${result}`)
  }

  return { beginVisit, give, take, deliver }
}

interface Given {
  readonly session: Session
  readonly state: LoginState
  readonly stateText: string
  /** What the cookie of that host is to hold. */
  readonly text: string
}

interface Arrival {
  readonly state: LoginState
  readonly attempt: LoginAttempt | null
  /** Of the session that came along; null where none did. */
  readonly text: string | null
}

interface Told {
  readonly request: FastifyRequest
  readonly host: string
  readonly session?: string
}

/** Of the person who is asking now, if that is one with a live session in this browser. */
function sessionOf({ identity, signedInSession }: FastifyRequest): Session | null {
  return signedInSession !== null && signedInSession.person === identity ? signedInSession : null
}

function onward(reply: FastifyReply, url: string): FastifyReply {
  return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(url, 302)
}
