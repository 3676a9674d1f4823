import type { AccessRule } from './access.ts'
import { GatewayError } from './errors.ts'

/** An address that the gateway answers itself. */
export interface OwnEndpoint {
  readonly methods: readonly string[]
  readonly access: AccessRule
  /** Whatever the Host header says. */
  readonly onAnyHost: boolean
}

export interface OwnPaths {
  readonly prefix: string
  readonly ping: string
  /** Of each user pool. */
  readonly callbacks: readonly string[]
}

const forAnybody: OwnEndpoint = { methods: ['GET'], access: 'public', onAnyHost: false }
const PING: OwnEndpoint = { ...forAnybody, methods: ['GET', 'HEAD'], onAnyHost: true }

/** By name below the prefix; a test compares them with what the routes are registered for. */
const ENDPOINTS = {
  start: forAnybody,
  sign_up: forAnybody,
  forgot_password: forAnybody,
  sign_in: forAnybody,
  sign_out: { ...forAnybody, methods: ['GET', 'POST'] },
  signed_out: forAnybody,
  userinfo: { ...forAnybody, access: 'signedIn' },
  diagnose: forAnybody,
  handover: { ...forAnybody, access: 'optional' },
  resume: { methods: ['GET', 'POST'], access: 'signedIn', onAnyHost: false },
  'keep.js': forAnybody,
  'jwks.json': forAnybody,
} as const satisfies Readonly<Record<string, OwnEndpoint>>

/** Below this one everything of one more segment may be a key; asked for in another way than to read it, there is nothing. */
const KEYS = 'keys'

/** Names below the prefix that no other address can have; `auth` is the one that proxies ask, on a port of its own. */
export const OWN_NAMES: readonly string[] = [...Object.keys(ENDPOINTS), KEYS, 'auth']

/** What there is at a path, as it was sent, at least for one method; null where there is nothing. */
export type OwnEndpointAt = (rawPath: string, method: string) => OwnEndpoint | null

/** Why no own endpoint took a request for a path that takes these methods. */
export function nothingAt(methods: readonly string[]): GatewayError {
  return methods.length === 0
    ? new GatewayError('GW_ROUTE_UNKNOWN', { reason: 'no_rule' })
    : new GatewayError('GW_METHOD_NOT_ALLOWED', { reason: 'method', headers: { allow: methods.join(', ') } })
}

export function ownEndpoints({ prefix, ping, callbacks }: OwnPaths): OwnEndpointAt {
  const endpoints = new Map<string, OwnEndpoint>([
    ...Object.entries(ENDPOINTS).map(([name, endpoint]) => [`${prefix}/${name}`, endpoint] as const),
    ...callbacks.map((path) => [path, forAnybody] as const),
    [ping, PING],
  ])
  const keys = `${prefix}/${KEYS}/`
  const isKey = (path: string): boolean => path.startsWith(keys) && /^[^/%]+$/.test(path.slice(keys.length))
  return (rawPath, method) => endpoints.get(rawPath) ?? (method === 'GET' && isKey(rawPath) ? forAnybody : null)
}
