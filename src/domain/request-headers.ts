import type { Permit } from './access.ts'
import { withoutOwnCookies, withoutPairs } from './cookie-header.ts'
import { HOP_HEADER } from './hops.ts'
import { identityPairs, type IdentityHeaders } from './identity-headers.ts'
import { foldHeaderName, isMethodOverride, verdictOf } from './reserved-headers.ts'

/** Everything about a request that goes into the headers for the application, beside what the client sent. */
export interface Forwarding {
  readonly host: string
  readonly clientAddress: string
  readonly proto: string
  readonly publicHost: string
  readonly publicPort: string
  readonly requestId: string
  readonly traceparent: string
  /** Which gateway in a row this is; the first is 1. */
  readonly hop: number
  /** What backs the plain headers up: tokens and signed statements, as a flat list of names and values. */
  readonly proofs: readonly string[]
  /** Set where the Authorization header was ours to read, or is ours to write: then the client's goes no further. */
  readonly dropAuthorization: boolean
  /** What the settings say of the request's headers beside identity; null where no route says anything. */
  readonly changes: RequestChanges | null
  /** Pairs of the Cookie header that belong to another session than this one; null: none. */
  readonly withheldCookies: ReadonlySet<string> | null
  /** Set where the rule was asked for the methods that override headers name, so that they may pass. */
  readonly methodOverride: boolean
  /** Set where the connection to the application belongs to this one person, so that NTLM and Negotiate may pass. */
  readonly ownConnection: boolean
}

/** Names are folded as `foldHeaderName` does it. */
export interface RequestChanges {
  /** Names that this route takes out, and those that any route sets: whoever can be told them by us is never told them by a client. */
  readonly drops: ReadonlySet<string>
  /** Flat list of names and values. */
  readonly set: readonly string[]
  readonly setIfAbsent: readonly string[]
}

/** The client's headers without everything reserved, then ours from a permit; a flat list of names and values. */
export function withIdentity(
  raw: readonly string[],
  permit: Permit,
  rule: IdentityHeaders,
  forwarding: Forwarding,
): string[] {
  const out = clientsOwn(raw, forwarding)
  out.push(
    'x-forwarded-for',
    forwarding.clientAddress,
    'x-forwarded-proto',
    forwarding.proto,
    'x-forwarded-host',
    forwarding.publicHost,
    'x-forwarded-port',
    forwarding.publicPort,
    'x-request-id',
    forwarding.requestId,
    'traceparent',
    forwarding.traceparent,
    HOP_HEADER,
    String(forwarding.hop),
  )
  if (permit.identity !== null) {
    for (const part of identityPairs(permit.identity, rule)) out.push(part)
    for (const part of forwarding.proofs) out.push(part)
  }
  return out
}

/** What remains of the client's headers, after the Host that was chosen, with the changes of the route. */
function clientsOwn(raw: readonly string[], forwarding: Forwarding, named?: ReadonlySet<string>): string[] {
  const { changes } = forwarding
  const out: string[] = ['host', forwarding.host]
  let cookie = ''
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] ?? ''
    const value = raw[at + 1] ?? ''
    switch (verdictOf(name)) {
      case 'pass':
        if (named?.has(name.toLowerCase()) === true || changes?.drops.has(foldHeaderName(name)) === true) break
        out.push(name, value)
        break
      case 'content-length':
        if (value !== '0') out.push(name, value)
        break
      case 'cookie':
        cookie = cookie === '' ? value : `${cookie}; ${value}`
        break
      case 'authorization':
        if (forwarding.dropAuthorization || named?.has('authorization') === true) break
        if (changes?.drops.has('authorization') === true) break
        if (forwarding.ownConnection || !isConnectionAuth(value)) out.push(name, value)
        break
      case 'connection':
        // Seldom more than keep-alive; where it names headers, they are taken out in a second pass.
        if (named === undefined && namesHeaders(value)) return clientsOwn(raw, forwarding, namedByConnection(raw))
        break
      case 'drop':
        if (forwarding.methodOverride && isMethodOverride(name)) out.push(name, value)
        break
    }
  }
  cookie = withoutOwnCookies(cookie)
  if (forwarding.withheldCookies !== null) cookie = withoutPairs(cookie, forwarding.withheldCookies)
  if (cookie !== '') out.push('cookie', cookie)
  if (changes !== null) change(out, changes)
  return out
}

function change(out: string[], { set, setIfAbsent }: RequestChanges): void {
  for (let at = 0; at < setIfAbsent.length; at += 2) {
    const name = setIfAbsent[at] ?? ''
    const isThere = out.some((part, index) => index % 2 === 0 && foldHeaderName(part) === foldHeaderName(name))
    if (!isThere) out.push(name, setIfAbsent[at + 1] ?? '')
  }
  for (const part of set) out.push(part)
}

/** NTLM and Negotiate sign a TCP connection in, not a request: over shared connections one person would act as another. */
export function isConnectionAuth(value: string): boolean {
  return /^\s*(?:NTLM|Negotiate|Kerberos)\b/i.test(value)
}

function namesHeaders(connection: string): boolean {
  return connection !== 'keep-alive' && !/^\s*(?:keep-alive|close|upgrade)\s*$/i.test(connection)
}

/** What `Connection` names is for this hop only (RFC 9110 7.6.1). It cannot name ours: those are added afterwards. */
function namedByConnection(raw: readonly string[]): ReadonlySet<string> {
  const named = new Set<string>()
  for (let at = 0; at < raw.length; at += 2) {
    if (verdictOf(raw[at] ?? '') !== 'connection') continue
    for (const member of (raw[at + 1] ?? '').toLowerCase().split(',')) named.add(member.trim())
  }
  return named
}
