import type { FastifyInstance } from 'fastify'
import { createServer, FORWARDED_METHODS, takeJourney } from './app.ts'
import type { Settings } from './config/settings.ts'
import { askedByProxy } from './listener/asked-by-proxy.ts'
import type { Parts } from './parts.ts'
import { FORWARD_PATH, REFUSE_PATH } from './plugins/locate.ts'
import { forwardAuth } from './routes/forward/forward-auth.ts'
import { refuse } from './routes/refuse.ts'

/** The server that tells another proxy who may pass: its question takes the same journey as the request that it is about. */
export async function createForwardAuth(
  parts: Parts,
  { host, port, proxy }: NonNullable<Settings['forwardAuth']>,
): Promise<FastifyInstance> {
  const { settings, trustedProxies } = parts
  const app = createServer(parts, {
    listen: { ...settings.listen, host, port, tls: undefined, http2: false },
    certificate: null,
    trustedProxies: withoutProxyProtocol(trustedProxies),
    shape: askedByProxy({ proxy, path: `${settings.endpoints.prefix}/auth` }),
  })
  await takeJourney(app, parts, proxy)

  await app.register(refuse, { path: REFUSE_PATH, methods: FORWARDED_METHODS })
  await app.register(forwardAuth, {
    path: FORWARD_PATH,
    methods: FORWARDED_METHODS,
    proxy,
    upstreams: parts.upstreams,
    proofs: parts.proofs,
    overload: parts.overload,
    sites: parts.sites,
    routes: parts.routes,
  })
  return app
}

/** Proxies announce their clients' connections so, and not their own questions. */
const withoutProxyProtocol = (proxies: Parts['trustedProxies']): Parts['trustedProxies'] => ({
  believed: (address) => proxies.believed(address),
  proxyProtocol: false,
  speaksProxyProtocol: () => false,
})
