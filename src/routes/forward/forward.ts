import type { IncomingMessage } from 'node:http'
import httpProxy from '@fastify/http-proxy'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { Dispatcher } from 'undici'
import type { CookieBindings } from '../../adapters/cookie-bindings.ts'
import type { IdentityProofs } from '../../adapters/identity-proofs.ts'
import type { Metrics } from '../../adapters/metrics.ts'
import type { Overload } from '../../adapters/overload.ts'
import type { OpenStreams } from '../../adapters/open-streams.ts'
import type { Lease, UpstreamFault, Upstreams } from '../../adapters/upstreams.ts'
import type { RouteSettings } from '../../config/settings.ts'
import { isUpgrade } from '../../domain/client-kind.ts'
import { preflightHeaders } from '../../domain/cors.ts'
import { GatewayError } from '../../domain/errors.ts'
import { rewritePath } from '../../domain/rewriting.ts'
import type { Session } from '../../domain/session.ts'
import type { Sites } from '../../domain/site.ts'
import { upgradeFault } from '../../domain/web-socket.ts'
import { asksForSignOut, signOutWith } from './application-sign-out.ts'
import { breakOff } from './answer-head.ts'
import { BoundCookies } from './bound-cookies.ts'
import type { Errand, Sender } from './errand.ts'
import { Exchange } from './exchange.ts'
import { createPassages, type Passage } from './passage.ts'
import { Pins } from './pins.ts'
import { RequestBody } from './request-body.ts'
import { openTunnel } from './open-tunnel.ts'
import { Watch } from './watch.ts'

export interface ForwardOptions {
  readonly upstreams: Upstreams
  readonly upstreamFault: (error: unknown) => UpstreamFault
  readonly proofs: IdentityProofs
  readonly overload: Overload
  readonly streams: OpenStreams
  readonly cookieBindings: CookieBindings
  readonly now: () => number
  readonly metrics: Metrics
  readonly log: Logger
  readonly sites: Sites
  readonly routes: readonly RouteSettings[]
  readonly methods: readonly string[]
  /** While true, answers ask the client to come back on another connection. */
  readonly draining: () => boolean
}

const STALE_CHECK_SECONDS = 5

