import { createHash } from 'node:crypto'
import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Logger } from 'pino'
import type { Metrics } from '../adapters/metrics.ts'
import type { ErrorCode } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'

declare module 'fastify' {
  interface FastifyRequest {
    outcome: Outcome
    /** Called when the connection is gone or the answer is over, whichever comes first. */
    gone: (() => void) | null
  }
}

/** What became of a request, gathered on its way and written down once, when its answer is over. */
export interface Outcome {
  readonly startedAt: number
  code: ErrorCode | null
  reason: string | null
  /** Milliseconds on the clock of `performance.now`; null where the application was not asked. */
  upstreamAskedAt: number | null
  upstreamAnsweredAt: number | null
}

export interface ObserveOptions {
  readonly metrics: Metrics
  readonly log: Logger
  readonly people: 'hash' | 'sub' | 'email'
}

const hook: FastifyPluginCallback<ObserveOptions> = (app, { metrics, log, people }, ready) => {
  let inFlight = 0
  const nameOf = personNamer(people)

  const started = (): Outcome => ({
    startedAt: performance.now(),
    code: null,
    reason: null,
    upstreamAskedAt: null,
    upstreamAnsweredAt: null,
  })
  app.decorateRequest('outcome')
  app.decorateRequest('gone', null)

  app.addHook('onRequest', (request, reply, done) => {
    request.outcome = started()
    if (request.routeOptions.config.quiet === true) {
      done()
      return
    }
    metrics.set('requests_in_flight', (inFlight += 1), {})
    // `close` always comes, after aborts and hijacked answers too, where Fastify's own last hook does not.
    reply.raw.once('close', () => {
      metrics.set('requests_in_flight', (inFlight -= 1), {})
      request.gone?.()
      const complete = reply.raw.writableFinished
      count(request, reply.raw.statusCode, complete)
      write(request, reply.raw.statusCode, complete)
    })
    done()
  })

  function count(request: FastifyRequest, status: number, complete: boolean): void {
    const { outcome } = request
    const route = request.routeLabel
    const duration = performance.now() - outcome.startedAt
    metrics.count('requests_total', { route, method: request.method, status: String(status) })
    metrics.observe('request_duration_seconds', duration / 1000, { route })
    if (!complete) metrics.count('client_disconnects_total', { route })
    if (outcome.upstreamAskedAt === null) {
      metrics.observe('overhead_seconds', duration / 1000, { route })
    } else {
      metrics.observe('overhead_seconds', (outcome.upstreamAskedAt - outcome.startedAt) / 1000, { route })
      if (outcome.upstreamAnsweredAt !== null) {
        metrics.observe('upstream_duration_seconds', (outcome.upstreamAnsweredAt - outcome.upstreamAskedAt) / 1000, {
          route,
        })
      }
    }
  }

  function write(request: FastifyRequest, status: number, complete: boolean): void {
    const { outcome } = request
    const { identity } = request
    log.info(
      {
        event: 'request',
        requestId: request.id,
        route: request.routeLabel,
        method: request.method,
        path: request.target?.rawPath ?? refusedPath(request),
        status,
        ...(outcome.code === null ? {} : { code: outcome.code }),
        ...(outcome.reason === null ? {} : { reason: outcome.reason }),
        ...(identity === null ? {} : nameOf(identity)),
        client: request.ip,
        durationMs: rounded(performance.now() - outcome.startedAt),
        ...(outcome.upstreamAskedAt === null || outcome.upstreamAnsweredAt === null
          ? {}
          : { upstreamMs: rounded(outcome.upstreamAnsweredAt - outcome.upstreamAskedAt) }),
        ...(complete ? {} : { aborted: true }),
      },
      'request',
    )
  }
  ready()
}

/** A target that was refused is logged as it came, without its query, and never longer than helps. */
const refusedPath = (request: FastifyRequest): string => request.originalUrl.split('?', 1)[0]?.slice(0, 200) ?? ''

const rounded = (milliseconds: number): number => Math.round(milliseconds * 10) / 10

/** How people are named in the log: by a hash that tells them apart, by subject, or by e-mail where the operator wants it. */
function personNamer(people: ObserveOptions['people']): (identity: Identity) => Readonly<Record<string, string>> {
  const hashes = new WeakMap<Identity, string>()
  return (identity) => {
    if (identity.kind === 'machine') return { machine: identity.clientId }
    if (people === 'sub') return { sub: identity.subject }
    if (people === 'email' && identity.email !== undefined) return { sub: identity.subject, email: identity.email }
    const known = hashes.get(identity) ?? createHash('sha256').update(identity.subject).digest('base64url').slice(0, 16)
    hashes.set(identity, known)
    return { person: known }
  }
}

export const observe = fp(hook, { name: 'observe', fastify: '5.x' })
