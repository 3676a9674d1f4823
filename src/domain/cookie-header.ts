const OWN_COOKIE = /^__host-gateway(?:\.\d+|-(?:login|bound)-[a-z0-9_-]*|-rounds|-switch|-left)?$/i

/** A Cookie header without the gateway's own cookies; empty when nothing else was in it. Scans: splitting a long header costs five times as much. */
export function withoutOwnCookies(header: string): string {
  let kept = ''
  let complete = true
  let from = 0
  while (from < header.length) {
    const semicolon = header.indexOf(';', from)
    const end = semicolon === -1 ? header.length : semicolon
    const pair = header.slice(from, end).trim()
    if (isOwnPair(pair)) complete = false
    else if (pair !== '') kept = kept === '' ? pair : `${kept}; ${pair}`
    from = end + 1
  }
  return complete ? header : kept
}

/** A Cookie header without these pairs of name and value. */
export function withoutPairs(header: string, pairs: ReadonlySet<string>): string {
  if (pairs.size === 0) return header
  const kept = header.split(';').map((pair) => pair.trim())
  return kept.filter((pair) => !pairs.has(pair)).join('; ')
}

const UNDERSCORE = 0x5f

/** All names of ours begin with an underscore, and few others do. */
function isOwnPair(pair: string): boolean {
  return pair.codePointAt(0) === UNDERSCORE && isOwnCookie(pair.split('=', 1)[0] ?? '')
}

/** Whether a cookie of this name is the gateway's: applications neither see nor set it. */
export function isOwnCookie(name: string): boolean {
  return OWN_COOKIE.test(name.trim())
}

/** Whether a `Set-Cookie` value sets a cookie that comes back under a name of the gateway's: one without a name comes back as its value alone. */
export function setsOwnCookie(line: string): boolean {
  return isOwnCookie(/^[\s=]*([^=;]*)/.exec(line)?.[1] ?? '')
}
