import type { Permit } from './access.ts'
import { HOP_HEADER } from './hops.ts'
import type { Identity } from './identity.ts'

/** How a route tells its application who is there. */
export interface IdentityHeaders {
  readonly headers: readonly 'forwarded'[]
  readonly user: 'sub' | 'email' | 'username' | `claim:${string}`
  readonly groups: {
    readonly only: readonly string[] | undefined
    readonly rename: Readonly<Record<string, string>>
    readonly separator: string
    readonly max: number | undefined
  }
  readonly encoding: 'percent' | 'utf8' | 'latin1' | 'base64'
}

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
  /** Set where the Authorization header was ours to read: then it goes no further. */
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

/** By these frameworks let a client say that it means another method than the one that it sends. */
const METHOD_OVERRIDES = ['x-http-method', 'x-http-method-override', 'x-method-override']

const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
  'expect',
  'proxy',
]

// Names that old applications, CGI and frameworks take for identity, for the client's address or for another request than the one
// that was checked. A family is reserved whole, whether or not the settings emit it.
const RESERVED_NAMES = new Set([
  'host',
  'forwarded',
  'via',
  'x-real-ip',
  'true-client-ip',
  'cf-connecting-ip',
  'x-client-ip',
  'x-cluster-client-ip',
  'x-override-url',
  ...METHOD_OVERRIDES,
  'x-request-id',
  'traceparent',
  'tracestate',
  'baggage',
  ...HOP_BY_HOP,
])
const RESERVED_FAMILIES = [
  'proxy-',
  'x-gateway-',
  'x-forwarded-',
  'x-auth-request-',
  'x-authenticated-',
  'remote-',
  'x-remote-',
  'x-webauth-',
  'x-amzn-oidc-',
  'cf-access-',
  'x-goog-authenticated-',
  'x-goog-iap-',
  'x-authentik-',
  'x-pomerium-',
  'x-ms-client-principal',
  'ssl-client-',
  'x-ssl-',
  'x-client-cert',
  'x-original-',
  'x-rewrite-',
  'x-envoy-',
]
const OWN_COOKIE = /^__host-gateway(?:\.\d+|-(?:login|bound)-[a-z0-9_-]*|-rounds|-switch)?$/i

type Verdict = 'pass' | 'drop' | 'cookie' | 'authorization' | 'connection' | 'content-length'

const verdicts = new Map<string, Verdict>()
const MAX_REMEMBERED_NAMES = 2_000

function verdictOf(name: string): Verdict {
  const known = verdicts.get(name)
  if (known !== undefined) return known
  const verdict = judge(name)
  if (verdicts.size < MAX_REMEMBERED_NAMES) verdicts.set(name, verdict)
  return verdict
}

function judge(name: string): Verdict {
  const exact = name.toLowerCase()
  if (exact === 'cookie' || exact === 'authorization' || exact === 'connection' || exact === 'content-length')
    return exact
  return isReservedHeader(name) ? 'drop' : 'pass'
}

/** One name for all spellings that CGI, WSGI and their kin take for the same header: they fold every separator to `_`. */
export function foldHeaderName(name: string): string {
  return name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-')
}

/** Whether clients may not set a header of this name, in any of its spellings. */
export function isReservedHeader(name: string): boolean {
  const folded = foldHeaderName(name)
  return RESERVED_NAMES.has(folded) || RESERVED_FAMILIES.some((family) => folded.startsWith(family))
}

