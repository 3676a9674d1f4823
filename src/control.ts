import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { catalogue, GatewayError } from './domain/errors.ts'
import { nothingAt } from './domain/own-endpoints.ts'
import type { Secret } from './domain/secret.ts'
import { ownHosts } from './own-hosts.ts'
import { causeOf, ownMethods, toGatewayError } from './plugins/error-handler.ts'
import { OPERATOR_HEADERS } from './pages/operator-layout.ts'
import { logins, type LoginsOptions } from './routes/control/logins.ts'
import { logLevel, type LogLevelOptions } from './routes/control/log-level.ts'
import { reachRoutes, type ReachOptions } from './routes/control/reach.ts'
import { revoke, type RevokeOptions } from './routes/control/revoke.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** On the control port: writes down that something was changed, and by whom. `more` holds no secret. */
    audit(request: FastifyRequest, event: string, more: Readonly<Record<string, unknown>>): void
  }
  interface FastifyRequest {
    /** Sent by a form of ours, in a browser. */
    isForm: boolean
  }
  interface FastifyContextConfig {
    /** On the control port: a page for people, which may post its form; shown again with what was wrong. */
    page?: (problem: string) => string
  }
}

export interface ControlOptions extends LogLevelOptions, LoginsOptions, RevokeOptions, ReachOptions {
  readonly host: string
  /** What callers must show; undefined where only this machine can ask. */
  readonly token: Secret | undefined
  readonly log: Logger
}

const MAX_BODY_BYTES = 16_384

/** The private server that changes things: JSON for programs with the token, and never for a page in a browser, but for one of our own that only asks. */
export async function createControl(options: ControlOptions): Promise<FastifyInstance> {
  const app = Fastify({
    logger: false,
    genReqId: () => randomUUID(),
    bodyLimit: MAX_BODY_BYTES,
    exposeHeadRoutes: false,
    forceCloseConnections: true,
  })
  app.removeContentTypeParser('text/plain')
  const methodsAt = ownMethods(app)
  guardAll(app, options)

  // Whoever silences the log by this port does not silence what is done by it.
  const audit = options.log.child({}, { level: 'info' })
  app.decorate('audit', (request: FastifyRequest, event: string, more: Readonly<Record<string, unknown>>) => {
    audit.info({ event, requestId: request.id, client: request.ip, ...more }, 'asked for at the control port')
  })

  app.setNotFoundHandler((request) => {
    throw nothingAt(methodsAt(request.url.split('?', 1)[0] ?? ''))
  })
  app.setErrorHandler(async (thrown, request, reply) => {
    const error = toGatewayError(thrown)
    const { code, reason, detail, headers } = error
    audit.warn(
      {
        event: 'control_refused',
        requestId: request.id,
        client: request.ip,
        code,
        reason,
        detail,
        cause: causeOf(error),
      },
      catalogue[code].says,
    )
    const message = messageOf(error)
    reply.code(catalogue[code].status).headers({ ...headers, 'x-gateway-code': code, 'cache-control': 'no-store' })
    const { page } = request.routeOptions.config
    if (request.isForm && page !== undefined) return reply.headers(OPERATOR_HEADERS).send(page(message))
    return reply.send({ code, message, requestId: request.id })
  })

  await app.register(logLevel, options)
  await app.register(logins, options)
  await app.register(revoke, options)
  await app.register(reachRoutes, options)
  return app
}

/** What strangers are told of a request that is refused as such says less here than what to send instead. */
function messageOf({ code, remedy }: GatewayError): string {
  if (remedy === undefined) return catalogue[code].says
  return code === 'GW_REQUEST_REFUSED' ? remedy : `${catalogue[code].says}: ${remedy}`
}

/** The field in which a form shows the token, which a browser cannot send in any other way. */
const TOKEN_FIELD = 'control_token'

function guardAll(app: FastifyInstance, { host, token }: ControlOptions): void {
  const isOwn = ownHosts(host)
  const isToken = tokenCheck(token)
  app.decorateRequest('isForm', false)

  app.addHook('onRequest', (request, _reply, done) => {
    const { headers, method, routeOptions } = request
    const isPage = routeOptions.config.page !== undefined
    request.isForm =
      isPage && method === 'POST' && /^application\/x-www-form-urlencoded\b/i.test(headers['content-type'] ?? '')
    if (!isOwn(headers.host))
      done(new GatewayError('GW_HOST_UNKNOWN', { reason: 'host', remedy: 'ask by address or by localhost' }))
    // No program sends either by itself. Browsers send an Origin with what changes something, and where it began with whatever they ask for.
    else if (
      (headers.origin !== undefined && !(request.isForm && isSameOrigin(headers))) ||
      (isOfOtherPage(headers) && !(isPage && method === 'GET'))
    )
      done(new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin', remedy: 'this port is not for browsers' }))
    // An empty form is no secret, and what comes of one that is filled in is checked once it is read.
    else if ((isPage && method === 'GET') || request.isForm || isToken(bearerIn(headers))) done()
    else done(tokenRefused('send Authorization: Bearer with the content of control.token'))
  })

  app.addHook('preHandler', (request, _reply, done) => {
    if (!request.isForm) {
      done()
      return
    }
    const { [TOKEN_FIELD]: shown, ...fields }: Record<string, unknown> = isFields(request.body) ? request.body : {}
    request.body = fields
    if (isToken(typeof shown === 'string' && shown !== '' ? shown : bearerIn(request.headers))) done()
    else done(tokenRefused('give the content of control.token'))
  })
}

/** A page of ours sends its forms from where it came from, which `isOwn` has found to be us; over TLS nothing is served here. */
function isSameOrigin({ origin, host, 'sec-fetch-site': site }: IncomingHttpHeaders): boolean {
  return origin === `http://${host?.toLowerCase()}` && (site === undefined || site === 'same-origin')
}

/** Asked for by a page that is none of ours; what people ask for themselves says `none`. */
const isOfOtherPage = ({ 'sec-fetch-site': site }: IncomingHttpHeaders): boolean =>
  site !== undefined && site !== 'same-origin' && site !== 'none'

const isFields = (body: unknown): body is Record<string, unknown> => typeof body === 'object' && body !== null

function bearerIn({ authorization }: IncomingHttpHeaders): string {
  return /^Bearer +(\S+)$/i.exec(authorization ?? '')?.[1] ?? ''
}

const tokenRefused = (remedy: string): GatewayError =>
  new GatewayError('GW_TOKEN_INVALID', {
    reason: 'control_token',
    remedy,
    headers: { 'www-authenticate': 'Bearer' },
  })

/** Whether a text is what callers must show. */
function tokenCheck(token: Secret | undefined): (shown: string) => boolean {
  if (token === undefined) return () => true
  const expected = digest(token.reveal())
  // Digests, because the comparison takes a constant time for equal lengths only.
  return (shown) => timingSafeEqual(digest(shown), expected)
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
