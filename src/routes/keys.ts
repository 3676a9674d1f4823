import type { FastifyPluginAsync } from 'fastify'
import type { SigningKeys } from '../adapters/signing-keys.ts'
import { GatewayError } from '../domain/errors.ts'

export interface KeysOptions {
  readonly ownPrefix: string
  readonly assertion: SigningKeys
  readonly alb: SigningKeys
}

/** Long enough that applications need not ask often, short enough that a new key is known before it signs. */
const CACHE = 'public, max-age=300'

/** The public keys of what is signed for applications. */
export const keys: FastifyPluginAsync<KeysOptions> = async (app, { ownPrefix, assertion, alb }) => {
  const config = { access: 'public', sessionless: true } as const

  // Only those of the assertion: nobody who verifies one should take the other for it.
  app.get(`${ownPrefix}/jwks.json`, { config }, async (_request, reply) =>
    reply.header('cache-control', CACHE).send({ keys: assertion.published.map(({ jwk }) => jwk) }),
  )

  app.get<{ Params: { kid: string } }>(`${ownPrefix}/keys/:kid`, { config }, async ({ params }, reply) => {
    const key = [...assertion.published, ...alb.published].find(({ kid }) => kid === params.kid)
    if (key === undefined) throw new GatewayError('GW_ROUTE_UNKNOWN', { reason: 'no_rule' })
    return reply.header('cache-control', CACHE).type('application/x-pem-file').send(key.pem)
  })
}
