import Fastify, { type FastifyInstance } from 'fastify'
import { ownHosts } from './own-hosts.ts'
import type { Parts } from './parts.ts'
import { health, type HealthOptions } from './routes/health.ts'
import { metricsRoute, type MetricsOptions } from './routes/metrics.ts'

/** How long a start waits for the user pool's keys before it serves what can be served without them. */
const KEYS_PATIENCE_MS = 20_000

export interface AdminOptions extends HealthOptions, MetricsOptions {
  readonly host: string
}

/** The private server: health and metrics, GET only, on a port of its own. */
export async function createAdmin({ host, unreadiness, expose }: AdminOptions): Promise<FastifyInstance> {
  const app = Fastify({ logger: false, forceCloseConnections: true })
  const isOwn = ownHosts(host)

  app.addHook('onRequest', async (request, reply) => {
    if (!isOwn(request.headers.host))
      await reply.code(421).send('This host is not served here: ask by address or by localhost\n')
  })

  await app.register(health, { unreadiness })
  await app.register(metricsRoute, { expose })
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send('There is nothing at this address\n'))
  return app
}

/** Why this process is not ready, for a gateway without workers. */
export function unreadiness({ lifecycle, verifier, revocations, ticks }: Parts): string | null {
  if (lifecycle.draining) return 'draining'
  if (!lifecycle.listening) return 'starting'
  if (!revocations.known) return REVOCATIONS_UNKNOWN
  return verifier.keysAgeSeconds !== null || waitedForKeys({ lifecycle, ticks }) ? null : WAITING
}

/** Until then nobody can say whose session still is one; it lasts as long as Redis has not answered since the start. */
export const REVOCATIONS_UNKNOWN = 'waiting for Redis to say which sessions were ended'

export const WAITING = "waiting for the user pool's keys"

/** Whether a gateway that still has no keys serves what it can without them. */
export function waitedForKeys({ lifecycle, ticks }: Pick<Parts, 'lifecycle' | 'ticks'>): boolean {
  return ticks() >= lifecycle.startedAt + KEYS_PATIENCE_MS
}

/** Brings gauges up to date that nobody sets as they change. */
export function updateGauges({ metrics, verifier, upstreams }: Parts): void {
  if (verifier.keysAgeSeconds !== null) metrics.set('jwks_age_seconds', verifier.keysAgeSeconds, {})
  for (const { upstream, idle, busy, isShut } of upstreams.census()) {
    metrics.set('upstream_connections', idle, { upstream, state: 'idle' })
    metrics.set('upstream_connections', busy, { upstream, state: 'busy' })
    metrics.set('circuit_open', isShut ? 1 : 0, { target: upstream })
  }
}
