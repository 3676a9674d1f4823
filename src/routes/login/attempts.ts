import type { FastifyInstance, FastifyRequest } from 'fastify'
import { MAX_ATTEMPTS, type LoginAttempt } from '../../domain/login-attempt.ts'
import { expiredCookie, ownCookie, ownCookies } from '../../domain/own-cookies.ts'
import { parseReturnTo, type ReturnToSelf } from '../../domain/return-to.ts'

const PREFIX = ownCookies.attempt.name

/** The sign-ins that a browser has under way: one sealed cookie each, so that tabs do not get into each other's way. */
export interface Attempts {
  find(request: FastifyRequest, id: string): LoginAttempt | null
  /** Keeps a new attempt; of too many, the oldest go. */
  add(request: FastifyRequest, attempt: LoginAttempt): void
  forget(request: FastifyRequest, id: string): void
  /** Of all that the browser has under way. */
  ids(request: FastifyRequest): readonly string[]
}

/** `app` is the scope in which secure-session is registered as `loginAttempt`: it seals, we name the cookies. */
export function createAttempts(app: FastifyInstance, self: ReturnToSelf): Attempts {
  function open(text: string): LoginAttempt | null {
    const data: unknown = app.decodeSecureSession(text, undefined, 'loginAttempt')?.get('attempt')
    if (typeof data !== 'object' || data === null) return null
    const { id, secret, nonce, verifier, returnTo, startedAt, afresh, visit } = Object.fromEntries(
      Object.entries(data),
    ) as Record<string, unknown>
    const texts = [id, secret, nonce, verifier, returnTo]
    if (!texts.every((text) => typeof text === 'string') || typeof startedAt !== 'number') return null
    return {
      id: String(id),
      secret: String(secret),
      nonce: String(nonce),
      verifier: String(verifier),
      returnTo: parseReturnTo(String(returnTo), self, null),
      startedAt,
      afresh: afresh === true,
      visit: typeof visit === 'string' ? visit : undefined,
    }
  }

  function all(request: FastifyRequest): readonly { readonly name: string; readonly attempt: LoginAttempt | null }[] {
    return Object.entries(request.cookies)
      .filter(([name]) => name.startsWith(PREFIX))
      .map(([name, value]) => {
        const attempt = open(value ?? '')
        // The seal does not cover the cookie's name, so the record carries it.
        return { name, attempt: name === PREFIX + (attempt?.id ?? '') ? attempt : null }
      })
  }

  function drop(request: FastifyRequest, name: string): void {
    request.setCookies.set(name, expiredCookie(name))
  }

  return {
    ids: (request) => all(request).flatMap(({ attempt }) => (attempt === null ? [] : [attempt.id])),
    find: (request, id) => all(request).find(({ attempt }) => attempt?.id === id)?.attempt ?? null,
    add(request, attempt) {
      const known = all(request)
      const byAge = known.toSorted((a, b) => (b.attempt?.startedAt ?? 0) - (a.attempt?.startedAt ?? 0))
      for (const { name } of byAge.slice(MAX_ATTEMPTS - 1)) drop(request, name)
      const text = encodeURIComponent(app.encodeSecureSession(app.createSecureSession({ attempt }), 'loginAttempt'))
      const name = PREFIX + attempt.id
      request.setCookies.set(name, ownCookie(name, text, ownCookies.attempt.lives))
    },
    forget(request, id) {
      if (request.cookies[PREFIX + id] !== undefined) drop(request, PREFIX + id)
    },
  }
}
