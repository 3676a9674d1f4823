import { createHash, randomUUID, timingSafeEqual } from 'node:crypto'
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import { catalogue, GatewayError } from './domain/errors.ts'
import type { Secret } from './domain/secret.ts'
import { ownHosts } from './own-hosts.ts'
import { causeOf, nothingAt, ownMethods, toGatewayError } from './plugins/error-handler.ts'
import { logins, type LoginsOptions } from './routes/control/logins.ts'
import { logLevel, type LogLevelOptions } from './routes/control/log-level.ts'
import { revoke, type RevokeOptions } from './routes/control/revoke.ts'

declare module 'fastify' {
  interface FastifyInstance {
    /** On the control port: writes down that something was changed, and by whom. `more` holds no secret. */
    audit(request: FastifyRequest, event: string, more: Readonly<Record<string, unknown>>): void
  }
}

export interface ControlOptions extends LogLevelOptions, LoginsOptions, RevokeOptions {
  readonly host: string
  /** What callers must show; undefined where only this machine can ask. */
  readonly token: Secret | undefined
  readonly log: Logger
}

const MAX_BODY_BYTES = 16_384

/** The private server that changes things: JSON only, for programs with the token, and never for a page in a browser. */
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
  const refuse = guard(options)

  app.addHook('onRequest', (request, _reply, done) => {
    const refusal = refuse(request)
    if (refusal === null) done()
    else done(refusal)
  })

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
    const { code, reason, detail, remedy, headers } = error
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
    return reply
      .code(catalogue[code].status)
      .headers({ ...headers, 'x-gateway-code': code, 'cache-control': 'no-store' })
      .send({ code, message: [catalogue[code].says, remedy ?? []].flat().join(': '), requestId: request.id })
  })

  await app.register(logLevel, options)
  await app.register(logins, options)
  await app.register(revoke, options)
  return app
}

/** Why a request may not even be looked at; null where it may. */
function guard({ host, token }: ControlOptions): (request: FastifyRequest) => GatewayError | null {
  const isOwn = ownHosts(host)
  const expected = token === undefined ? null : digest(token.reveal())

  return ({ headers }) => {
    if (!isOwn(headers.host))
      return new GatewayError('GW_HOST_UNKNOWN', { reason: 'host', remedy: 'ask by address or by localhost' })
    // No program sends one by itself, and every browser does with what changes something.
    if (headers.origin !== undefined)
      return new GatewayError('GW_CROSS_ORIGIN', { reason: 'cross_origin', remedy: 'this port is not for browsers' })
    if (expected === null) return null
    const [, shown = ''] = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '') ?? []
    // Digests, because the comparison takes a constant time for equal lengths only.
    return timingSafeEqual(digest(shown), expected)
      ? null
      : new GatewayError('GW_TOKEN_INVALID', {
          reason: 'control_token',
          remedy: 'send Authorization: Bearer with the content of control.token',
          headers: { 'www-authenticate': 'Bearer' },
        })
  }
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
