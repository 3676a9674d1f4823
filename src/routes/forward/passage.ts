import type { FastifyRequest } from 'fastify'
import type { IdentityProofs } from '../../adapters/identity-proofs.ts'
import type { Overload } from '../../adapters/overload.ts'
import type { Pin, Upstream, Upstreams } from '../../adapters/upstreams.ts'
import type { HeaderChanges, RouteSettings, UpstreamSettings } from '../../config/settings.ts'
import type { Permit } from '../../domain/access.ts'
import { WHOLE_HOST_HEADERS, type AnswerRules } from '../../domain/answer-headers.ts'
import { OWN_CORS_HEADERS } from '../../domain/cors.ts'
import { identityHeaderNames } from '../../domain/identity-headers.ts'
import { withIdentity, type RequestChanges } from '../../domain/request-headers.ts'
import { foldHeaderName, isReservedHeader } from '../../domain/reserved-headers.ts'
import type { PublicAddress, RewrittenPath } from '../../domain/rewriting.ts'
import type { Session } from '../../domain/session.ts'
import type { Site, Sites } from '../../domain/site.ts'
import type { BoundCookies } from './bound-cookies.ts'
import type { BodyRules } from './request-body.ts'

/** What every exchange of one route has in common, made once from its settings. */
export interface Passage {
  readonly upstream: Upstream
  readonly rules: AnswerRules
  readonly limits: ExchangeLimits
  /** Others wait for what an exchange of this route holds on to; `connected`: a connection to the application is among it. */
  readonly isCrowded: (connected: boolean) => boolean
  readonly bodyRules: BodyRules
  /** Everything that the application is told; `upstreamHost` is the authority of the address that was chosen. */
  headersFor(errand: Told, upstreamHost: string): string[]
}

export interface ExchangeLimits {
  readonly responseSeconds: number
  readonly idleSeconds: number
  /** Null: an exchange takes as long as it takes. */
  readonly totalSeconds: number | null
}

/** What the application is told of. */
export interface Told {
  readonly request: FastifyRequest
  readonly permit: Permit
  /** The session behind the permit; null where there is none. */
  readonly session: Session | null
  readonly path: RewrittenPath
  readonly pin: Pin | null
  readonly bound: BoundCookies | null
}

export interface PassageOptions {
  readonly upstreams: Upstreams
  readonly proofs: IdentityProofs
  readonly overload: Overload
  readonly sites: Sites
  readonly routes: readonly RouteSettings[]
}

/** Makes the passages of all routes, and so the way to every application, and finds that of one on one host. Throws where TLS files cannot be read. */
export function createPassages(options: PassageOptions): (route: RouteSettings, site: Site) => Passage {
  const ours = ourHeaders(options.routes)
  const passages = new WeakMap(options.routes.map((route) => [route, passagesOf(route, ours, options)]))
  return (route, site) => {
    const passage = passages.get(route)?.get(site)
    if (passage === undefined) throw new TypeError(`${route.name} is no route of the settings at ${site.host}`)
    return passage
  }
}

/** What clients may not tell an application, because some route tells it; beside what is reserved in any case. */
interface OurHeaders {
  /** Folded. */
  readonly names: readonly string[]
  /** Hosts of applications that get an Authorization header of ours on some route. Most have one of their own, so it is left to the others. */
  readonly authorizedHosts: ReadonlySet<string>
}

function ourHeaders(routes: readonly RouteSettings[]): OurHeaders {
  const written = routes.map(({ requestHeaders, identity, upstream }) => ({
    names: [...Object.keys(requestHeaders.set), ...identityHeaderNames(identity)].map(foldHeaderName),
    hosts: hostsOf(upstream),
  }))
  const names = written.flatMap((route) => route.names)
  return {
    names: names.filter((name) => name !== 'authorization' && !isReservedHeader(name)),
    authorizedHosts: new Set(written.flatMap((route) => (route.names.includes('authorization') ? route.hosts : []))),
  }
}

/** Whatever else an address says: the server behind is the same. */
function hostsOf({ urls }: UpstreamSettings): readonly string[] {
  return urls.map((url) => (url.startsWith('unix:') ? (url.split(':')[1] ?? '') : new URL(url).host))
}

/** They differ by what an application's redirects to itself become. */
function passagesOf(route: RouteSettings, ours: OurHeaders, options: PassageOptions): ReadonlyMap<Site, Passage> {
  const passage = createPassage(route, ours, options)
  const sites = [...options.sites.byHost.values()].filter(({ host }) => route.hosts.includes(host))
  return new Map(sites.map((site) => [site, { ...passage, rules: answerRules(route, site) }]))
}

