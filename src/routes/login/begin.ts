import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { CognitoClient, CognitoPage } from '../../adapters/cognito-client.ts'
import type { LoginStates } from '../../adapters/login-states.ts'
import { FORGET_PAGES } from '../../domain/answer-headers.ts'
import { expiredCookie, SWITCH_COOKIE } from '../../domain/own-cookies.ts'
import type { SafePath } from '../../domain/return-to.ts'
import type { Attempts } from './attempts.ts'
import type { Journal } from './journal.ts'
import type { SignInLimits } from './sign-in-limits.ts'

/** Where sessions are handed over: given on the host where people sign in, taken on any other. */
export const HANDOVER = '/handover'

export interface BeginParts {
  readonly cognito: CognitoClient
  readonly states: LoginStates
  readonly journal: Journal
  readonly limits: SignInLimits
  readonly now: () => number
  readonly pool: string
  /** The path of the pool's registered callback; its origin is that of the site, which is never made of a Host header. */
  readonly callback: string
}

export interface Beginning {
  readonly page: CognitoPage
  readonly returnTo: SafePath
  /** The state of the attempt on another host for which this one is begun. */
  readonly visit?: string | undefined
  readonly identityProvider?: string | undefined
  readonly loginHint?: string | undefined
  /** The sign-in that this one is begun in place of, because its attempt was gone when it came back. */
  readonly insteadOf?: string
  /** Cognito's own session was ended for it. */
  readonly renewed?: boolean
  /** The person has to give their password, whoever Cognito knows. */
  readonly afresh?: boolean
}

interface Leaving {
  readonly returnTo: SafePath
  /** Of the sign-in for which that is done, where there is one. */
  readonly id?: string
  /** What came back was revoked or too old, and would be again. */
  readonly renewed?: boolean
  readonly afresh?: boolean
  /** The state of the attempt on another host for which that is done. */
  readonly visit?: string | undefined
}

interface Visit {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** Begins a sign-in: keeps its secrets in the browser, sealed, and sends the person to Cognito. GW_TOO_MANY_REQUESTS where one address begins too many. */
export async function beginLogin(
  parts: BeginParts,
  attempts: Attempts,
  beginning: Beginning,
  { request, reply }: Visit,
): Promise<FastifyReply> {
  parts.limits.begin(request)
  const { cognito, states, journal, now, pool, callback } = parts
  const { host, origin } = request.site
  const startedAt = now()
  const attempt = {
    id: random(6),
    secret: random(16),
    nonce: random(32),
    verifier: random(32),
    returnTo: beginning.returnTo,
    startedAt,
    visit: beginning.visit,
    afresh: beginning.afresh === true,
  }
  const { insteadOf, renewed = false } = beginning
  const state = states.write({ ...attempt, pool, host, restarted: insteadOf !== undefined, renewed })
  const step = { request, attempt }
  const facts = { identityProvider: beginning.identityProvider, insteadOf }
  try {
    const url = await cognito.pageUrl(beginning.page, {
      redirectUri: origin + callback,
      state,
      nonce: attempt.nonce,
      verifier: attempt.verifier,
      identityProvider: beginning.identityProvider,
      loginHint: beginning.loginHint,
      // Cognito's own session was ended a moment ago: who it knows now has just given their password.
      afresh: attempt.afresh && !renewed,
    })
    attempts.add(request, attempt)
    journal.reached(step, 'started', facts)
    return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(url, 302)
  } catch (error) {
    journal.failed(step, 'started', error)
    throw error
  }
}

/**
 * Ends Cognito's own session before a sign-in. Cognito then shows its sign-in page and comes back with a code for which there is no attempt
 * here: the callback begins a sign-in of its own. Not relying on nonce and PKCE surviving `/logout` costs one redirect.
 */
export async function leaveFirst(
  { cognito, states, now, pool, callback }: BeginParts,
  attempts: Attempts,
  { id = random(6), returnTo, renewed = false, afresh = false, visit }: Leaving,
  { request, reply }: Visit,
): Promise<FastifyReply> {
  const { host, origin } = request.site
  // No attempt that anything could come back to, but the next one is to know for whom it is.
  const proofs = { secret: random(16), nonce: '', verifier: '' }
  if (visit !== undefined) attempts.add(request, { ...proofs, id, returnTo, startedAt: now(), afresh, visit })
  const flags = { restarted: false, renewed, afresh }
  const state = states.write({ id, secret: '', pool, host, returnTo, startedAt: now(), ...flags })
  const url = await cognito.switchUrl({ redirectUri: origin + callback, state })
  request.setCookies.set(SWITCH_COOKIE, expiredCookie(SWITCH_COOKIE))
  return reply
    .header(...FORGET_PAGES)
    .header('cache-control', 'no-store')
    .redirect(url, 302)
}

export function random(bytes: number): string {
  return randomBytes(bytes).toString('base64url')
}

/** 303, so that the address with the code is gone from the history, and no page that follows learns it as its referrer. */
export function leave(reply: FastifyReply, to: string): FastifyReply {
  return reply.header('cache-control', 'no-store').header('referrer-policy', 'no-referrer').redirect(to, 303)
}
