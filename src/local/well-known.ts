import type { FastifyInstance } from 'fastify'
import type { UserPool } from './user-pool.ts'

/** The discovery document and the keys, below the issuer's own path. */
export function addWellKnown(app: FastifyInstance, pool: UserPool): void {
  const updated = `/issuer-cognito-idp/${pool.id}`
  // The newer issuer answers 403 for a pool that does not use it; the older one goes on answering.
  app.addHook('onRequest', async (request, reply) => {
    if (pool.settings.issuerType === 'ORIGINAL' && request.url.startsWith(`${updated}/`)) return reply.code(403).send()
  })
  for (const base of [`/${pool.id}`, updated]) {
    app.get(`${base}/.well-known/openid-configuration`, { config: { poolEndpoint: 'discovery' } }, async () =>
      discovery(pool),
    )
    app.get(`${base}/.well-known/jwks.json`, { config: { poolEndpoint: 'jwks' } }, async () => ({
      keys: pool.keys.published.map(({ jwk }) => jwk),
    }))
  }
}

/** In Cognito's order, and with Cognito's omissions: no PKCE methods, no grant types, no claims. */
function discovery({ url, issuer, issuerBase }: UserPool): Readonly<Record<string, unknown>> {
  return {
    authorization_endpoint: `${url}/oauth2/authorize`,
    end_session_endpoint: `${url}/logout`,
    id_token_signing_alg_values_supported: ['RS256'],
    issuer,
    jwks_uri: `${issuerBase}/.well-known/jwks.json`,
    response_types_supported: ['code', 'token'],
    revocation_endpoint: `${url}/oauth2/revoke`,
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    subject_types_supported: ['public'],
    token_endpoint: `${url}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    userinfo_endpoint: `${url}/oauth2/userInfo`,
  }
}
