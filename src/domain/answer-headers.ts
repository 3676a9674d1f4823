import { isOwnCookie } from './identity-headers.ts'

export interface AnswerRules {
  /** The application was told who is there: what it answers is for that person only. */
  readonly identified: boolean
  /** The route answers with and without a session, so a cache must tell the two apart. */
  readonly optional: boolean
  /** The connection is about to be closed because the gateway is draining. */
  readonly closing: boolean
  /** Cookies of ours to set with this answer. */
  readonly cookies: ReadonlyMap<string, string>
  /** They may be left out where a shared cache could keep the answer. */
  readonly cookiesAreOptional: boolean
}

export interface AnswerHeaders {
  readonly headers: string[]
  /** -1 where the answer does not say. */
  readonly contentLength: number
  readonly eventStream: boolean
}

const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'trailer',
  'upgrade',
  'te',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
])

/** An application's answer headers as the client gets them: without what is for one hop only or is ours to say, with our cookies. */
export function answerHeaders(raw: readonly string[], rules: AnswerRules): AnswerHeaders {
  const named = namedByConnection(raw)
  const headers: string[] = []
  let contentLength = -1
  let cacheControl: string | null = null
  let eventStream = false
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    const value = raw[at + 1] ?? ''
    const lower = name.toLowerCase()
    if (HOP_BY_HOP.has(lower) || named?.has(lower) === true || lower.startsWith('x-gateway-')) continue
    if (lower === 'set-cookie' && isOwnCookie(value.split('=', 1)[0] ?? '')) continue
    if (lower === 'content-length') contentLength = Number(value)
    if (lower === 'content-type') eventStream = value.toLowerCase().startsWith('text/event-stream')
    if (lower === 'cache-control') {
      cacheControl = cacheControl === null ? value : `${cacheControl}, ${value}`
      continue
    }
    headers.push(name, value)
  }
  const cookies = rules.cookiesAreOptional && isShareable(cacheControl) ? [] : [...rules.cookies.values()]
  for (const cookie of cookies) headers.push('set-cookie', cookie)
  const caching = cachingFor(cacheControl, { ...rules, setsCookies: cookies.length > 0 })
  if (caching !== null) headers.push('cache-control', caching)
  if (rules.optional) headers.push('vary', 'Cookie')
  if (rules.closing) headers.push('connection', 'close')
  return { headers, contentLength, eventStream }
}

/** What a person gets is for that person; an answer with our cookie on it is for that browser, whatever the application thought. */
function cachingFor(
  stated: string | null,
  rules: { identified: boolean; optional: boolean; setsCookies: boolean },
): string | null {
  if (rules.setsCookies && isShareable(stated)) return 'private, no-cache'
  if (stated !== null) return stated
  if (rules.identified || rules.setsCookies) return 'private, no-cache'
  return rules.optional ? 'private' : null
}

function isShareable(cacheControl: string | null): boolean {
  return cacheControl !== null && /(?:^|[\s,])(?:public|s-maxage)\b/i.test(cacheControl)
}

function namedByConnection(raw: readonly string[]): ReadonlySet<string> | null {
  let named: Set<string> | null = null
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() !== 'connection') continue
    named ??= new Set()
    for (const member of (raw[at + 1] ?? '').toLowerCase().split(',')) named.add(member.trim())
  }
  return named
}
