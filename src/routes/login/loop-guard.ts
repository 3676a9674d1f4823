import type { FastifyRequest } from 'fastify'
import { expiredCookie, ownCookie, ownCookies } from '../../domain/own-cookies.ts'
import { nameAndValue } from '../../domain/set-cookie.ts'

const COOKIE = ownCookies.rounds.name
const WINDOW_SECONDS = ownCookies.rounds.lives
const MAX_ROUNDS = 3

/**
 * Notices a browser that is sent to sign in again and again, whatever the reason: an application that sends it back, replicas with other
 * keys, sessions that end at once. Counted in the browser itself, in clear: every replica sees the count, and nobody else's counts.
 */
export interface LoopGuard {
  /** Writes down a sign-in that has ended well. */
  count(request: FastifyRequest, beganAt: number): void
  /** Whether the three sign-ins of the last minute were all in vain, because here comes the next. Forgets them: a click begins anew. */
  isLoop(request: FastifyRequest): boolean
}

export function createLoopGuard(now: () => number): LoopGuard {
  function roundsOf(request: FastifyRequest): readonly number[] {
    for (const pair of (request.raw.headers.cookie ?? '').split(';')) {
      const { name, value } = nameAndValue(pair)
      if (name !== COOKIE || !/^\d{13}(?:\.\d{13}){0,2}$/.test(value)) continue
      return value
        .split('.')
        .map(Number)
        .filter((time) => time > now() - WINDOW_SECONDS * 1000)
    }
    return []
  }

  return {
    count(request, beganAt) {
      const rounds = roundsOf(request)
      // Tabs that were at the sign-in page together come back one after the other: no round goes on after another.
      if (beganAt < (rounds.at(-1) ?? 0)) return
      const text = [...rounds, now()].slice(-MAX_ROUNDS).join('.')
      request.setCookies.set(COOKIE, ownCookie(COOKIE, text, WINDOW_SECONDS))
    },
    isLoop(request) {
      if (roundsOf(request).length < MAX_ROUNDS) return false
      request.setCookies.set(COOKIE, expiredCookie(COOKIE))
      return true
    },
  }
}