/** Whether an application may take the value for the method of the request. */
export function isMethodOverride(name: string): boolean {
  return METHOD_OVERRIDES.includes(foldHeaderName(name))
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
  if (permit.identity !== null && rule.headers.length > 0) {
    for (const part of remembered(permit.identity, rule)) out.push(part)
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

function withoutPairs(header: string, pairs: ReadonlySet<string>): string {
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

// Sessions live in a memo between requests, so the pairs of one person and one route's rule are made once.
const pairsOf = new WeakMap<Identity, WeakMap<IdentityHeaders, readonly string[]>>()

function remembered(identity: Identity, rule: IdentityHeaders): readonly string[] {
  let byRule = pairsOf.get(identity)
  if (byRule === undefined) {
    byRule = new WeakMap()
    pairsOf.set(identity, byRule)
  }
  let pairs = byRule.get(rule)
  if (pairs === undefined) {
    pairs = identityPairs(identity, rule)
    byRule.set(rule, pairs)
  }
  return pairs
}

function identityPairs(identity: Identity, rule: IdentityHeaders): readonly string[] {
  const person = identity.kind === 'person' ? identity : undefined
  const values: readonly (readonly [string, string | undefined])[] = [
    ['x-forwarded-user', encoded(userOf(identity, rule.user), rule.encoding)],
    ['x-forwarded-preferred-username', encoded(person?.preferredUsername ?? person?.username, rule.encoding)],
    ['x-forwarded-email', encoded(person?.email, rule.encoding)],
    ['x-forwarded-groups', groupList(person?.groups ?? new Set(), rule)],
  ]
  return values.flatMap(([name, value]) => (value === undefined || value === '' ? [] : [name, value]))
}

function userOf(identity: Identity, user: IdentityHeaders['user']): string | undefined {
  if (identity.kind === 'machine') return user === 'sub' ? identity.clientId : undefined
  if (user === 'sub') return identity.subject
  if (user === 'email') return identity.email
  if (user === 'username') return identity.preferredUsername ?? identity.username
  const name = user.slice('claim:'.length)
  const value = Object.hasOwn(identity.claims, name) ? identity.claims[name] : undefined
  return value === undefined || Array.isArray(value) ? undefined : String(value)
}

function groupList(groups: ReadonlySet<string>, { groups: rule, encoding }: IdentityHeaders): string | undefined {
  const wanted = [...groups].filter((group) => rule.only === undefined || rule.only.includes(group)).slice(0, rule.max)
  const names = wanted.map((group) => (Object.hasOwn(rule.rename, group) ? (rule.rename[group] ?? group) : group))
  if (encoding === 'percent') return names.map((name) => percentEncoded(name, rule.separator)).join(rule.separator)
  // The other encodings cannot escape the separator: a group that holds it would read as two, so it is left out.
  const whole = names.filter((name) => !name.includes(rule.separator) && encoded(name, encoding) !== undefined)
  return encoded(whole.join(rule.separator), encoding)
}

/** A value that can stand in a header, or undefined where the encoding cannot carry it: then the header is left out. */
function encoded(value: string | undefined, encoding: IdentityHeaders['encoding']): string | undefined {
  if (value === undefined) return undefined
  switch (encoding) {
    case 'percent':
      return percentEncoded(value, '')
    case 'base64':
      return Buffer.from(value, 'utf8').toString('base64')
    case 'utf8':
      return hasControl(value) ? undefined : Buffer.from(value, 'utf8').toString('latin1')
    case 'latin1':
      return hasControl(value) || /[^\x20-\xff]/.test(value) ? undefined : value
  }
}

function hasControl(value: string): boolean {
  return /[\x00-\x1f\x7f-\x9f]/.test(value)
}

/** Escapes all that a header cannot carry unchanged, so that percent-decoding gives back exactly the value. */
function percentEncoded(value: string, separator: string): string {
  if (
    /^[\x21-\x24\x26-\x7e](?:[\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?$/.test(value) &&
    (separator === '' || !value.includes(separator))
  ) {
    return value
  }
  const bytes = Buffer.from(value, 'utf8')
  let out = ''
  for (const [at, byte] of bytes.entries()) {
    const outer = byte === 0x20 && (at === 0 || at === bytes.length - 1)
    const plain =
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !outer && !separator.includes(String.fromCodePoint(byte))
    out += plain ? String.fromCodePoint(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
