import type { FastifyPluginAsync } from 'fastify'
import { GatewayError } from '../domain/errors.ts'

export interface RefuseOptions {
  readonly path: string
  readonly methods: readonly string[]
}

/** Where refused targets end, so that they walk through the same hooks, metrics and log as everything else. */
export const refuse: FastifyPluginAsync<RefuseOptions> = async (app, { path, methods }) => {
  app.route({
    method: [...methods],
    url: path,
    config: { access: 'public', sessionless: true },
    handler: () => {
      throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'malformed' })
    },
  })
}
