import { foldHeaderName } from './reserved-headers.ts'

/** The proxies whose questions are understood; each has one place where it says what its client asked for. */
export type AskingProxy = 'nginx' | 'traefik' | 'caddy' | 'haproxy' | 'envoy'

/** The request of a proxy's client, as the proxy tells it: that is judged, and not the request that asks. Or why nobody can say what is asked. */
export type ProxyQuestion =
  | {
      readonly ok: true
      readonly method: string
      /** Path and query as the client sent them. */
      readonly target: string
      readonly host: string
      /** The client wants to leave HTTP for a WebSocket. */
      readonly upgrade: boolean
      /** The client's other headers, without those of its connection. */
      readonly rawHeaders: readonly string[]
      /** The proxy passes on a redirect to people who are not signed in. */
      readonly redirect: boolean
    }
  | { readonly ok: false; readonly refusal: QuestionRefusal }

export type QuestionRefusal = 'address' | 'method' | 'body' | 'upgrade' | 'missing' | 'repeated' | 'malformed'

/** A request of a proxy as it came. */
export interface AskedRequest {
  readonly method: string
  readonly url: string
  readonly rawHeaders: readonly string[]
}

export interface QuestionRules {
  readonly proxy: AskingProxy
  /** Where questions are asked; Envoy appends the path that it asks about. */
  readonly path: string
  /** Those that a client may ask with; letter case counts. */
  readonly methods: ReadonlySet<string>
}

type Fact = 'method' | 'target' | 'host' | 'proto'

const ORIGINAL: ReadonlyMap<string, Fact> = new Map([
  ['x-original-method', 'method'],
  ['x-original-uri', 'target'],
  ['host', 'host'],
])
const FORWARDED: ReadonlyMap<string, Fact> = new Map([
  ['x-forwarded-method', 'method'],
  ['x-forwarded-uri', 'target'],
  ['x-forwarded-host', 'host'],
  ['x-forwarded-proto', 'proto'],
])
const PLACES: Readonly<Record<AskingProxy, ReadonlyMap<string, Fact>>> = {
  nginx: ORIGINAL,
  traefik: FORWARDED,
  caddy: FORWARDED,
  haproxy: FORWARDED,
  envoy: new Map([['host', 'host']]),
}

/** Of the connection to us, or of a body that stays with the proxy. */
const NOT_JUDGED = new Set([
  'host',
  'connection',
  'keep-alive',
  'upgrade',
  'te',
  'trailer',
  'transfer-encoding',
  'content-length',
  'content-type',
  'expect',
])

/** The headers by which a proxy says what it asks about, each of which it must send once. */
export function headersOfQuestion(proxy: AskingProxy): readonly string[] {
  return [...PLACES[proxy].keys()]
}

/** What a proxy asks. Names count in every spelling that somebody could take for theirs, so that no client tells a part of it. */
export function parseQuestion(asked: AskedRequest, { proxy, path, methods }: QuestionRules): ProxyQuestion {
  const place = proxy === 'envoy' ? placeInLine(asked, path) : placeInHeaders(asked, { proxy, path })
  if (typeof place === 'string') return refused(place)
  const told: Partial<Record<Fact, string>> = { ...place.told }
  const kept: string[] = []
  let upgrade = false
  for (let at = 0; at < asked.rawHeaders.length; at += 2) {
    const name = asked.rawHeaders[at] ?? ''
    const value = asked.rawHeaders[at + 1] ?? ''
    const folded = foldHeaderName(name)
    const fact = PLACES[proxy].get(folded)
    if (fact !== undefined) {
      if (told[fact] !== undefined || name.toLowerCase() !== folded) return refused('repeated')
      told[fact] = value
    } else if (!NOT_JUDGED.has(folded)) kept.push(name, value)
    else if (bringsBody(folded, value)) return refused('body')
    if (leavesForElse(folded, value)) return refused('upgrade')
    // Some proxies keep `Upgrade` to themselves; then this alone shows that HTTP is to be left.
    if (folded === 'sec-websocket-key' || (folded === 'upgrade' && value !== '')) upgrade = true
  }
  const { method = '', target = '', host = '', proto } = told
  if (method === '' || target === '' || host === '') return refused('missing')
  if (PLACES[proxy] === FORWARDED && proto === undefined) return refused('missing')
  if (!methods.has(method) || (proto !== undefined && proto !== 'https' && proto !== 'http'))
    return refused('malformed')
  return { ok: true, method, target, host, upgrade, rawHeaders: kept, redirect: place.redirect }
}

interface Place {
  readonly told: Partial<Record<Fact, string>>
  readonly redirect: boolean
}

function placeInHeaders(
  { method, url }: AskedRequest,
  { proxy, path }: Pick<QuestionRules, 'proxy' | 'path'>,
): Place | QuestionRefusal {
  // nginx can pass no redirect on.
  const redirect = url === `${path}?redirect=true` && proxy !== 'nginx'
  if (url !== path && !redirect) return 'address'
  return method === 'GET' ? { told: {}, redirect } : 'method'
}

/** Envoy asks with the client's own method, and puts the configured path in front of the client's. */
function placeInLine({ method, url }: AskedRequest, path: string): Place | QuestionRefusal {
  const prefix = [`${path}?redirect=true`, path].find((start) => url.startsWith(`${start}/`))
  if (prefix === undefined) return 'address'
  return { told: { method, target: url.slice(prefix.length) }, redirect: prefix !== path }
}

const bringsBody = (name: string, value: string): boolean =>
  name === 'transfer-encoding' || (name === 'content-length' && value !== '0')

/** HTTP/2 on a connection that was opened for HTTP/1.1, and whatever else is no WebSocket: nobody would ask about what comes after it. */
const leavesForElse = (name: string, value: string): boolean =>
  name === 'http2-settings' || (name === 'upgrade' && value !== '' && value.toLowerCase() !== 'websocket')

const refused = (refusal: QuestionRefusal): ProxyQuestion => ({ ok: false, refusal })
