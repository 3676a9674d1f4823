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
export const RESERVED_NAMES: ReadonlySet<string> = new Set([
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
const CARRIERS = new Set([
  'cookie',
  'content-length',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-gateway-hop',
])
export const RESERVED_FAMILIES: readonly string[] = [
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
/** What becomes of a header that a client sent, by its name. */
export type Verdict = 'pass' | 'drop' | 'cookie' | 'authorization' | 'connection' | 'content-length'

const verdicts = new Map<string, Verdict>()
const MAX_REMEMBERED_NAMES = 2_000

export function verdictOf(name: string): Verdict {
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

/** Whether an application may take the value for the method of the request. */
export function isMethodOverride(name: string): boolean {
  return METHOD_OVERRIDES.includes(foldHeaderName(name))
}

/** Whether a header says what the request itself is, where it goes or whence it came: nobody but the gateway writes it. */
export function isCarrierHeader(name: string): boolean {
  const folded = foldHeaderName(name)
  return CARRIERS.has(folded) || RESERVED_NAMES.has(folded)
}

/** Whether clients may not set a header of this name, in any of its spellings. */
export function isReservedHeader(name: string): boolean {
  const folded = foldHeaderName(name)
  return RESERVED_NAMES.has(folded) || RESERVED_FAMILIES.some((family) => folded.startsWith(family))
}
