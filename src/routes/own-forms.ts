import formbody from '@fastify/formbody'
import type { FastifyPluginAsync } from 'fastify'
import fp from 'fastify-plugin'
import { GatewayError } from '../domain/errors.ts'

/** A form of ours is a few kilobytes: no browser takes this long to send it. */
const PATIENCE_MS = 10_000

/** Lets the routes that are registered beside it read forms, of bounded size and in bounded time; all others of ours read no body. */
const plugin: FastifyPluginAsync = async (app) => {
  await app.register(formbody)
  app.addHook('preParsing', (_request, reply, payload, done) => {
    const slow = new GatewayError('GW_REQUEST_TIMEOUT', { reason: 'form_slow' })
    const patience = setTimeout(() => void reply.send(slow), PATIENCE_MS)
    payload.once('end', () => clearTimeout(patience))
    // One that is refused for its size is never read to its end.
    reply.raw.once('close', () => clearTimeout(patience))
    done()
  })
}

export const ownForms = fp(plugin, { name: 'own-forms', fastify: '5.x' })
