import type { FastifyPluginCallback } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import type { Overload } from '../adapters/overload.ts'
import { GatewayError } from '../domain/errors.ts'

export interface ShedOptions {
  readonly overload: Overload
  readonly metrics: Metrics
}

/**
 * Refuses new requests while the process has more to do than it can, so that those under way are finished. Probes are answered still, and
 * while memory is short one request at a time.
 */
const hook: FastifyPluginCallback<ShedOptions> = (app, { overload, metrics }, ready) => {
  let letIn = false

  app.addHook('onRequest', (request, reply, done) => {
    const { reason } = overload
    if (reason === null || request.routeOptions.config.quiet === true) {
      done()
      return
    }
    // Where memory does not get free by refusing, because it is what the process needs at the least, nobody would ever be served again.
    if (reason === 'memory' && !letIn) {
      letIn = true
      reply.raw.once('close', () => (letIn = false))
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
