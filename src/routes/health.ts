import type { FastifyPluginAsync } from 'fastify'

export interface HealthOptions {
  /** Null while ready; else why not, in a word. */
  readonly unreadiness: () => string | null
}

/** Probes of the admin port. Alive means that the event loop answers; neither Cognito nor any store can make a restart useful. */
export const health: FastifyPluginAsync<HealthOptions> = async (app, { unreadiness }) => {
  app.get('/livez', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok'))
  app.get('/readyz', async (_request, reply) => {
    const why = unreadiness()
    return reply
      .code(why === null ? 200 : 503)
      .type('text/plain; charset=utf-8')
      .send(why ?? 'ok')
  })
}
