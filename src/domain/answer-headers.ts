import { setsOwnCookie } from './cookie-header.ts'
import { isConnectionAuth } from './request-headers.ts'
import { returnLocation, type PublicAddress } from './rewriting.ts'

/** What a route's settings say of its application's answers; made once. */
export interface AnswerRules {
  /** The route answers with and without a session, so a cache must tell the two apart. */
  readonly optional: boolean
  /** Where a `Location` leads that names the application's own address; null: it is kept. */
  readonly redirects: PublicAddress | null
  /** Flat lists of names and values, and lower-case names. */
  readonly set: readonly string[]
  readonly setIfAbsent: readonly string[]
  readonly remove: ReadonlySet<string>
  readonly cookies: { readonly dropDomain: boolean; readonly secure: boolean }
}

/** What one request adds to that. */
export interface AnswerState {
  /** The application was told who is there: what it answers is for that person only. */
  readonly identified: boolean
  /** The connection is about to be closed, because the gateway is draining or the request has not ended. */
  readonly closing: boolean
  /** Cookies of ours to set with this answer; null: none. */
  readonly cookies: ReadonlyMap<string, string> | null
  /** They may be left out where a shared cache could keep the answer. */
  readonly cookiesAreOptional: boolean
  /** The connection to the application belongs to this one person, so that it may offer NTLM and Negotiate. */
  readonly ownConnection: boolean
}

export interface AnswerHeaders {
  readonly headers: string[]
  /** -1 where the answer does not say. */
  readonly contentLength: number
  readonly eventStream: boolean
}

/**
 * Comes with every answer that ends a session by a person's wish. Browsers show pages of the past without asking anybody, `no-cache` or not;
 * this empties what they kept, pages in memory and other tabs' included.
 */
export const FORGET_PAGES = ['clear-site-data', '"cache"'] as const

/** Never taken from an application below a path: with these it got its scripts between people and its neighbours, or us. */
export const WHOLE_HOST_HEADERS: readonly string[] = ['service-worker-allowed']

type Verdict =
  | 'pass'
  | 'drop'
  | 'connection'
  | 'set-cookie'
  | 'content-length'
  | 'content-type'
  | 'cache-control'
  | 'location'
  | 'www-authenticate'
  | 'clear-site-data'

const VERDICTS: ReadonlyMap<string, Verdict> = new Map([
  ['connection', 'connection'],
  ['keep-alive', 'drop'],
  ['transfer-encoding', 'drop'],
  ['trailer', 'drop'],
  ['upgrade', 'drop'],
  ['te', 'drop'],
  ['proxy-connection', 'drop'],
  ['proxy-authenticate', 'drop'],
  ['proxy-authorization', 'drop'],
  ['set-cookie', 'set-cookie'],
  ['content-length', 'content-length'],
  ['content-type', 'content-type'],
  ['cache-control', 'cache-control'],
  ['location', 'location'],
  ['content-location', 'location'],
  ['refresh', 'location'],
  ['www-authenticate', 'www-authenticate'],
  ['clear-site-data', 'clear-site-data'],
])
const verdicts = new Map<string, Verdict>()
const MAX_REMEMBERED_NAMES = 2_000

function verdictOf(name: string): Verdict {
  const known = verdicts.get(name)
  if (known !== undefined) return known
  const lower = name.toLowerCase()
  const verdict = VERDICTS.get(lower) ?? (lower.startsWith('x-gateway-') ? 'drop' : 'pass')
  if (verdicts.size < MAX_REMEMBERED_NAMES) verdicts.set(name, verdict)
  return verdict
}