/** The one mount for every application: whoever gets here was found in the route table and holds a permit. */
export const forward: FastifyPluginAsync<ForwardOptions> = async (app, options) => {
  const { streams, metrics, sites, methods } = options
  const passageOf = createPassages(options)
  const watch = new Watch()
  const pins = new Pins()
  const sender: Sender = {
    watch,
    draining: options.draining,
    messageOf,
    failureOf: asGatewayError,
    fail,
    signOut: async (errand, answer) => signOutWith(app, errand, answer),
    streaming({ request, reply, route, session, permit }, end) {
      const { address } = request.peer
      const stream = { rule: route, address, webSocket: false, identity: permit.identity, end }
      reply.raw.once('close', streams.add(stream, session))
    },
    upgraded: (errand, rawHeaders, application) =>
      openTunnel(errand, { rawHeaders, application, watch, streams, log: options.log }),
  }
  watch.add({ watchedAt: -1, tick: (second) => second % STALE_CHECK_SECONDS === 0 && streams.endStale() })
  app.addHook('onClose', (_app, done) => {
    watch.stop()
    done()
  })

  // Bodies belong to the application. Fastify would decode text as UTF-8 and refuse content types that it cannot read; it looks at the
  // parsed headers only, and we forward the raw ones.
  app.removeAllContentTypeParsers()
  app.addHook('onRequest', (request, _reply, done) => {
    delete request.raw.headers['content-type']
    done()
  })

  await app.register(httpProxy, {
    upstream: '',
    // Everything for applications was rewritten to this one address; whatever else the router does not know is our own 404.
    routes: ['/'],
    httpMethods: [...methods],
    config: { access: 'signedIn' },
    // Before its handler, which builds and checks addresses that no exchange of ours uses: three URLs and a sixth of a request's time.
    preHandler: (request, reply, done) => {
      try {
        send(request, reply)
      } catch (error) {
        done(error instanceof Error ? error : new GatewayError('GW_INTERNAL', { cause: error }))
      }
    },
    replyOptions: { getUpstream: () => sites.main.origin },
  })

  function send(request: FastifyRequest, reply: FastifyReply): void {
    const { route, permit, target, raw } = request
    if (route === null || permit === null || target === null)
      throw new GatewayError('GW_INTERNAL', { detail: 'no permit to forward' })
    if (request.isPreflight && route.cors.preflight === 'answer') {
      answerPreflight(request, reply, route)
      return
    }
    const passage = passageOf(route, request.site)
    const path = rewritePath(target.rawPath, target.path, route.prefixes)
    if (path === null) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'prefix_spelling' })
    // A bearer token decides alone, whatever session came along.
    const session = permit.identity === null || request.bearer !== null ? null : request.signedInSession
    const upgrade = isUpgrade(raw.headers)
    if (upgrade) requireUpgradable(raw, route, session)
    const pin = route.upstream.connectionAuth === 'pin' && session !== null ? pins.of(raw, session.id) : null
    const body = bodyOf(request, reply, passage)
    const bound = boundCookiesOf(request, route)
    const signsOut = asksForSignOut(request, { route, session })
    new Exchange(
      { request, reply, route, permit, session, passage, path, pin, body, upgrade, bound, signsOut },
      sender,
    ).begin()
  }

  function answerPreflight({ raw }: FastifyRequest, reply: FastifyReply, route: RouteSettings): void {
    for (const [name, value] of preflightHeaders(raw.headers, route)) reply.header(name, value)
    void reply.code(204).send()
  }

  function boundCookiesOf(request: FastifyRequest, route: RouteSettings): BoundCookies | null {
    if (route.bindCookies.length === 0) return null
    return new BoundCookies({ request, route, bindings: options.cookieBindings, now: options.now() })
  }

  function requireUpgradable(raw: IncomingMessage, route: RouteSettings, session: Session | null): void {
    if (!route.webSocket.allow) throw new GatewayError('GW_UPGRADE_UNSUPPORTED', { reason: 'upgrade' })
    const fault = raw.upgradeSocket === undefined ? 'upgrade_protocol' : upgradeFault(raw)
    if (fault !== null) throw new GatewayError('GW_REQUEST_REFUSED', { reason: fault })
    const open = session === null ? 0 : streams.webSocketsOf(session.id)
    if (open >= route.webSocket.maxPerSession)
      throw new GatewayError('GW_TOO_MANY_REQUESTS', { reason: 'web_sockets', headers: { 'retry-after': '30' } })
  }

  function bodyOf({ raw }: FastifyRequest, reply: FastifyReply, { bodyRules }: Passage): RequestBody | null {
    if (!hasBody(raw)) return null
    const { maxBytes } = bodyRules
    if (maxBytes !== null && Number(raw.headers['content-length'] ?? 0) > maxBytes)
      throw new GatewayError('GW_BODY_TOO_LARGE', { reason: 'body_too_large' })
    const wanted = (): void => {
      if (raw.expectsContinue === true) reply.raw.writeContinue()
    }
    return new RequestBody(raw, { rules: bodyRules, wanted })
  }

  function fail({ request, reply }: Errand, failure: GatewayError): void {
    request.outcome.reason = failure.reason ?? null
    if (failure.code.startsWith('GW_UPSTREAM'))
      metrics.count('upstream_errors_total', { route: request.routeLabel, reason: failure.reason ?? '' })
    if (reply.raw.headersSent) {
      // The answer has begun: only a broken connection tells the client that it is not whole.
      breakOff(reply.raw)
      return
    }
    void reply.send(failure)
  }

  function asGatewayError(error: unknown): GatewayError {
    if (error instanceof GatewayError) return error
    const { code, reason } = options.upstreamFault(error)
    const headers = code === 'GW_OVERLOADED' ? { 'retry-after': '5' } : {}
    return new GatewayError(code, { cause: error, reason, headers })
  }
}

function messageOf(errand: Errand, { address }: Lease): Dispatcher.DispatchOptions {
  const { request, passage, path, body, upgrade } = errand
  return {
    path: address.pathPrefix + path.path + (request.target?.query ?? ''),
    method: request.method,
    headers: passage.headersFor(errand, address.host),
    body,
    headersTimeout: 0,
    bodyTimeout: 0,
    upgrade: upgrade ? 'websocket' : null,
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  const length = headers['content-length']
  return length === undefined ? headers['transfer-encoding'] !== undefined : length !== '0'
}
