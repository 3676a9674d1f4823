import { isIP } from 'node:net'
import { hostname } from 'node:os'
import Fastify, { type FastifyInstance } from 'fastify'
import { parseHost } from './domain/route-table.ts'
import type { Parts } from './parts.ts'
import { health } from './routes/health.ts'
import { metricsRoute } from './routes/metrics.ts'

/** How long a start waits for the user pool's keys before it serves what can be served without them. */
const KEYS_PATIENCE_MS = 20_000

/** The private server: health and metrics, GET only, on a port of its own. */
export async function createAdmin(parts: Parts): Promise<FastifyInstance> {
  const { settings, metrics, verifier, now } = parts
  const app = Fastify({ logger: false, forceCloseConnections: true })
  const ownNames = new Set(['localhost', settings.admin.host.toLowerCase(), hostname().toLowerCase()])

  // A page of another site can be made to resolve to this address; its Host header then still names that site.
  app.addHook('onRequest', async (request, reply) => {
    const host = parseHost(request.headers.host)
    const known = host !== null && (ownNames.has(host) || isIP(host.replaceAll(/^\[|\]$/g, '')) !== 0)
    if (!known) await reply.code(421).send('This host is not served here: ask by address or by localhost\n')
  })

  await app.register(health, { unreadiness: () => unreadiness(parts) })
  await app.register(metricsRoute, {
    metrics,
    refresh: () => {
      if (verifier.keysFetchedAt !== null) metrics.set('jwks_age_seconds', (now() - verifier.keysFetchedAt) / 1000, {})
    },
  })
  app.setNotFoundHandler(async (_request, reply) => reply.code(404).send('There is nothing at this address\n'))
  return app
}

function unreadiness({ lifecycle, verifier, now }: Parts): string | null {
  if (lifecycle.draining) return 'draining'
  if (!lifecycle.listening) return 'starting'
  const waited = now() >= lifecycle.startedAt + KEYS_PATIENCE_MS
  return verifier.keysFetchedAt !== null || waited ? null : "waiting for the user pool's keys"
}
