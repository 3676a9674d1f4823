import { randomBytes } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Grant, Tokens } from '../../adapters/cognito-client.ts'
import type { Revocations } from '../../adapters/revocations.ts'
import type { SessionStore } from '../../adapters/session-store.ts'
import type { TokenVerifier } from '../../adapters/token-verifier.ts'
import { GatewayError, storeUnavailable, type ErrorCode } from '../../domain/errors.ts'
import { identityFromClaims, type Person } from '../../domain/identity.ts'
import { comebackOf, stateWithoutAttempt, type LoginAttempt, type LoginState } from '../../domain/login-attempt.ts'
import type { Session } from '../../domain/session.ts'
import type { Attempts } from './attempts.ts'
import { beginLogin, type BeginParts } from './begin.ts'
import { createLoopGuard } from './loop-guard.ts'

export interface CallbackParts extends BeginParts {
  readonly verifier: TokenVerifier
  readonly store: SessionStore
  readonly userPoolId: string
  readonly trustEmailFrom: readonly string[]
  readonly keepClaims: readonly string[]
  readonly revocations: Revocations
  /** Milliseconds that only go forward. */
  readonly ticks: () => number
}

/** Ends a sign-in: the answer of Cognito becomes a session and the person is back where they wanted to go, or a page says what happened. */
export function createCallback(app: FastifyInstance, parts: CallbackParts, attempts: Attempts) {
  const { cognito, states, verifier, store, revocations, metrics, now, pool } = parts
  const loopGuard = createLoopGuard(parts.ticks)

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    metrics.count('login_stages_total', { stage: 'came_back' })
    try {
      return await comeBack(request, reply)
    } catch (error) {
      const reason = error instanceof GatewayError ? (error.reason ?? error.code) : 'internal'
      metrics.count('logins_total', { pool, result: 'failed', reason })
      throw error
    }
  }

  async function comeBack(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
    const answer = readAnswer(request)
    const state = answer.state === undefined ? null : states.read(answer.state)
    if (answer.state === undefined || state === null || state.pool !== pool) throw withoutState(answer)
    request.returnTo = state.returnTo
    const attempt = attempts.find(request, state.id)
    const comeback = comebackOf({ state, attempt, signedIn: request.signedInSession !== null }, now())
    switch (comeback) {
      case 'attempt':
        break
      case 'signed-in':
        return leave(reply, state.returnTo)
      case 'restart':
        return beginLogin(
          parts,
          attempts,
          { page: 'sign-in', returnTo: state.returnTo, restarted: true, renewed: state.renewed },
          { request, reply },
        )
      case 'cookies-blocked':
        throw new GatewayError('GW_SIGN_IN_COOKIES_BLOCKED', { reason: 'cookie_blocked' })
      case 'expired':
        throw new GatewayError('GW_SIGN_IN_EXPIRED', { reason: 'attempt_expired' })
    }
    if (attempt === null) throw new GatewayError('GW_INTERNAL', { detail: 'an attempt matched that is not there' })
    request.returnTo = attempt.returnTo
    // Who was told that they are signed out must not be let in again; with the code unused, asking again helps.
    if (!revocations.known) throw storeUnavailable()
    // One attempt, one answer: whatever it is, the same callback is worth nothing the next time.
    attempts.forget(request, attempt.id)
    if (answer.error !== undefined) throw refusalOf(answer.error, answer.description)
    return signIn({ request, reply }, attempt, { state: answer.state, code: answer.code, renewed: state.renewed })
  }

  async function signIn(
    { request, reply }: { request: FastifyRequest; reply: FastifyReply },
    attempt: LoginAttempt,
    answer: { readonly state: string; readonly code: string | undefined; readonly renewed: boolean },
  ): Promise<FastifyReply> {
    if (answer.code === undefined || !/^[\w.~-]{1,1024}$/.test(answer.code)) {
      throw new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'code_malformed' })
    }
    const url = new URL(parts.callbackUrl)
    url.search = new URLSearchParams({ code: answer.code, state: answer.state }).toString()
    const tokens = tokensOf(
      await cognito.exchange({ url, state: answer.state, nonce: attempt.nonce, verifier: attempt.verifier }),
    )
    metrics.count('login_stages_total', { stage: 'exchanged' })
    const { person, expiresAt, originJti } = await personIn(tokens, attempt.nonce)
    metrics.count('login_stages_total', { stage: 'verified' })
    if (revocations.coversSignIn(person)) return askAnew(reply, { attempt, tokens, renewed: answer.renewed })
    const hadSession = request.signedInSession !== null
    const session = { person, accessExpiresAt: expiresAt, originJti, refreshToken: tokens.refreshToken }
    const { id } = await replaceSession(request, session)
    metrics.count('login_stages_total', { stage: 'session_set' })
    metrics.count('logins_total', { pool, result: 'signed_in', reason: '' })
    parts.log.info({ event: 'signed_in', requestId: request.id, pool, session: id }, 'signed in')
    metrics.observe('login_duration_seconds', (now() - attempt.startedAt) / 1000, {})
    request.identity = person
    if (!hadSession && loopGuard.isFruitless(person.subject, attempt.returnTo)) {
      throw new GatewayError('GW_SIGN_IN_COOKIES_BLOCKED', { reason: 'cookie_blocked' })
    }
    return leave(reply, attempt.returnTo)
  }

  /** Both tokens are verified here, whatever the library did: it trusts the connection for the ID token's signature. */
  async function personIn(
    tokens: Tokens,
    nonce: string,
  ): Promise<{ readonly person: Person; readonly expiresAt: number; readonly originJti: string | undefined }> {
    const { accessToken, idToken } = tokens
    if (idToken === undefined)
      throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { detail: 'no ID token came', reason: 'token_exchange' })
    const { access, id } = await verifier.verifyGrant({ accessToken, idToken })
    if (id['nonce'] !== nonce) throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { reason: 'nonce' })
    const { userPoolId, trustEmailFrom, keepClaims } = parts
    const identity = identityFromClaims({ pool, userPoolId, access, id, trustEmailFrom, keepClaims })
    if (identity?.kind !== 'person') throw new GatewayError('GW_SIGN_IN_TOKENS_INVALID', { reason: 'token_exchange' })
    const { exp, origin_jti: originJti } = access
    return {
      person: identity,
      expiresAt: Number(exp) * 1000,
      originJti: typeof originJti === 'string' ? originJti : undefined,
    }
  }

  /**
   * Everything that began when this person gave their password was revoked since, and Cognito did not ask for it again: its own session is
   * ended, so that it does. Once: what it brings back then would be no other.
   */
  async function askAnew(
    reply: FastifyReply,
    { attempt, tokens, renewed }: { attempt: LoginAttempt; tokens: Tokens; renewed: boolean },
  ): Promise<FastifyReply> {
    if (tokens.refreshToken !== undefined) void cognito.revoke(tokens.refreshToken).catch(() => undefined)
    if (renewed) throw new GatewayError('GW_SIGN_IN_STALE', { reason: 'revoked' })
    metrics.count('logins_total', { pool, result: 'sent_back', reason: 'revoked' })
    const { returnTo } = attempt
    const state = states.write(stateWithoutAttempt({ pool, returnTo, startedAt: now(), renewed: true }))
    const url = await cognito.switchUrl({ redirectUri: parts.callbackUrl, state })
    return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(url, 303)
  }

  /** A new id at each sign-in; a session that was there before ends, so that nothing of it survives. */
  async function replaceSession(
    request: FastifyRequest,
    tokens: Pick<Session, 'person' | 'accessExpiresAt' | 'originJti' | 'refreshToken'>,
  ): Promise<Session> {
    const before = request.signedInSession
    const startedAt = now()
    const session: Session = {
      id: randomBytes(16).toString('base64url'),
      ...tokens,
      startedAt,
      seenAt: startedAt,
      claimsAt: startedAt,
    }
    await app.keepSession(request, session)
    if (before === null) return session
    await store.end(before)
    metrics.count('sessions_ended_total', { reason: 'replaced' })
    if (before.refreshToken !== undefined) void cognito.revoke(before.refreshToken).catch(() => undefined)
    return session
  }
}

interface Answer {
  readonly state: string | undefined
  readonly code: string | undefined
  readonly error: string | undefined
  readonly description: string | undefined
}

/** The parameters of the callback, each at most once: which of two would count is a question that nobody should have to ask. */
function readAnswer(request: FastifyRequest): Answer {
  const query = new URLSearchParams(request.target?.query ?? '')
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

/** 303, so that the address with the code is gone from the history, and no page that follows learns it as its referrer. */
function leave(reply: FastifyReply, to: LoginState['returnTo']): FastifyReply {
  return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(to, 303)
}