/** An application's answer headers as the client gets them: without what is for one hop only or is ours to say, with our cookies. */
export function answerHeaders(raw: readonly string[], rules: AnswerRules, state: AnswerState): AnswerHeaders {
  const headers: string[] = []
  let contentLength = -1
  let cacheControl: string | null = null
  let eventStream = false
  let named: ReadonlySet<string> | null = null
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    const value = raw[at + 1] ?? ''
    switch (verdictOf(name)) {
      case 'pass':
        headers.push(name, value)
        break
      case 'content-length':
        contentLength = Number(value)
        headers.push(name, value)
        break
      case 'content-type':
        eventStream = value.toLowerCase().startsWith('text/event-stream')
        headers.push(name, value)
        break
      case 'cache-control':
        cacheControl = cacheControl === null ? value : `${cacheControl}, ${value}`
        break
      case 'set-cookie':
        if (!setsOwnCookie(value)) headers.push(name, changedCookie(value, rules.cookies))
        break
      case 'location':
        headers.push(name, rules.redirects === null ? value : returnLocation(value, rules.redirects))
        break
      case 'www-authenticate':
        if (state.ownConnection || !isConnectionAuth(value)) headers.push(name, value)
        break
      case 'clear-site-data': {
        const cleared = clearedWithoutCookies(value)
        if (cleared !== '') headers.push(name, cleared)
        break
      }
      case 'connection':
        if (value !== 'keep-alive' && value !== 'close') named = namedByConnection(raw)
        break
      case 'drop':
        break
    }
  }
  const kept = named === null && rules.remove.size === 0 ? headers : without(headers, named, rules.remove)
  change(kept, rules)
  addOurs(kept, cacheControl, rules, state)
  return { headers: kept, contentLength, eventStream }
}

function addOurs(headers: string[], stated: string | null, rules: AnswerRules, state: AnswerState): void {
  let setsCookies = false
  if (state.cookies !== null && !(state.cookiesAreOptional && isShareable(stated))) {
    for (const cookie of state.cookies.values()) headers.push('set-cookie', cookie)
    setsCookies = true
  }
  const caching = cachingFor(stated, { identified: state.identified, optional: rules.optional, setsCookies })
  if (caching !== null) headers.push('cache-control', caching)
  if (rules.optional) headers.push('vary', 'Cookie')
  if (state.closing) headers.push('connection', 'close')
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

/** Clearing cookies clears ours too, on every host of the same site: an application would end sessions that are not its own. */
function clearedWithoutCookies(value: string): string {
  return value
    .split(',')
    .map((directive) => directive.trim())
    .filter((directive) => !['', '*', 'cookies'].includes(directive.replaceAll('"', '').toLowerCase()))
    .join(', ')
}

function changedCookie(value: string, { dropDomain, secure }: AnswerRules['cookies']): string {
  const changed = dropDomain ? value.replaceAll(/;\s*domain\s*=[^;]*/gi, '') : value
  return secure && !/;\s*secure\s*(?:;|$)/i.test(changed) ? `${changed}; Secure` : changed
}

function without(headers: readonly string[], named: ReadonlySet<string> | null, remove: ReadonlySet<string>): string[] {
  const kept: string[] = []
  for (let at = 0; at < headers.length; at += 2) {
    const name = headers[at] ?? ''
    const lower = name.toLowerCase()
    // An answer without its length or type would be another answer.
    const framing = lower === 'content-length' || lower === 'content-type'
    if ((named?.has(lower) === true && !framing) || remove.has(lower)) continue
    kept.push(name, headers[at + 1] ?? '')
  }
  return kept
}

function change(headers: string[], { set, setIfAbsent }: AnswerRules): void {
  for (let at = 0; at < setIfAbsent.length; at += 2) {
    const name = (setIfAbsent[at] ?? '').toLowerCase()
    const isThere = headers.some((part, index) => index % 2 === 0 && part.toLowerCase() === name)
    if (!isThere) headers.push(setIfAbsent[at] ?? '', setIfAbsent[at + 1] ?? '')
  }
  for (const part of set) headers.push(part)
}

function namedByConnection(raw: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>()
  for (let at = 0; at < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() !== 'connection') continue
    for (const member of (raw[at + 1] ?? '').toLowerCase().split(',')) named.add(member.trim())
  }
  return named
}
