import type { FastifyPluginCallback } from 'fastify'
import fp from 'fastify-plugin'
import type { Bearers } from '../adapters/bearers.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** An Authorization header with a token of our pool: ours to read, and nothing to pass on. */
    bearer: string | null
  }
}

export interface BearerOptions {
  readonly bearers: Bearers
}

/** Whether a token decides: where one does, no session is looked for, and nothing that is wrong with one matters. */
const hook: FastifyPluginCallback<BearerOptions> = (app, { bearers }, ready) => {
  app.decorateRequest('bearer', null)
  app.addHook('onRequest', (request, _reply, done) => {
    request.bearer = bearers.ownTokenIn(request.raw.headers.authorization)
    done()
  })
  ready()
}

export const bearer = fp(hook, { name: 'bearer', fastify: '5.x', dependencies: ['locate'] })
