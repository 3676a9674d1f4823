import { randomUUID } from 'node:crypto'
import { METHODS } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import { createBrokenRequestHandler } from './listener/broken-request.ts'
import { Listener } from './listener/listener.ts'
import { SCRIPT_VERSION } from './pages/script.ts'
import type { Parts } from './parts.ts'
import { authenticate } from './plugins/authenticate.ts'
import { authorize } from './plugins/authorize.ts'
import { endSession } from './plugins/end-session.ts'
import { bearer } from './plugins/bearer.ts'
import { errorHandler } from './plugins/error-handler.ts'
import { keepForm } from './plugins/keep-form.ts'
import { createRewriteUrl, locate, REFUSE_PATH } from './plugins/locate.ts'
import { observe } from './plugins/observe.ts'
import { peer } from './plugins/peer.ts'
import { sessionCookie } from './plugins/session-cookie.ts'
import { shed } from './plugins/shed.ts'
import { forward } from './routes/forward/forward.ts'
import { keys } from './routes/keys.ts'
import { login } from './routes/login/login.ts'
import { ownForms } from './routes/own-forms.ts'
import { ping } from './routes/ping.ts'
import { refuse } from './routes/refuse.ts'
import { resume } from './routes/resume.ts'
import { signOut } from './routes/sign-out.ts'
import { userinfo } from './routes/userinfo.ts'

/** Longest body of the gateway's own forms; bodies for applications pass through uncounted. */
const OWN_BODY_BYTES = 16_384

/** The public server. What follows is a request's journey, in the order of travel. */
export async function createApp(parts: Parts): Promise<FastifyInstance> {
  const { settings, log, metrics, now, self, sites, pools, lifecycle, store, refresher, csrf, states } = parts
  const { prefix } = settings.endpoints
  const maxAgeSeconds = settings.session.maxAgeSeconds
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  const signInEndpoint = `${prefix}/${settings.pools.some(({ identityProviders }) => identityProviders.length > 1) ? 'sign_in' : 'start'}`

  const script = `${prefix}/keep.js?${SCRIPT_VERSION}`

  const app = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    rewriteUrl: createRewriteUrl(prefix),
    bodyLimit: OWN_BODY_BYTES,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    serverFactory: (handler) =>
      new Listener(
        {
          listen: settings.listen,
          certificate: parts.certificate,
          trustedProxies: parts.trustedProxies,
          metrics,
          log,
        },
        handler,
      ),
    clientErrorHandler: createBrokenRequestHandler(metrics, log),
  })
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  // Own endpoints read no body but the one form that says so.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))

  // What happens to every request on its way
  await app.register(keepForm, { forms: parts.keptForms, self, log, now })
  await app.register(errorHandler, { log, self, csrf, signInEndpoint, signOutEndpoint: `${prefix}/sign_out`, script })
  await app.register(observe, { metrics, requestLog: parts.requestLog, names: parts.names })
  await app.register(shed, { overload: parts.overload, metrics })
  await app.register(peer, {
    trustedProxies: parts.trustedProxies,
    metrics,
    publicUrl: settings.publicUrl,
    servedHosts: new Set(sites.byHost.keys()),
  })
  await app.register(locate, { table: parts.table, metrics, ownPrefix: prefix, sites })
  await app.register(bearer, { bearers: parts.bearers })
  await app.register(sessionCookie, { stores: parts.stores, metrics, now, maxAgeSeconds, book: parts.book })
  await app.register(endSession, {
    pools,
    store,
    tokenRevoker: parts.tokenRevoker,
    cookieBindings: parts.cookieBindings,
    metrics,
    log,
    ownPrefix: prefix,
  })
  await app.register(authenticate, { bearers: parts.bearers, refresher, limits: settings.session, metrics, now })
  await app.register(authorize, { metrics })

  // What the gateway answers itself
  await app.register(refuse, { path: REFUSE_PATH, methods })
  await app.register(ping, { path: settings.endpoints.ping, serving: () => lifecycle.listening && !lifecycle.draining })
  await app.register(login, {
    pools,
    states,
    book: parts.book,
    ticks: parts.ticks,
    findLogins: parts.findLogins,
    sessionLimits: settings.session,
    maxHeaderBytes: settings.listen.maxHeaderBytes,
    version: parts.version,
    script,
    signInsPerMinute: settings.limits.signInsPerMinutePerAddress,
    metrics,
    log,
    now,
    ownPrefix: prefix,
    sites,
    handovers: parts.handovers,
    stores: parts.stores,
    store,
    keepClaims: parts.keepClaims,
    keepTokens: parts.keepTokens,
    revocations: parts.revocations,
    self,
    attemptKeys: parts.attemptKeys,
  })
  await app.register(async (forms) => {
    await forms.register(ownForms)
    await forms.register(signOut, {
      csrf,
      revocations: parts.revocations,
      log,
      now,
      self,
      ownPrefix: prefix,
    })
    await forms.register(resume, { forms: parts.keptForms, csrf, self, script, log, now })
  })
  await app.register(keys, { ownPrefix: prefix, assertion: parts.signingKeys.assertion, alb: parts.signingKeys.alb })
  await app.register(userinfo, { ownPrefix: prefix, limits: settings.session })

  // What goes on to the applications
  await app.register(forward, {
    upstreams: parts.upstreams,
    upstreamFault: parts.upstreamFault,
    proofs: parts.proofs,
    overload: parts.overload,
    streams: parts.streams,
    cookieBindings: parts.cookieBindings,
    now,
    metrics,
    log,
    routes: parts.routes,
    sites,
    methods,
    draining: () => lifecycle.draining,
  })
  return app
}
