import type { FastifyInstance } from 'fastify'
import { authenticateClient, OAuthError, readCredentials } from './client-authentication.ts'
import { formOf, type PoolContext } from './pool-context.ts'
import { requireForm } from './token-endpoint.ts'

/** `/oauth2/revoke`: ends the whole family of a refresh token, and says nothing about tokens that it does not know. */
export function addRevoke(app: FastifyInstance, { pool }: PoolContext): void {
  const options = { config: { poolEndpoint: 'revoke' as const }, preValidation: requireForm }
  app.post('/oauth2/revoke', options, async (request, reply) => {
    const form = formOf(request)
    const client = authenticateClient(pool, readCredentials(request.headers.authorization, form), 401)
    const token = form.get('token')
    if (!token || !client.tokenRevocation) throw new OAuthError('invalid_request')
    if (/^[\w-]+\.[\w-]+\.[\w-]+$/.test(token)) throw new OAuthError('unsupported_token_type')
    const family = pool.familyOfRefreshToken(token)
    // What Cognito says to another client than the token's own is not documented for this endpoint.
    if (family !== undefined && family.clientId !== client.id) throw new OAuthError('unauthorized_client')
    if (family !== undefined) family.revoked = true
    return reply.code(200).send()
  })
}
