import type { IncomingHttpHeaders } from 'node:http'

/** What a route says of scripts of other origins. */
export interface CorsRule {
  /** Compared letter for letter; `null` is no origin. */
  readonly allowedOrigins: readonly string[]
  readonly cors: { readonly preflight: 'refuse' | 'answer' | 'application'; readonly credentials: boolean }
}

type HeaderPairs = readonly (readonly [name: string, value: string])[]

/** Headers of an application's answers that the gateway writes where it answers preflights. */
export const OWN_CORS_HEADERS = ['access-control-allow-origin', 'access-control-allow-credentials'] as const

const METHOD = /^[A-Z][A-Z-]{0,30}$/
const HEADER_LIST = /^[\w!#$%&'*+.^`|~-]+(?:\s*,\s*[\w!#$%&'*+.^`|~-]+)*$/
const MAX_HEADER_LIST = 2_048
const KEPT_SECONDS = 600

/**
 * The method that a preflight asks for; null for a request that is none. Browsers send none with a body or with anything that tells who
 * somebody is: what comes with those is a request like any other.
 */
export function preflightMethod(method: string | undefined, headers: IncomingHttpHeaders): string | null {
  const asked = headers['access-control-request-method']
  if (method !== 'OPTIONS' || asked === undefined || headers.origin === undefined) return null
  if (headers.cookie !== undefined || headers.authorization !== undefined || headers.upgrade !== undefined) return null
  if (headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0') return null
  return METHOD.test(asked) ? asked : null
}

export function isAllowedOrigin(origin: string | undefined, { allowedOrigins }: CorsRule): boolean {
  return origin !== undefined && allowedOrigins.includes(origin)
}

/** What lets a script of another origin read an answer; one that depends on the origin says so to caches, whoever asks. */
export function corsHeaders(origin: string | undefined, rule: CorsRule): HeaderPairs {
  if (rule.cors.preflight === 'refuse') return []
  return [['vary', 'Origin'], ...allowing(origin, rule)]
}

/** The gateway's own answer to a preflight of an allowed origin. What is asked for is repeated in its strict form only. */
export function preflightHeaders(headers: IncomingHttpHeaders, rule: CorsRule): HeaderPairs {
  const method = preflightMethod('OPTIONS', headers)
  const names = headers['access-control-request-headers']
  const soundNames = typeof names === 'string' && names.length <= MAX_HEADER_LIST && HEADER_LIST.test(names)
  return [
    ['vary', 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers'],
    ...allowing(headers.origin, rule),
    ['access-control-max-age', String(KEPT_SECONDS)],
    ...(method === null ? [] : ([['access-control-allow-methods', method]] as const)),
    ...(soundNames ? ([['access-control-allow-headers', names]] as const) : []),
  ]
}

function allowing(origin: string | undefined, rule: CorsRule): HeaderPairs {
  if (origin === undefined || !isAllowedOrigin(origin, rule)) return []
  return [
    ['access-control-allow-origin', origin],
    ...(rule.cors.credentials ? ([['access-control-allow-credentials', 'true']] as const) : []),
  ]
}
