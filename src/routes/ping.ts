import type { FastifyPluginAsync } from 'fastify'

export interface PingOptions {
  readonly path: string
  readonly serving: () => boolean
}

/** For load balancers: `ok` while this replica serves. The only address that is answered for any host. */
export const ping: FastifyPluginAsync<PingOptions> = async (app, { path, serving }) => {
  app.route({
    method: ['GET', 'HEAD'],
    url: path,
    config: { access: 'public', quiet: true, sessionless: true },
    handler: async (_request, reply) => {
      const ok = serving()
      return reply
        .code(ok ? 200 : 503)
        .header('cache-control', 'no-store')
        .type('text/plain; charset=utf-8')
        .send(ok ? 'ok' : 'unavailable')
    },
  })
}
