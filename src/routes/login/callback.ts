import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Revocations } from '../../adapters/revocations.ts'
import type { SessionStore } from '../../adapters/session-store.ts'
import { FORGET_PAGES } from '../../domain/answer-headers.ts'
import { GatewayError } from '../../domain/errors.ts'
import { comebackOf, isStale, type LoginAttempt, type LoginState } from '../../domain/login-attempt.ts'
import type { LoginFacts, LoginStage } from '../../domain/login-record.ts'
import { ownCookies } from '../../domain/own-cookies.ts'
import type { Session } from '../../domain/session.ts'
import type { Attempts } from './attempts.ts'
import { beginLogin, HANDOVER, leave, leaveFirst, type BeginParts } from './begin.ts'
import { readAnswer, refusalOf, withoutState, type Answer } from './callback-answer.ts'
import type { Handover } from './handover.ts'
import type { Step } from './journal.ts'
import type { LoopGuard } from './loop-guard.ts'
import { sessionOf, signedInBy, tokensOf, type SignedIn, type SignedInParts } from './signed-in.ts'

export interface CallbackParts extends BeginParts, SignedInParts {
  readonly store: SessionStore
  readonly revocations: Revocations
  readonly ownPrefix: string
}

/** Ends a sign-in: the answer of Cognito becomes a session and the person is back where they wanted to go, or a page says what happened. */
export function createCallback(
  app: FastifyInstance,
  parts: CallbackParts,
  browser: { attempts: Attempts; loopGuard: LoopGuard; handover: Pick<Handover, 'deliver'> },
) {
  const { attempts, loopGuard } = browser
  const { cognito, states, store, revocations, journal, now, pool } = parts

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    let at: Progress = { attempt: null, stage: 'came_back' }
    const reached = (stage: LoginStage, facts?: LoginFacts, attempt = at.attempt): void => {
      at = { attempt, stage }
      journal.reached({ request, attempt }, stage, facts)
    }
    try {
      const query = new URLSearchParams(request.target?.query ?? '')
      const state = states.read(query.get('state') ?? '')
      // Begun on another host it does not end here, whatever its cookie says.
      const { host, origin, callbackOrigin } = request.site
      const known = state?.pool === pool && state.host === host && callbackOrigin === origin ? state : null
      reached('came_back', {}, known)
      if (known === null) parts.limits.guess(request)
      const answer = readAnswer(query)
      if (known === null) throw withoutState(answer)
      return await comeBack({ request, reply, reached }, known, answer)
    } catch (error) {
      journal.failed({ request, attempt: at.attempt }, at.stage, error)
      throw error
    }
  }

  async function comeBack(visit: Visit, state: LoginState, answer: Answer): Promise<FastifyReply> {
    const { request, reply } = visit
    request.returnTo = state.returnTo
    const attempt = attempts.find(request, state.id)
    const signedIn = request.signedInSession?.person.pool === pool
    const comeback = comebackOf({ state, attempt, signedIn }, now())
    switch (comeback) {
      case 'attempt':
        break
      case 'signed-in':
        journal.left({ request, attempt: state }, 'signed_in_before')
        return leave(reply, state.returnTo)
      case 'restart':
        journal.left({ request, attempt: state }, 'restarted')
        attempts.forget(request, state.id)
        return beginLogin(
          parts,
          attempts,
          {
            page: 'sign-in',
            returnTo: state.returnTo,
            insteadOf: state.id,
            renewed: state.renewed,
            afresh: state.afresh,
            visit: attempt?.visit,
          },
          { request, reply },
        )
      case 'cookies-blocked':
        throw new GatewayError('GW_SIGN_IN_COOKIES_BLOCKED', { reason: 'cookie_blocked' })
      case 'expired':
        throw new GatewayError('GW_SIGN_IN_EXPIRED', { reason: 'attempt_expired' })
    }
    if (attempt === null) throw new GatewayError('GW_INTERNAL', { detail: 'an attempt matched that is not there' })
    request.returnTo = attempt.returnTo
    // A code is good once, so none is spent while its session could not be kept: the same callback then works a moment later.
    if (answer.error === undefined) await store.check()
    // One attempt, one answer: whatever it is, the same callback is worth nothing the next time.
    attempts.forget(request, attempt.id)
    if (answer.error !== undefined) throw refusalOf(answer.error, answer.description)
    return signIn(visit, attempt, { ...answer, renewed: state.renewed })
  }

  async function signIn(
    { request, reply, reached }: Visit,
    attempt: LoginAttempt,
    answer: Answer & { readonly renewed: boolean },
  ): Promise<FastifyReply> {
    const { state, code } = answer
    if (state === undefined || code === undefined || !/^[\w.~-]{1,1024}$/.test(code)) {
      throw new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'code_malformed' })
    }
    const url = new URL(request.site.origin + parts.callback)
    url.search = new URLSearchParams({ code, state }).toString()
    const tokens = tokensOf(await cognito.exchange({ url, state, nonce: attempt.nonce, verifier: attempt.verifier }))
    reached('exchanged')
    const signedIn = await signedInBy(tokens, attempt.nonce, parts)
    const { person, identityProvider } = signedIn
    reached('verified', { sub: person.subject, email: person.email, identityProvider })
    if (revocations.coversSignIn(person))
      return askAnew(signedIn, { request, reply }, { attempt, answer, why: 'revoked' })
    if (isStale(attempt, person.authTime))
      return askAnew(signedIn, { request, reply }, { attempt, answer, why: 'sign_in_too_old' })
    const session = sessionOf(signedIn, store.newIds(), now())
    const to =
      request.site.pool === pool
        ? await keep(session, attempt, { request, reply })
        : await passOn(session, attempt, request)
    reached('session_set', { cookieBytes: sessionCookieBytes(request) })
    request.identity = person
    loopGuard.count(request, attempt.startedAt)
    journal.signedIn({ request, attempt }, session)
    return leave(reply, to)
  }

  /** A session that was there before ends, so that nothing of it survives. */
  async function keep(
    session: Session,
    { returnTo, visit }: LoginAttempt,
    { request, reply }: Omit<Visit, 'reached'>,
  ): Promise<string> {
    const { signedInSession, lapsedSession } = request
    const before = signedInSession ?? lapsedSession
    if (before !== null && before.person.subject !== session.person.subject) reply.header(...FORGET_PAGES)
    await app.beginSession(request, session)
    await app.endReplaced(request, signedInSession)
    return visit === undefined ? returnTo : `${parts.ownPrefix}${HANDOVER}?for=${visit}`
  }

  /** This host keeps the sessions of another pool. Where nobody waits for this one any more, who does begins anew. */
  async function passOn(session: Session, { returnTo, visit }: LoginAttempt, request: FastifyRequest): Promise<string> {
    const to = visit === undefined ? null : await browser.handover.deliver(session, visit, request)
    if (to === null && session.refreshToken !== undefined)
      void cognito.revoke(session.refreshToken).catch(() => undefined)
    return to ?? returnTo
  }

  /**
   * Cognito did not ask for the password, although everything that began when this person gave it was revoked since, or they were to give
   * it once more: its own session is ended, so that it does. Once: what it brings back then would be no other.
   */
  async function askAnew(
    { refreshToken }: SignedIn,
    { request, reply }: Omit<Visit, 'reached'>,
    { attempt, answer, why }: Stale,
  ): Promise<FastifyReply> {
    if (refreshToken !== undefined) void cognito.revoke(refreshToken).catch(() => undefined)
    if (answer.renewed) throw new GatewayError('GW_SIGN_IN_STALE', { reason: why })
    journal.left({ request, attempt }, 'sent_back')
    return leaveFirst(parts, attempts, { ...attempt, renewed: true }, { request, reply })
  }
}

/** One return from Cognito: its request, and how it says how far the sign-in came. */
interface Visit {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly reached: (stage: LoginStage, facts?: LoginFacts) => void
}

interface Progress {
  readonly attempt: Step['attempt']
  readonly stage: LoginStage
}

/** A sign-in that counts for nothing, because Cognito did not ask for the password. */
interface Stale {
  readonly attempt: LoginAttempt
  readonly answer: { readonly renewed: boolean }
  readonly why: 'revoked' | 'sign_in_too_old'
}

/** What a browser has to keep of the session that this answer sets: names and values. */
function sessionCookieBytes({ setCookies }: FastifyRequest): number {
  return [...setCookies]
    .filter(([name]) => name === ownCookies.session.name || name === ownCookies.sessionRest.name)
    .reduce((bytes, [, cookie]) => bytes + (cookie.split(';', 1)[0] ?? '').length, 0)
}
