import Fastify, { type FastifyInstance } from 'fastify'
import { ownHosts } from './own-hosts.ts'
import type { Parts } from './parts.ts'
import { adminPages, type AdminPagesOptions } from './routes/admin-pages.ts'
import { health, type HealthOptions } from './routes/health.ts'
import { metricsRoute, type MetricsOptions } from './routes/metrics.ts'

export interface AdminOptions extends HealthOptions, MetricsOptions, AdminPagesOptions {
  readonly host: string
}

/** The private server: health, metrics and pages to read, GET only, on a port of its own. */
export async function createAdmin(options: AdminOptions): Promise<FastifyInstance> {
  const { host, unreadiness, expose } = options
  const app = Fastify({ logger: false, forceCloseConnections: true })
  const isOwn = ownHosts(host)

  app.addHook('onRequest', async (request, reply) => {
    if (!isOwn(request.headers.host))
      await reply.code(421).send('This host is not served here: ask by address or by localhost\n')
  })

  await app.register(health, { unreadiness })
  await app.register(metricsRoute, { expose })
  await app.register(adminPages, options)
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send('There is nothing at this address\n'))
  return app
}

/** Brings gauges up to date that nobody sets as they change. */
export function updateGauges({ metrics, keysAgeSeconds, upstreams, redis }: Parts): void {
  const keysAge = keysAgeSeconds()
  if (keysAge !== null) metrics.set('jwks_age_seconds', keysAge, {})
  for (const { upstream, idle, busy, isShut } of upstreams.census()) {
    metrics.set('upstream_connections', idle, { upstream, state: 'idle' })
    metrics.set('upstream_connections', busy, { upstream, state: 'busy' })
    metrics.set('circuit_open', isShut ? 1 : 0, { target: upstream })
  }
  if (redis !== null) metrics.set('circuit_open', redis.up ? 0 : 1, { target: 'session_store' })
}
