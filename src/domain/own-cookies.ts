import { ATTEMPT_LIFE_MS } from './login-attempt.ts'
import { nameAndValue } from './set-cookie.ts'

interface OwnCookieKind {
  /** With a dash at its end the beginning of names: there may be several. */
  readonly name: string
  /** Seconds, or a sentence where settings or applications say it. */
  readonly lives: number | string
  readonly holds: string
}

/** Every cookie that the gateway sets. */
export const ownCookies = {
  session: {
    name: '__Host-gateway',
    lives: '`session.maxAgeSeconds` and a day',
    holds: 'the session, sealed; with `store: redis` the key to it',
  },
  sessionRest: {
    name: '__Host-gateway.1',
    lives: 'as long',
    holds: 'the rest of a session that is too large for one cookie',
  },
  attempt: {
    name: '__Host-gateway-login-',
    lives: ATTEMPT_LIFE_MS / 1000,
    holds: 'one sign-in that is under way, sealed; five at most',
  },
  rounds: {
    name: '__Host-gateway-rounds',
    lives: 60,
    holds: 'when the last three sign-ins ended, to notice who is sent in a circle',
  },
  switch: {
    name: '__Host-gateway-switch',
    // As long as Cognito's own session.
    lives: 3_600,
    holds: "that the next sign-in ends Cognito's own session first, so that somebody else can sign in",
  },
  left: {
    name: '__Host-gateway-left',
    lives: 600,
    holds: 'the host on which a sign-out began, so that whoever signs in again gets back there',
  },
  bound: {
    name: '__Host-gateway-bound-',
    lives: 'as the cookie of the application',
    holds: "whose an application's cookie is, sealed; one for each that `bindCookies` names",
  },
} as const satisfies Readonly<Record<string, OwnCookieKind>>

/** What every cookie of ours is set and deleted with: the `__Host-` prefix demands the very attributes. */
const ATTRIBUTES = 'Path=/; Secure; HttpOnly; SameSite=Lax'

/** The `Set-Cookie` value of a cookie of ours; without `maxAgeSeconds` it lives as long as the browser runs. */
export function ownCookie(name: string, value: string, maxAgeSeconds?: number): string {
  return `${name}=${value}; ${maxAgeSeconds === undefined ? '' : `Max-Age=${maxAgeSeconds}; `}${ATTRIBUTES}`
}

/** The `Set-Cookie` value that deletes a cookie of ours. */
export function expiredCookie(name: string): string {
  return ownCookie(name, '', 0)
}

export function hasCookie(header: string | undefined, name: string): boolean {
  return cookieIn(header, name) !== null
}

/** The first value of that name. */
export function cookieIn(header: string | undefined, name: string): string | null {
  const found = header?.split(';').find((pair) => pair.trim().startsWith(`${name}=`))
  return found === undefined ? null : nameAndValue(found).value
}

/** Where a session has ended and Cognito's own has not: the next sign-in ends that first, or it would be the same person, unasked. */
export const SWITCH_COOKIE = ownCookies.switch.name

export function switchCookie(): string {
  return ownCookie(SWITCH_COOKIE, '1', ownCookies.switch.lives)
}

/** The host that somebody signed out on, where Cognito sends people back to another; read only against the hosts that are served. */
export const LEFT_COOKIE = ownCookies.left.name

export function leftCookie(host: string): string {
  return ownCookie(LEFT_COOKIE, host, ownCookies.left.lives)
}
