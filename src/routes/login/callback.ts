import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Grant, Tokens } from '../../adapters/cognito-client.ts'
import type { Revocations } from '../../adapters/revocations.ts'
import type { SessionStore } from '../../adapters/session-store.ts'
import type { TokenVerifier } from '../../adapters/token-verifier.ts'
import { FORGET_PAGES } from '../../domain/answer-headers.ts'
import { GatewayError, type ErrorCode } from '../../domain/errors.ts'
import { identityFromClaims, type Person } from '../../domain/identity.ts'
import { comebackOf, isStale, type LoginAttempt, type LoginState } from '../../domain/login-attempt.ts'
import type { LoginFacts, LoginStage } from '../../domain/login-record.ts'
import { tokensToKeep, type KeptTokens, type Session } from '../../domain/session.ts'
import type { Attempts } from './attempts.ts'
import { beginLogin, HANDOVER, leave, leaveFirst, type BeginParts } from './begin.ts'
import type { Handover } from './handover.ts'
import type { Step } from './journal.ts'
import type { LoopGuard } from './loop-guard.ts'

const MAX_NAME = 128

export interface CallbackParts extends BeginParts {
  readonly verifier: TokenVerifier
  readonly store: SessionStore
  readonly userPoolId: string
  readonly trustEmailFrom: readonly string[]
  readonly keepClaims: readonly string[]
  readonly keepTokens: KeptTokens
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
  const { cognito, states, verifier, store, revocations, journal, now, pool } = parts

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
    const signedIn = await personIn(tokens, attempt.nonce)
    const { person, identityProvider } = signedIn
    reached('verified', { sub: person.subject, email: person.email, identityProvider })
    if (revocations.coversSignIn(person))
      return askAnew(signedIn, { request, reply }, { attempt, answer, why: 'revoked' })
    if (isStale(attempt, person.authTime))
      return askAnew(signedIn, { request, reply }, { attempt, answer, why: 'sign_in_too_old' })
    const session = sessionOf(signedIn)
    const to =
      request.site.pool === pool
        ? await keep(session, attempt, { request, reply })
        : await passOn(session, attempt, request)
    reached('session_set', { cookieBytes: sessionCookieBytes(request) })
    request.identity = person
    loopGuard.count(request, attempt.startedAt)
    journal.signedIn({ request, attempt }, session.id)
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

  /** Both tokens are verified here, whatever the library did: it trusts the connection for the ID token's signature. */
  async function personIn(tokens: Tokens, nonce: string): Promise<SignedIn> {
    const { accessToken, idToken } = tokens
    if (idToken === undefined)
      throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { detail: 'no ID token came', reason: 'token_exchange' })
    const { access, id } = await verifier.verifyGrant({ accessToken, idToken })
    if (id['nonce'] !== nonce) throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { reason: 'nonce' })
    const { userPoolId, trustEmailFrom, keepClaims } = parts
    const identity = identityFromClaims({ pool, userPoolId, access, id, trustEmailFrom, keepClaims })
    if (identity?.kind !== 'person') throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { reason: 'token_exchange' })
    return {
      person: identity,
      expiresAt: Number(access['exp']) * 1000,
      originJti: typeof access['origin_jti'] === 'string' ? access['origin_jti'] : undefined,
      refreshToken: tokens.refreshToken,
      tokens: tokensToKeep({ accessToken, idToken }, parts.keepTokens),
      identityProvider: providerIn(id),
    }
  }

  /** With a new id at each sign-in. */
  function sessionOf({ person, expiresAt, originJti, refreshToken, tokens }: SignedIn): Session {
    const startedAt = now()
    return {
      ...store.newIds(),
      originJti,
      person,
      startedAt,
      seenAt: startedAt,
      claimsAt: startedAt,
      accessExpiresAt: expiresAt,
      refreshToken,
      ...tokens,
    }
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

interface SignedIn {
  readonly person: Person
  readonly expiresAt: number
  readonly originJti: string | undefined
  readonly refreshToken: string | undefined
  readonly tokens: Pick<Session, 'accessToken' | 'idToken'>
  readonly identityProvider: string
}

interface Answer {
  readonly state: string | undefined
  readonly code: string | undefined
  readonly error: string | undefined
  readonly description: string | undefined
}

/** The parameters of the callback, each at most once: which of two would count is a question that nobody should have to ask. */
function readAnswer(query: URLSearchParams): Answer {
  const one = (name: string): string | undefined => {
    const values = query.getAll(name)
    if (values.length > 1) throw new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'duplicate_parameter' })
    return values[0] === '' ? undefined : values[0]
  }
  if (query.has('id_token') || query.has('access_token'))
    throw new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'token_in_query' })
  return { state: one('state'), code: one('code'), error: one('error'), description: one('error_description') }
}

/** Cognito leaves the state out of some errors: they still get their page, and never another round. */
function withoutState({ state, error, description }: Answer): GatewayError {
  if (state === undefined && error !== undefined) return refusalOf(error, description)
  return new GatewayError('GW_SIGN_IN_STATE_INVALID', {
    reason: state === undefined ? 'state_missing' : 'state_mismatch',
  })
}

// Cognito says most things as `invalid_request` and the rest in the description, of which only known words are looked for.
const BY_ERROR: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  access_denied: ['GW_SIGN_IN_CANCELLED', 'user_denied'],
  unauthorized_client: ['GW_SIGN_IN_MISCONFIGURED', 'client_unknown'],
  invalid_scope: ['GW_SIGN_IN_MISCONFIGURED', 'scope_missing'],
}

function refusalOf(error: string, description: string | undefined): GatewayError {
  const scope = error === 'invalid_request' && description === 'invalid_scope'
  const known = Object.hasOwn(BY_ERROR, error) ? BY_ERROR[error] : undefined
  const [code, reason] = scope
    ? (['GW_SIGN_IN_MISCONFIGURED', 'scope_missing'] as const)
    : (known ?? ['GW_SIGN_IN_REFUSED', 'idp_error'])
  // For the log only: what a page shows never comes from the query.
  return new GatewayError(code, { reason, detail: `${error.slice(0, 64)}: ${(description ?? '').slice(0, 256)}` })
}

/** Who let the person in: Cognito itself, or the identity provider that its ID token names. */
function providerIn({ identities }: Readonly<Record<string, unknown>>): string {
  const [first]: unknown[] = Array.isArray(identities) ? identities : []
  const name = typeof first === 'object' && first !== null && 'providerName' in first ? first.providerName : undefined
  return typeof name === 'string' ? name.slice(0, MAX_NAME) : 'COGNITO'
}

/** What a browser has to keep of the session that this answer sets: names and values. */
function sessionCookieBytes({ setCookies }: FastifyRequest): number {
  return [...setCookies]
    .filter(([name]) => !name.startsWith('__Host-gateway-'))
    .reduce((bytes, [, cookie]) => bytes + (cookie.split(';', 1)[0] ?? '').length, 0)
}

function tokensOf(grant: Grant): Tokens {
  switch (grant.kind) {
    case 'tokens':
      return grant.tokens
    case 'rejected':
      throw new GatewayError('GW_SIGN_IN_REFUSED', { detail: grant.error, reason: 'token_exchange' })
    case 'misconfigured':
      throw new GatewayError('GW_SIGN_IN_MISCONFIGURED', { detail: grant.error, reason: 'token_exchange' })
  }
}
