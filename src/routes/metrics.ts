import type { FastifyPluginAsync } from 'fastify'
import type { Exposition } from '../adapters/metrics.ts'

export interface MetricsOptions {
  readonly expose: () => Promise<Exposition>
}

/** Everything that is counted, in the format of Prometheus. */
export const metricsRoute: FastifyPluginAsync<MetricsOptions> = async (app, { expose }) => {
  app.get('/metrics', async (_request, reply) => {
    const { text, contentType } = await expose()
    return reply.header('content-type', contentType).send(text)
  })
}
