import cookie from '@fastify/cookie'
import Fastify, { type FastifyInstance, type FastifyReply, type HTTPMethods } from 'fastify'
import { OAuthError } from './client-authentication.ts'
import { addAccounts } from './pool-accounts.ts'
import { addAuthorize } from './pool-authorize.ts'
import { addControlApi } from './pool-control-api.ts'
import type { PoolContext } from './pool-context.ts'
import type { PoolControls } from './pool-controls.ts'
import { addFaults } from './pool-faults.ts'
import { addFederation } from './pool-federation.ts'
import { sendPage } from './pool-layout.ts'
import { errorPage } from './pool-pages.ts'
import { addSignIn } from './pool-sign-in.ts'
import { TriggerError } from './pre-token-generation.ts'
import { addRevoke } from './revoke-endpoint.ts'
import { addTokenEndpoint } from './token-endpoint.ts'
import { addUserInfo } from './userinfo-endpoint.ts'
import { addWellKnown } from './well-known.ts'

const METHODS: readonly HTTPMethods[] = ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT']

const ALLOWED: Readonly<Record<string, readonly HTTPMethods[]>> = {
  '/oauth2/authorize': ['GET'],
  '/oauth2/token': ['POST'],
  '/oauth2/userInfo': ['GET'],
  '/oauth2/revoke': ['POST'],
  '/logout': ['GET'],
}

/** The pool's HTTP server, not yet listening. Closing it ends every connection at once. */
export async function buildPoolServer(context: PoolContext, controls: PoolControls): Promise<FastifyInstance> {
  const app = Fastify({ forceCloseConnections: true, exposeHeadRoutes: false })
  await app.register(cookie)
  app.setErrorHandler((error, _request, reply) => answerError(error, reply))
  app.setNotFoundHandler((_request, reply) => sendPage(reply, errorPage('There is no such page.', undefined), 404))
  await app.register(async (scope) => addControlApi(scope, context.pool, controls))
  await app.register(async (scope) => {
    readFormsOnly(scope)
    addFaults(scope, context.faults)
    addWellKnown(scope, context.pool)
    addAuthorize(scope, context)
    addSignIn(scope, context)
    addAccounts(scope, context)
    addFederation(scope, context)
    addTokenEndpoint(scope, context)
    addUserInfo(scope, context)
    addRevoke(scope, context)
    refuseOtherMethods(scope)
  })
  return app
}

/** Any other body is read away and stays undefined, so that each endpoint can refuse it in its own words. */
function readFormsOnly(app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser(
    'application/x-www-form-urlencoded',
    { parseAs: 'string' },
    async (_request: unknown, body: string | Buffer) => new URLSearchParams(String(body)),
  )
  app.addContentTypeParser('*', { parseAs: 'string' }, async () => undefined)
}

function refuseOtherMethods(app: FastifyInstance): void {
  for (const [url, allowed] of Object.entries(ALLOWED)) {
    const method = METHODS.filter((name) => !allowed.includes(name))
    app.route({ method, url, handler: async (_request, reply) => reply.code(405).send() })
  }
}

function answerError(error: unknown, reply: FastifyReply): FastifyReply {
  reply.type('application/json;charset=UTF-8')
  if (error instanceof OAuthError) return reply.code(error.status).send({ error: error.error })
  const description = error instanceof Error ? error.message : String(error)
  if (error instanceof TriggerError)
    return reply.code(400).send({ error: 'invalid_request', error_description: description })
  return reply.code(500).send({ error: 'server_error', error_description: description })
}
