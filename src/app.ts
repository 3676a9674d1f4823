import { randomUUID } from 'node:crypto'
import { METHODS, type IncomingMessage } from 'node:http'
import Fastify, { type FastifyInstance } from 'fastify'
import type { AskingProxy } from './domain/proxy-question.ts'
import { createBrokenRequestHandler } from './listener/broken-request.ts'
import { Listener, type ListenerOptions } from './listener/listener.ts'
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
import { question, statusForNginx } from './plugins/question.ts'
import { sendPage } from './plugins/send-page.ts'
import { sessionCookie } from './plugins/session-cookie.ts'
import { shed } from './plugins/shed.ts'
import { unreadiness } from './readiness.ts'
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

/** Methods with which applications may be asked. */
export const FORWARDED_METHODS: readonly string[] = METHODS.filter((method) => method !== 'CONNECT')

export interface ServerPlace extends Pick<ListenerOptions, 'listen' | 'certificate' | 'trustedProxies'> {
  /** Gives a request another shape before anybody looks at it. */
  readonly shape?: (raw: IncomingMessage) => void
}

/** A server that judges requests for applications; without hooks and routes yet. */
export function createServer(parts: Parts, { shape, ...place }: ServerPlace): FastifyInstance {
  const { settings, log, metrics } = parts
  const app = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    rewriteUrl: createRewriteUrl(settings.endpoints.prefix),
    bodyLimit: OWN_BODY_BYTES,
    exposeHeadRoutes: false,
    forceCloseConnections: 'idle',
    serverFactory: (handler) =>
      new Listener({ ...place, metrics, log }, (raw, response) => {
        shape?.(raw)
        handler(raw, response)
      }),
    clientErrorHandler: createBrokenRequestHandler(metrics, log),
  })
  for (const method of FORWARDED_METHODS)
    if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  // Own endpoints read no body but the one form that says so.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))
  return app
}

/** What happens to every request on its way, in the order of travel; also to one that a proxy in front asks about. */
export async function takeJourney(app: FastifyInstance, parts: Parts, asking?: AskingProxy): Promise<void> {
  const { settings, log, metrics, now, self, sites, pools, store, refresher, csrf } = parts
  const { prefix } = settings.endpoints
  const maxAgeSeconds = settings.session.maxAgeSeconds
  const isChoice = settings.pools.some(({ identityProviders }) => identityProviders.length > 1)
  const signInEndpoint = `${prefix}/${isChoice ? 'sign_in' : 'start'}`
  const script = scriptOf(parts)

  await app.register(sendPage, { https: settings.publicUrl.startsWith('https:'), brandOf: parts.brandOf })
  await app.register(keepForm, { forms: parts.keptForms, self, log, now })
  const signOutEndpoint = `${prefix}/sign_out`
  const statusFor = asking === 'nginx' ? statusForNginx : undefined
  await app.register(errorHandler, { log, self, csrf, signInEndpoint, signOutEndpoint, script, statusFor })
  await app.register(observe, { metrics, requestLog: parts.requestLog, names: parts.names })
  if (asking !== undefined) await app.register(question, { proxy: asking, metrics })
  await app.register(shed, { overload: parts.overload, metrics })
  await app.register(peer, {
    trustedProxies: parts.trustedProxies,
    metrics,
    publicUrl: settings.publicUrl,
    servedHosts: new Set(sites.byHost.keys()),
  })
  await app.register(locate, {
    table: parts.table,
    metrics,
    ownPrefix: prefix,
    sites,
    overridesReach: asking !== undefined,
  })
  await app.register(bearer, { bearers: parts.bearers, basicClients: parts.basicClients })
  await app.register(sessionCookie, { stores: parts.stores, metrics, now, maxAgeSeconds, book: parts.book })
  await app.register(endSession, {
    pools,
    store,
    tokenRevoker: parts.tokenRevoker,
    cookieBindings: parts.cookieBindings,
    metrics,
    log,
    names: parts.names,
    ownPrefix: prefix,
  })
  await app.register(authenticate, {
    bearers: parts.bearers,
    basicClients: parts.basicClients,
    refresher,
    limits: settings.session,
    metrics,
    now,
  })
  await app.register(authorize, { metrics, routes: parts.routes, now })
}

/** Address of the script of our pages. */
const scriptOf = ({ settings }: Parts): string => `${settings.endpoints.prefix}/keep.js?${SCRIPT_VERSION}`

/** The public server: the journey, and where it leads. */
export async function createApp(parts: Parts): Promise<FastifyInstance> {
  const { settings, log, metrics, now, self, sites, pools, lifecycle, store, csrf, states } = parts
  const { prefix } = settings.endpoints
  const methods = FORWARDED_METHODS
  const script = scriptOf(parts)
  const { certificate, trustedProxies } = parts
  const app = createServer(parts, { listen: settings.listen, certificate, trustedProxies })
  await takeJourney(app, parts)

  // What the gateway answers itself
  await app.register(refuse, { path: REFUSE_PATH, methods })
  await app.register(ping, { path: settings.endpoints.ping, serving: () => unreadiness(parts) === null })
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
    names: parts.names,
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
      sites,
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
