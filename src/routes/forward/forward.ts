import httpProxy from '@fastify/http-proxy'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from '../../adapters/metrics.ts'
import type { UpstreamFault, Upstreams } from '../../adapters/upstreams.ts'
import type { RouteSettings } from '../../config/settings.ts'
import type { Permit } from '../../domain/access.ts'
import { isUpgrade } from '../../domain/client-kind.ts'
import { GatewayError } from '../../domain/errors.ts'
import { withIdentity, type Forwarding } from '../../domain/identity-headers.ts'
import { Exchange } from './exchange.ts'

export interface ForwardOptions {
  readonly upstreams: Upstreams
  readonly upstreamFault: (error: unknown) => UpstreamFault
  readonly metrics: Metrics
  readonly publicUrl: string
  readonly methods: readonly string[]
  /** While true, answers ask the client to come back on another connection. */
  readonly draining: () => boolean
}

/** The one mount for every application: whoever gets here was found in the route table and holds a permit. */
export const forward: FastifyPluginAsync<ForwardOptions> = async (app, options) => {
  const { upstreams, metrics, publicUrl, methods } = options
  const { protocol, host, port } = new URL(publicUrl)
  const proto = protocol.slice(0, -1)
  const publicPort = port !== '' ? port : proto === 'https' ? '443' : '80'

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
    handler: send,
    replyOptions: { getUpstream: () => publicUrl },
  })

  function send(request: FastifyRequest, reply: FastifyReply): undefined {
    const { route, permit, target } = request
    if (route === null || permit === null || target === null)
      throw new GatewayError('GW_INTERNAL', { detail: 'no permit to forward' })
    if (isUpgrade(request.raw.headers)) throw new GatewayError('GW_UPGRADE_UNSUPPORTED', { reason: 'upgrade' })
    const upstream = upstreamAddress(route)
    const exchange = new Exchange(request, reply, {
      fail: (error) => fail(request, reply, error),
      idleMs: route.upstream.idleSeconds * 1000,
      rules: {
        identified: permit.identity !== null,
        optional: route.access === 'optional',
        closing: options.draining(),
      },
    })
    request.outcome.upstreamAskedAt = performance.now()
    upstreams.of(route.upstream).dispatch(
      {
        path: upstream.path + target.rawPath + target.query,
        method: request.method,
        headers: headersFor(request, permit, upstream.host),
        body: hasBody(request) ? request.raw : null,
        headersTimeout: route.upstream.responseSeconds * 1000,
        bodyTimeout: 0,
      },
      exchange,
    )
    return undefined
  }

  function headersFor(request: FastifyRequest, permit: Permit, upstreamHost: string | null): string[] {
    const { route, raw } = request
    if (route === null) throw new GatewayError('GW_INTERNAL', { detail: 'no route to forward to' })
    const trace = request.id.replaceAll('-', '')
    const forwarding: Forwarding = {
      host: upstreamHost ?? raw.headers.host ?? host,
      clientAddress: request.ip,
      proto,
      publicHost: host,
      publicPort,
      requestId: request.id,
      traceparent: `00-${trace}-${trace.slice(16)}-00`,
      dropAuthorization: request.bearer !== null,
    }
    return withIdentity(raw.rawHeaders, permit, route.identity, forwarding)
  }

  function fail(request: FastifyRequest, reply: FastifyReply, error: unknown): void {
    const { code, reason } = options.upstreamFault(error)
    metrics.count('upstream_errors_total', { route: request.routeLabel, reason })
    request.outcome.reason = reason
    if (reply.raw.headersSent) {
      // The answer has begun: only a broken connection tells the client that it is not whole.
      reply.raw.destroy()
      return
    }
    void reply.send(new GatewayError(code, { cause: error, reason }))
  }
}

const addresses = new WeakMap<RouteSettings, { readonly path: string; readonly host: string | null }>()

/** Path prefix and Host header of a route's upstream; a null host means the browser's own. */
function upstreamAddress(route: RouteSettings): { readonly path: string; readonly host: string | null } {
  let address = addresses.get(route)
  if (address === undefined) {
    const url = new URL(route.upstream.url)
    const { host } = route.upstream
    address = {
      path: url.pathname.replace(/\/$/, ''),
      host: host === 'preserve' ? null : host === 'upstream' ? url.host : host,
    }
    addresses.set(route, address)
  }
  return address
}

function hasBody({ raw }: FastifyRequest): boolean {
  const length = raw.headers['content-length']
  return length === undefined ? raw.headers['transfer-encoding'] !== undefined : length !== '0'
}
