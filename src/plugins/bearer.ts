import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { BasicClients } from '../adapters/basic-clients.ts'
import type { Bearers } from '../adapters/bearers.ts'
import { OWN_RULE, type Credentials } from '../domain/credentials.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** What of the Authorization header is ours: it alone decides, and none of the header is passed on. */
    bearer: Credentials | null
  }
}

export interface BearerOptions {
  readonly bearers: Bearers
  readonly basicClients: BasicClients
}

const UNKNOWN: Credentials = { kind: 'unknown' }

/** Whether a token decides: where one does, no session is looked for, and nothing that is wrong with one matters. */
const hook: FastifyPluginCallback<BearerOptions> = (app, { bearers, basicClients }, ready) => {
  app.decorateRequest('bearer', null)
  app.addHook('onRequest', (request, _reply, done) => {
    const { authorization } = request.raw.headers
    if (authorization !== undefined && authorization !== '') request.bearer = ownPartOf(authorization, request)
    done()
  })

  function ownPartOf(authorization: string, { route }: FastifyRequest): Credentials | null {
    const rule = route ?? OWN_RULE
    if (rule.authorization === 'application' || rule.authorization === 'drop') return null
    const token = bearers.ownTokenIn(authorization)
    if (token !== null) return { kind: 'token', token }
    const client = rule.clientBasic ? basicClients.clientIn(authorization) : null
    return client ?? (rule.authorization === 'gateway' ? UNKNOWN : null)
  }
  ready()
}

export const bearer = fp(hook, { name: 'bearer', fastify: '5.x', dependencies: ['locate'] })
