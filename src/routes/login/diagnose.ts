import type { FastifyReply, FastifyRequest } from 'fastify'
import { findCookies } from '../../domain/cookie-findings.ts'
import type { LoginQuery, LoginRecord } from '../../domain/login-record.ts'
import { freshness, type SessionLimits } from '../../domain/session.ts'
import { diagnosePage, type SessionState } from '../../pages/diagnose-page.ts'
import type { Attempts } from './attempts.ts'
import type { SignInLimits } from './sign-in-limits.ts'

export interface DiagnoseParts {
  readonly findLogins: (query: LoginQuery) => Promise<readonly LoginRecord[]>
  readonly attempts: Attempts
  readonly limits: SignInLimits
  readonly sessionLimits: SessionLimits
  readonly maxHeaderBytes: number
  readonly version: string
  /** The address of our script. */
  readonly script: string
  readonly signInHref: string
  readonly now: () => number
}

const ATTEMPT = /^[\w-]{8}$/

/** For a person who cannot sign in, to be read to whoever helps: what the gateway sees of this browser, and no value of anything. */
export function createDiagnose(parts: DiagnoseParts) {
  const { attempts, limits, now } = parts

  /** Sign-ins of which this browser holds the cookie, and the one that a page of ours led here from. */
  async function loginsOf(request: FastifyRequest): Promise<readonly LoginRecord[]> {
    const asked = new URLSearchParams(request.target?.query ?? '').get('attempt') ?? ''
    const known = new Set([...attempts.ids(request), ...(ATTEMPT.test(asked) ? [asked] : [])])
    // Several workers are asked for each.
    if (known.size > 0) limits.guess(request)
    const found = await Promise.all([...known].map(async (attempt) => parts.findLogins({ attempt })))
    return found.flat().toSorted((one, other) => other.startedAt - one.startedAt)
  }

  function sessionOf({ signedInSession, lapsedSession, outcome }: FastifyRequest): SessionState {
    if (signedInSession === null) {
      if (lapsedSession !== null) return { kind: 'over' }
      return { kind: outcome.reason === null ? 'none' : 'unreadable' }
    }
    const state = freshness(signedInSession, parts.sessionLimits, now())
    if (state === 'aged' || state === 'idle') return { kind: 'over' }
    const { startedAt, seenAt } = signedInSession
    const endsAt = startedAt + parts.sessionLimits.maxAgeSeconds * 1000
    return {
      kind: 'signed-in',
      endsAt,
      idleAt: Math.min(endsAt, seenAt + parts.sessionLimits.idleTimeoutSeconds * 1000),
    }
  }

  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { rawHeaders } = request.raw
    const html = diagnosePage({
      reference: request.id,
      now: now(),
      cookies: findCookies(
        rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === 'cookie'),
      ),
      maxHeaderBytes: parts.maxHeaderBytes,
      session: sessionOf(request),
      logins: await loginsOf(request),
      version: parts.version,
      signInHref: parts.signInHref,
      script: parts.script,
    })
    return reply.sendPage(html)
  }
}
