import type { FastifyPluginCallback } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import type { Overload } from '../adapters/overload.ts'
import { GatewayError } from '../domain/errors.ts'

export interface ShedOptions {
  readonly overload: Overload
  readonly metrics: Metrics
}

/** Refuses new requests while the process has more to do than it can, so that those under way are finished. Probes are answered still. */
const hook: FastifyPluginCallback<ShedOptions> = (app, { overload, metrics }, ready) => {
  app.addHook('onRequest', (request, reply, done) => {
    const { reason } = overload
    if (reason === null || request.routeOptions.config.quiet === true) {
      done()
      return
    }
    metrics.count('requests_refused_total', { reason })
    // An open connection costs memory as well. Over HTTP/2 it is many clients' requests.
    if (request.raw.overHttp2 === undefined) reply.header('connection', 'close')
    done(new GatewayError('GW_OVERLOADED', { reason, headers: { 'retry-after': '5' } }))
  })
  ready()
}

export const shed = fp(hook, { name: 'shed', fastify: '5.x', dependencies: ['observe'] })