function createPassage(route: RouteSettings, ours: OurHeaders, options: PassageOptions): Omit<Passage, 'rules'> {
  const { limits } = route
  const upstream = options.upstreams.of(route.upstream)
  const changes = requestChanges(route.requestHeaders, ours.names)
  const proofsOf = options.proofs.of(route)
  const isAuthorizationOurs = hostsOf(route.upstream).some((host) => ours.authorizedHosts.has(host))
  const withholdsAuthorization = route.authorization === 'gateway' || route.authorization === 'drop'
  return {
    upstream,
    isCrowded: (connected) => options.overload.reason === 'memory' || (connected && upstream.isCrowded()),
    limits: {
      responseSeconds: route.upstream.responseSeconds,
      idleSeconds: route.upstream.idleSeconds,
      totalSeconds: route.upstream.totalSeconds,
    },
    bodyRules: { maxBytes: limits.bodyBytes, ...limits.clientBody },
    headersFor({ request, permit, session, path, pin, bound }, upstreamHost) {
      const { peer } = request
      const trace = request.id.replaceAll('-', '')
      const headers = withIdentity(request.raw.rawHeaders, permit, route.identity, {
        host: hostFor(route.upstream.host, upstreamHost, request.raw.headers.host ?? peer.host),
        clientAddress: peer.forwardedFor,
        proto: peer.proto,
        publicHost: peer.host,
        publicPort: peer.port,
        requestId: request.id,
        traceparent: `00-${trace}-${trace.slice(16)}-00`,
        hop: request.hops + 1,
        proofs: proofsOf === null ? NOTHING : proofsOf(permit, { session, bearer: tokenOf(request) }),
        dropAuthorization: isAuthorizationOurs || withholdsAuthorization || request.bearer !== null,
        changes,
        withheldCookies: bound?.withheld ?? null,
        ownConnection: pin !== null,
        methodOverride: route.methodOverride === 'both',
      })
      if (path.prefix !== null) headers.push('x-forwarded-prefix', path.prefix)
      return headers
    },
  }
}

const NOTHING: readonly string[] = []

function hostFor(setting: string, upstreamHost: string, browserHost: string): string {
  if (setting === 'preserve') return browserHost
  return setting === 'upstream' ? upstreamHost : setting
}

function requestChanges(changes: HeaderChanges, reserved: readonly string[]): RequestChanges | null {
  const drops = new Set([...reserved, ...changes.remove.map(foldHeaderName)])
  const set = Object.entries(changes.set).flat()
  const setIfAbsent = Object.entries(changes.setIfAbsent).flat()
  return drops.size === 0 && set.length === 0 && setIfAbsent.length === 0 ? null : { drops, set, setIfAbsent }
}

function answerRules(route: RouteSettings, site: Site): AnswerRules {
  const { responseHeaders, cookies } = route
  return {
    optional: route.access === 'optional',
    redirects: route.redirects === 'fix' ? publicAddress(route, site) : null,
    set: Object.entries(responseHeaders.set).flat(),
    setIfAbsent: Object.entries(responseHeaders.setIfAbsent).flat(),
    // What is set replaces what was there.
    remove: new Set(
      [
        ...responseHeaders.remove,
        ...Object.keys(responseHeaders.set),
        ...(route.cors.preflight === 'answer' ? OWN_CORS_HEADERS : []),
        ...(route.hasWholeHost ? [] : WHOLE_HOST_HEADERS),
      ].map((name) => name.toLowerCase()),
    ),
    cookies: { dropDomain: cookies.domain === 'drop', secure: cookies.secure },
  }
}

function publicAddress({ upstream, prefixes }: RouteSettings, { authority, origin }: Site): PublicAddress {
  const own = upstream.urls.filter((url) => !url.startsWith('unix:')).map((url) => new URL(url))
  return {
    origins: new Set([...own.map((url) => url.origin), `http://${authority}`]),
    publicOrigin: origin,
    prefixes,
    upstreamPrefix: own[0]?.pathname.replace(/\/$/, '') ?? '',
  }
}

/** The token that the request brought; a client that showed its password has none to show. */
const tokenOf = ({ bearer }: FastifyRequest): string | null => (bearer?.kind === 'token' ? bearer.token : null)
