import type { ServerResponse } from 'node:http'
import httpProxy from '@fastify/http-proxy'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import type { Metrics } from '../adapters/metrics.ts'
import type { UpstreamFault, Upstreams } from '../adapters/upstreams.ts'
import type { RouteSettings } from '../config/settings.ts'
import type { Permit } from '../domain/access.ts'
import { isUpgrade } from '../domain/client-kind.ts'
import { GatewayError } from '../domain/errors.ts'
import { withIdentity, type Forwarding } from '../domain/identity-headers.ts'
import { answerHeaders, type AnswerRules } from '../domain/answer-headers.ts'

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

const HELD_BYTES = 65_536

interface ExchangeOptions {
  readonly fail: (error: unknown) => void
  readonly idleMs: number
  readonly rules: Pick<AnswerRules, 'identified' | 'optional' | 'closing'>
}

/** One exchange with an application: its answer goes to the client as it comes, raw headers in, raw headers out. */
class Exchange implements Dispatcher.DispatchHandler {
  readonly #request: FastifyRequest
  readonly #reply: FastifyReply
  readonly #response: ServerResponse
  readonly #options: ExchangeOptions
  #controller: Dispatcher.DispatchController | null = null
  #status = 0
  #head: string[] = []
  /** A short answer of known length is held until it is whole: one write, and a clean error if it never gets whole. */
  #held: Buffer | null = null
  #heldLength = -1
  #idle: NodeJS.Timeout | null = null
  /** Event streams may be quiet for as long as they like. */
  #timed = false
  #over = false

  constructor(request: FastifyRequest, reply: FastifyReply, options: ExchangeOptions) {
    this.#request = request
    this.#reply = reply
    this.#response = reply.raw
    this.#options = options
    this.#response.once('close', () => {
      if (this.#over) return
      this.#over = true
      this.#stopClock()
      this.#controller?.abort(new Error('the client went away'))
    })
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller
    if (this.#over) controller.abort(new Error('the client went away'))
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    if (status < 200) return
    this.#request.outcome.upstreamAnsweredAt = performance.now()
    const raw = rawPairs(controller.rawHeaders)
    const answer = answerHeaders(raw, {
      ...this.#options.rules,
      cookies: this.#request.setCookies,
      cookiesAreOptional: this.#request.setCookiesAreOptional,
    })
    this.#status = status
    this.#head = answer.headers
    const bodyless = this.#request.method === 'HEAD' || status === 204 || status === 304
    if (bodyless || (answer.contentLength >= 0 && answer.contentLength <= HELD_BYTES)) {
      this.#heldLength = bodyless ? 0 : answer.contentLength
      return
    }
    this.#begin()
    this.#timed = !answer.eventStream
    this.#startClock()
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#over) return
    if (this.#heldLength >= 0) {
      this.#held = this.#held === null ? chunk : Buffer.concat([this.#held, chunk])
      return
    }
    this.#idle?.refresh()
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#stopClock()
    this.#response.once('drain', () => {
      controller.resume()
      this.#startClock()
    })
  }

  onResponseEnd(): void {
    if (this.#over) return
    this.#stopClock()
    // May throw for a header that Node will not write; then this exchange has failed and is not over.
    if (this.#heldLength >= 0) this.#begin()
    this.#over = true
    this.#response.end(this.#held ?? undefined)
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    this.#stopClock()
    if (this.#over) return
    this.#over = true
    this.#options.fail(error)
  }

  /** From here on the answer is the application's; until here the error handler could still have spoken. */
  #begin(): void {
    this.#response.writeHead(this.#status, this.#head)
    this.#reply.hijack()
  }

  #startClock(): void {
    const { idleMs } = this.#options
    if (this.#over || !this.#timed || this.#idle !== null) return
    this.#idle = setTimeout(
      () => this.#controller?.abort(Object.assign(new Error('idle'), { code: 'UND_ERR_BODY_TIMEOUT' })),
      idleMs,
    )
  }

  #stopClock(): void {
    if (this.#idle !== null) clearTimeout(this.#idle)
    this.#idle = null
  }
}

function rawPairs(raw: Dispatcher.DispatchController['rawHeaders']): readonly string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}
