import type { IncomingMessage } from 'node:http'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import type { RouteSettings } from '../config/settings.ts'
import type { AccessRule } from '../domain/access.ts'
import { GatewayError } from '../domain/errors.ts'
import { countHops, HOP_HEADER } from '../domain/hops.ts'
import {
  accessAsked,
  locatePreflight,
  locateRequest,
  overriddenRoutes,
  type AskedAddress,
} from '../domain/locate-request.ts'
import { isOwnPath } from '../domain/path-readings.ts'
import { foldPath, parseTarget, type AcceptedTarget, type Target } from '../domain/request-target.ts'
import { parseHost, type RouteTable } from '../domain/route-table.ts'
import type { Site, Sites } from '../domain/site.ts'
import { requireSoundHeaders } from '../domain/sound-headers.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The route of an application; null on the gateway's own endpoints. */
    route: RouteSettings | null
    /** The routes of the methods that override headers name, where they go on to the application: each must permit the request too. */
    overridden: readonly RouteSettings[] | null
    /** What is asked of whoever sends it, by its route, by those of overridden methods, or by the own endpoint. */
    access: AccessRule
    /** A browser asks whether a script of another origin may send a request, and the route of that one says who answers. Nobody is asked who it is. */
    isPreflight: boolean
    /** Path and query as the client sent them, once they were found unambiguous. */
    target: AcceptedTarget | null
    /** How many gateways it came through before this one. */
    hops: number
    /** The host that was asked; that of publicUrl until that is known, and where it is none of ours. */
    readonly site: Site
    knownSite: Site | null
    /** For metrics and log: `application/route`, `gateway` for own endpoints, `none` where nothing was found. */
    readonly routeLabel: string
  }
  interface FastifyContextConfig {
    /** Every own endpoint states its access; a test and the start see to it. */
    access?: AccessRule
    /** Answered for any host, and neither logged nor counted. */
    quiet?: boolean
  }
}

declare module 'node:http' {
  interface IncomingMessage {
    gatewayTarget?: Target
  }
}

/** Where requests for applications and refused targets go inside; neither address can be asked for from outside. */
export const FORWARD_PATH = '/'
export const REFUSE_PATH = '/-/refused'
const UNKNOWN_PATH = '/-/unknown'

/**
 * Parses the target before Fastify's router sees it. The router knows only our own endpoints, the one mount and the refusal; which
 * application is meant, the route table decides. Never throws: a throw in here would end the process.
 */
export function createRewriteUrl(ownPrefix: string): (raw: IncomingMessage) => string {
  const own = foldPath(ownPrefix)
  return (raw) => {
    const target = parseTarget(raw.url ?? '')
    raw.gatewayTarget = target
    // Whether an application allows what was refused is known when the host is; until then nothing is permitted.
    if (!target.ok) return target.parts === null ? REFUSE_PATH : FORWARD_PATH
    if (!isOwnPath(target.path, own)) return FORWARD_PATH
    // Our own addresses have one spelling. Fastify's router would decode others.
    return target.rawPath.includes('%') ? UNKNOWN_PATH : target.rawPath + target.query
  }
}

interface Found {
  readonly route: RouteSettings
  readonly target: AcceptedTarget
}

export interface LocateOptions {
  readonly table: RouteTable<RouteSettings>
  readonly metrics: Metrics
  readonly ownPrefix: string
  readonly sites: Sites
  readonly overridesReach: boolean
}

const hook: FastifyPluginCallback<LocateOptions> = (
  app,
  { table, metrics, ownPrefix, sites, overridesReach },
  ready,
) => {
  const served = { table, ownPrefix: foldPath(ownPrefix), overridesReach }
  app.decorateRequest('route', null)
  app.decorateRequest('overridden', null)
  app.decorateRequest('access', 'signedIn')
  app.decorateRequest('isPreflight', false)
  app.decorateRequest('target', null)
  app.decorateRequest('hops', 0)
  app.decorateRequest('knownSite', null)
  app.decorateRequest('site', {
    getter() {
      return this.knownSite ?? sites.main
    },
  })
  app.decorateRequest('routeLabel', {
    getter() {
      if (this.route !== null) return this.route.name
      return this.raw.url === FORWARD_PATH || this.raw.url === REFUSE_PATH ? 'none' : 'gateway'
    },
  })

  app.addHook('onRequest', (request, _reply, done) => {
    try {
      locate(request)
      done()
    } catch (error) {
      if (error instanceof GatewayError && error.reason !== undefined)
        metrics.count('requests_refused_total', { reason: error.reason })
      done(error instanceof Error ? error : new GatewayError('GW_INTERNAL', { cause: error }))
    }
  })

  function locate(request: FastifyRequest): void {
    const target = request.raw.gatewayTarget
    if (target === undefined) throw new GatewayError('GW_INTERNAL', { detail: 'the target was not parsed' })
    const host = parseHost(request.raw.headers.host)
    request.knownSite = host === null ? null : (sites.byHost.get(host) ?? null)
    const asked = { host, method: request.method, target }
    if (!target.ok) {
      // What has more than one reading is refused as that, whatever its headers are.
      const found = routeOf(asked)
      requireSoundHeaders(request.raw, versionOf(request.raw))
      assign(request, found, asked)
      return
    }
    request.target = target
    requireSoundHeaders(request.raw, versionOf(request.raw))
    if (request.raw.url !== FORWARD_PATH) {
      locateOwn(request, host)
      return
    }
    const preflight = locatePreflight(served, asked, request.raw.headers)
    request.isPreflight = preflight !== null
    assign(request, preflight ?? routeOf(asked), asked)
  }

  function locateOwn(request: FastifyRequest, host: string | null): void {
    const { config } = request.routeOptions
    if (config.quiet === true) {
      request.access = 'public'
      return
    }
    if (host === null) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'host_malformed' })
    if (request.knownSite === null) throw new GatewayError('GW_HOST_UNKNOWN', { reason: 'host_unknown' })
    request.access = config.access ?? 'public'
  }

  function routeOf(asked: AskedAddress): Found {
    const located = locateRequest(served, asked)
    if (located.kind === 'refused') throw located.error
    if (located.kind === 'own') throw new GatewayError('GW_INTERNAL', { detail: 'an own address came as another' })
    return located
  }

  function assign(request: FastifyRequest, { route, target }: Found, asked: AskedAddress): void {
    request.route = route
    request.target = target
    request.hops = countHops(request.raw.headers[HOP_HEADER])
    request.overridden = overriddenRoutes(served, asked, { route, rawHeaders: request.raw.rawHeaders })
    request.access = request.isPreflight ? 'public' : accessAsked(route, request.overridden)
  }
  ready()
}

/** Over HTTP/2 requests come in the shape of HTTP/1.1; a request line can claim any version. */
const versionOf = (raw: IncomingMessage): string => (raw.overHttp2 === undefined ? raw.httpVersion : '1.1')

export const locate = fp(hook, { name: 'locate', fastify: '5.x', dependencies: ['observe'] })
