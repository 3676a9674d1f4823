import type { FastifyPluginAsync } from 'fastify'
import type { Metrics } from '../adapters/metrics.ts'

export interface MetricsOptions {
  readonly metrics: Metrics
  /** Brings gauges up to date that nobody sets as they change. */
  readonly refresh: () => void
}

/** Everything that is counted, in the format of Prometheus. */
export const metricsRoute: FastifyPluginAsync<MetricsOptions> = async (app, { metrics, refresh }) => {
  app.get('/metrics', async (_request, reply) => {
    refresh()
    const { text, contentType } = await metrics.expose()
    return reply.header('content-type', contentType).send(text)
  })
}
