import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import type { PersonNames } from '../adapters/person-names.ts'
import type { RequestLog } from '../adapters/request-log.ts'
import type { ErrorCode } from '../domain/errors.ts'

declare module 'fastify' {
  interface FastifyRequest {
    outcome: Outcome
    /** Whoever works on the answer: told to stop when the client has gone away. An object, because a closure per request outlives its request. */
    underway: { leave(): void } | null
  }
}

/** What became of a request, gathered on its way and written down once, when its answer is over. */
export interface Outcome {
  readonly startedAt: number
  code: ErrorCode | null
  reason: string | null
  /** What the rule would have refused the request for, did it not only report that. */
  wouldDeny: string | null
  /** The sign-in that it belongs to. */
  attempt: string | null
  /** Milliseconds on the clock of `performance.now`; null where the application was not asked. */
  upstreamAskedAt: number | null
  upstreamAnsweredAt: number | null
}

export interface ObserveOptions {
  readonly metrics: Metrics
  readonly requestLog: RequestLog
  readonly names: PersonNames
}

const hook: FastifyPluginCallback<ObserveOptions> = (app, { metrics, requestLog, names }, ready) => {
  // Of all servers of this process together.
  const inFlight = metrics.gauge('requests_in_flight', {})

  const started = (): Outcome => ({
    startedAt: performance.now(),
    code: null,
    reason: null,
    wouldDeny: null,
    attempt: null,
    upstreamAskedAt: null,
    upstreamAnsweredAt: null,
  })
  app.decorateRequest('outcome')
  app.decorateRequest('underway', null)

  app.addHook('onRequest', (request, reply, done) => {
    request.outcome = started()
    if (request.routeOptions.config.quiet === true) {
      done()
      return
    }
    inFlight.add(1)
    // `close` always comes, after aborts and hijacked answers too, where Fastify's own last hook does not.
    reply.raw.once('close', () => {
      inFlight.add(-1)
      request.underway?.leave()
      // Over HTTP/2 a stream that its client gave up counts as finished, though we never ended it.
      const complete = reply.raw.writableEnded && reply.raw.writableFinished
      count(request, reply.raw.statusCode, complete)
      write(request, reply.raw.statusCode, complete)
    })
    done()
  })

  const meters = createMeters(metrics)
  const headerBytes = metrics.histogram('request_header_bytes', {})

  function count(request: FastifyRequest, status: number, complete: boolean): void {
    const { startedAt, upstreamAskedAt, upstreamAnsweredAt } = request.outcome
    const meter = meters(request.routeLabel)
    const duration = performance.now() - startedAt
    meter.requests(request.method, status)
    headerBytes.observe(headerBytesOf(request.raw.rawHeaders))
    // An upgraded connection has no end of its answer to measure.
    if (status !== 101) meter.duration.observe(duration / 1000)
    if (!complete) metrics.count('client_disconnects_total', { route: request.routeLabel })
    meter.overhead.observe((upstreamAskedAt === null ? duration : upstreamAskedAt - startedAt) / 1000)
    if (upstreamAskedAt !== null && upstreamAnsweredAt !== null)
      meter.upstream.observe((upstreamAnsweredAt - upstreamAskedAt) / 1000)
  }

  function write(request: FastifyRequest, status: number, complete: boolean): void {
    const { outcome, identity } = request
    const { upstreamAskedAt, upstreamAnsweredAt } = outcome
    const who = identity === null ? names.nobody : names.of(identity)
    requestLog({
      requestId: request.id,
      route: request.routeLabel,
      method: request.method,
      path: request.target?.rawPath ?? refusedPath(request),
      status,
      code: outcome.code ?? undefined,
      reason: outcome.reason ?? undefined,
      wouldDeny: outcome.wouldDeny ?? undefined,
      attempt: outcome.attempt ?? undefined,
      person: who.person,
      sub: who.sub,
      email: who.email,
      machine: who.machine,
      client: request.peer.address,
      durationMs: rounded(performance.now() - outcome.startedAt),
      upstreamMs:
        upstreamAskedAt === null || upstreamAnsweredAt === null
          ? undefined
          : rounded(upstreamAnsweredAt - upstreamAskedAt),
      aborted: !complete,
      forwardAuth: request.raw.question !== undefined,
    })
  }
  ready()
}

/** What one route's requests move on every time, looked up once. */
interface Meter {
  requests(method: string, status: number): void
  readonly duration: { observe(seconds: number): void }
  readonly overhead: { observe(seconds: number): void }
  readonly upstream: { observe(seconds: number): void }
}

function createMeters(metrics: Metrics): (route: string) => Meter {
  const known = new Map<string, Meter>()
  return (route) => {
    let meter = known.get(route)
    if (meter === undefined) {
      meter = createMeter(metrics, route)
      known.set(route, meter)
    }
    return meter
  }
}

function createMeter(metrics: Metrics, route: string): Meter {
  const counters = new Map<string, { inc(): void }[]>()
  return {
    requests(method, status) {
      let byStatus = counters.get(method)
      if (byStatus === undefined) {
        byStatus = []
        counters.set(method, byStatus)
      }
      let counter = byStatus[status]
      if (counter === undefined) {
        counter = metrics.counter('requests_total', { route, method, status: String(status) })
        byStatus[status] = counter
      }
      counter.inc()
    },
    duration: metrics.histogram('request_duration_seconds', { route }),
    overhead: metrics.histogram('overhead_seconds', { route }),
    upstream: metrics.histogram('upstream_duration_seconds', { route }),
  }
}

// As HTTP/1.1 writes them: a colon and a space after each name, a line break after each value.
function headerBytesOf(rawHeaders: readonly string[]): number {
  let bytes = 0
  for (const text of rawHeaders) bytes += text.length + 2
  return bytes
}

/** A target that was refused is logged as it came, without its query, and never longer than helps. */
const refusedPath = (request: FastifyRequest): string => request.originalUrl.split('?', 1)[0]?.slice(0, 200) ?? ''

const rounded = (milliseconds: number): number => Math.round(milliseconds * 10) / 10

export const observe = fp(hook, { name: 'observe', fastify: '5.x' })
