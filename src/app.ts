import { randomUUID } from 'node:crypto'
import { METHODS } from 'node:http'
import type { Socket } from 'node:net'
import Fastify, { type FastifyInstance } from 'fastify'
import { catalogue, type ErrorCode } from './domain/errors.ts'
import type { Parts } from './parts.ts'
import { authenticate } from './plugins/authenticate.ts'
import { authorize } from './plugins/authorize.ts'
import { errorHandler } from './plugins/error-handler.ts'
import { createRewriteUrl, locate, REFUSE_PATH } from './plugins/locate.ts'
import { observe } from './plugins/observe.ts'
import { sessionCookie } from './plugins/session-cookie.ts'
import { forward } from './routes/forward/forward.ts'
import { login } from './routes/login/login.ts'
import { ping } from './routes/ping.ts'
import { refuse } from './routes/refuse.ts'
import { signOut } from './routes/sign-out.ts'
import { userinfo } from './routes/userinfo.ts'

/** Longest body of the gateway's own forms; bodies for applications pass through uncounted. */
const OWN_BODY_BYTES = 16_384
const CONNECTION_CHECK_MS = 5_000

/** The public server. What follows is a request's journey, in the order of travel. */
export async function createApp(parts: Parts): Promise<FastifyInstance> {
  const { settings, log, metrics, now, self, pool, lifecycle, cognito, store, refresher, csrf, states } = parts
  const { prefix, callback } = settings.endpoints
  const maxAgeSeconds = settings.session.maxAgeSeconds
  const publicHost = new URL(settings.publicUrl).hostname
  const methods = METHODS.filter((method) => method !== 'CONNECT')
  const signInEndpoint = `${prefix}/${pool.identityProviders.length > 1 ? 'sign_in' : 'start'}`

  const app = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    rewriteUrl: createRewriteUrl(prefix),
    bodyLimit: OWN_BODY_BYTES,
    exposeHeadRoutes: false,
    keepAliveTimeout: settings.listen.keepAliveTimeoutSeconds * 1000,
    forceCloseConnections: 'idle',
    clientErrorHandler: answerBrokenRequest,
    http: {
      maxHeaderSize: settings.listen.maxHeaderBytes,
      headersTimeout: settings.listen.headersTimeoutSeconds * 1000,
      // No limit on a whole request: uploads take as long as they take.
      requestTimeout: 0,
      connectionsCheckingInterval: CONNECTION_CHECK_MS,
      // We answer a missing Host ourselves, with the code of the catalogue.
      requireHostHeader: false,
    },
  })
  // Node would drop headers beyond its count without a word; the size limits them, and locate counts.
  app.server.maxHeadersCount = 0
  for (const method of methods) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method, { hasBody: true })
  // Own endpoints read no body but the one form that says so.
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _payload, done) => done(null))

  // What happens to every request on its way
  await app.register(errorHandler, { log, self, csrf, signInEndpoint, signOutEndpoint: `${prefix}/sign_out` })
  await app.register(observe, { metrics, log, people: settings.log.people })
  await app.register(locate, { table: parts.table, metrics, servedHosts: new Set([publicHost]) })
  await app.register(sessionCookie, { store, metrics, now, maxAgeSeconds })
  await app.register(authenticate, { bearers: parts.bearers, store, refresher, limits: settings.session, metrics, now })
  await app.register(authorize, { metrics, publicOrigin: settings.publicUrl, defaultPool: pool.name })

  // What the gateway answers itself
  await app.register(refuse, { path: REFUSE_PATH, methods })
  await app.register(ping, { path: settings.endpoints.ping, serving: () => lifecycle.listening && !lifecycle.draining })
  await app.register(login, {
    cognito,
    states,
    metrics,
    log,
    now,
    pool: pool.name,
    callbackUrl: parts.callbackUrl,
    verifier: parts.verifier,
    store,
    userPoolId: pool.userPoolId,
    trustEmailFrom: pool.trustEmailFrom,
    keepClaims: parts.keepClaims,
    maxAgeSeconds,
    self,
    attemptKeys: parts.attemptKeys,
    endpoints: { prefix, callback },
    identityProviders: pool.identityProviders,
  })
  await app.register(signOut, {
    cognito,
    store,
    refresher,
    csrf,
    states,
    metrics,
    log,
    now,
    self,
    pool: pool.name,
    ownPrefix: prefix,
    callbackUrl: parts.callbackUrl,
    maxAgeSeconds,
  })
  await app.register(userinfo, { ownPrefix: prefix, limits: settings.session })

  // What goes on to the applications
  await app.register(forward, {
    upstreams: parts.upstreams,
    upstreamFault: parts.upstreamFault,
    streams: parts.streams,
    metrics,
    log,
    routes: parts.routes,
    publicUrl: settings.publicUrl,
    methods,
    draining: () => lifecycle.draining,
  })
  return app
}

/** What Node's parser refuses never becomes a request: a short answer in our words, and the connection ends. */
function answerBrokenRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const code = brokenRequestCode(error.code)
  const { status, says } = catalogue[code]
  const body = JSON.stringify({ code, message: says })
  socket.end(
    [
      `HTTP/1.1 ${status} ${says}`,
      'Content-Type: application/json; charset=utf-8',
      `Content-Length: ${Buffer.byteLength(body)}`,
      'Cache-Control: no-store',
      `X-Gateway-Code: ${code}`,
      'Connection: close',
      '',
      body,
    ].join('\r\n'),
  )
}

function brokenRequestCode(code: string | undefined): ErrorCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'GW_HEADERS_TOO_LARGE'
  return code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'GW_REQUEST_TIMEOUT' : 'GW_REQUEST_REFUSED'
}
