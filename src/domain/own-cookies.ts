import { nameAndValue } from './set-cookie.ts'

interface OwnCookieKind {
  /** With a dash at its end the beginning of names: there may be several. */
  readonly name: string
  readonly lives: string
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
    lives: '10 minutes',
    holds: 'one sign-in that is under way, sealed; five at most',
  },
  rounds: {
    name: '__Host-gateway-rounds',
    lives: '1 minute',
    holds: 'when the last three sign-ins ended, to notice who is sent in a circle',
  },
  switch: {
    name: '__Host-gateway-switch',
    lives: '1 hour',
    holds: "that the next sign-in ends Cognito's own session first, so that somebody else can sign in",
  },
  left: {
    name: '__Host-gateway-left',
    lives: '10 minutes',
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
/** Cognito's own session lasts an hour. */
const SWITCH_SECONDS = 3_600

export function switchCookie(): string {
  return ownCookie(SWITCH_COOKIE, '1', SWITCH_SECONDS)
}

/** The host that somebody signed out on, where Cognito sends people back to another; read only against the hosts that are served. */
export const LEFT_COOKIE = ownCookies.left.name
const LEFT_SECONDS = 600

export function leftCookie(host: string): string {
  return ownCookie(LEFT_COOKIE, host, LEFT_SECONDS)
}
