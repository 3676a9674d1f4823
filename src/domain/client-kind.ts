import type { IncomingHttpHeaders } from 'node:http'

/** Who reads the answer: a person in a window, a person in a frame, or a program. */
export type ClientKind = 'page' | 'frame' | 'program'

const FRAMES = new Set(['iframe', 'frame', 'embed', 'object', 'fencedframe'])

/** Browsers say what a request is for (Fetch Metadata); of older clients the `Accept` header tells, if it prefers HTML. */
export function clientKind(headers: IncomingHttpHeaders): ClientKind {
  if (isUpgrade(headers) || isPrefetch(headers)) return 'program'
  const destination = headers['sec-fetch-dest']
  if (typeof destination === 'string') {
    if (FRAMES.has(destination)) return 'frame'
    return destination === 'document' ? 'page' : 'program'
  }
  if (headers['sec-fetch-mode'] !== undefined || headers['x-requested-with'] !== undefined) return 'program'
  return prefersHtml(headers.accept) ? 'page' : 'program'
}

/** Whether a browser fetches ahead what nobody has asked for yet, as it says it itself or as older ones did. */
export function isPrefetch(headers: IncomingHttpHeaders): boolean {
  return headers['sec-purpose'] !== undefined || headers['purpose'] === 'prefetch' || headers['x-moz'] === 'prefetch'
}

/** Whether the client asks to leave HTTP for a WebSocket. */
export function isUpgrade(headers: IncomingHttpHeaders): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket' && /(?:^|,)\s*upgrade\s*(?:,|$)/i.test(headers.connection ?? '')
}

function prefersHtml(accept: string | undefined): boolean {
  const first = accept?.split(',', 1)[0]?.split(';', 1)[0]?.trim().toLowerCase()
  return first === 'text/html' || first === 'application/xhtml+xml'
}

/** Whether a browser vouches that a page of this very origin sent the request. */
export function isSameOrigin(headers: IncomingHttpHeaders, own: string): boolean {
  const { origin } = headers
  const site = headers['sec-fetch-site']
  return site === undefined ? origin === own : site === 'same-origin' && (origin === undefined || origin === own)
}

export interface OriginRule {
  readonly method: string
  readonly upgrade: boolean
  /** Origins that may act with a person's cookie: the application's own and those that the route lists. */
  readonly allowed: readonly string[]
}

/**
 * Whether a request that is authenticated by cookie was sent by another site. Reading is always allowed: the same-origin policy keeps
 * the answer from the other site. Requests without Origin pass only where the browser vouches for them or is none.
 */
export function isCrossOrigin(headers: IncomingHttpHeaders, rule: OriginRule): boolean {
  if (!rule.upgrade && (rule.method === 'GET' || rule.method === 'HEAD' || rule.method === 'OPTIONS')) return false
  const { origin } = headers
  if (origin !== undefined) return !rule.allowed.includes(origin)
  if (rule.upgrade) return true
  const site = headers['sec-fetch-site']
  return site !== undefined && site !== 'none' && site !== 'same-origin'
}

/** Whether a browser, or a script in one, has sent the request: it would ask its person for the password of a Basic challenge. */
export function isFromBrowser(headers: IncomingHttpHeaders): boolean {
  return ['sec-fetch-mode', 'sec-fetch-dest', 'sec-fetch-site', 'origin', 'x-requested-with'].some(
    (name) => headers[name] !== undefined,
  )
}
