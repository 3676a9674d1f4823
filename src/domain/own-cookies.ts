import { nameAndValue } from './set-cookie.ts'

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
export const SWITCH_COOKIE = '__Host-gateway-switch'
/** Cognito's own session lasts an hour. */
const SWITCH_SECONDS = 3_600

export function switchCookie(): string {
  return ownCookie(SWITCH_COOKIE, '1', SWITCH_SECONDS)
}

/** The host that somebody signed out on, where Cognito sends people back to another; read only against the hosts that are served. */
export const LEFT_COOKIE = '__Host-gateway-left'
const LEFT_SECONDS = 600

export function leftCookie(host: string): string {
  return ownCookie(LEFT_COOKIE, host, LEFT_SECONDS)
}
