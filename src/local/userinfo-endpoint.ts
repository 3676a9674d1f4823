import type { FastifyInstance } from 'fastify'
import { decodeProtectedHeader, jwtVerify, type JWTPayload } from 'jose'
import type { PoolContext } from './pool-context.ts'
import { releasedAttributes } from './pool-tokens.ts'
import type { UserPool } from './user-pool.ts'

const BAD_REQUEST = 'error="invalid_request", error_description="Bad OAuth2 request at UserInfo Endpoint"'
const BAD_TOKEN =
  'error="invalid_token", error_description="Access token is expired, disabled, or deleted, or the user has globally signed out."'

/** `/oauth2/userInfo`: every value a string, and challenges without a scheme word, both as in Cognito. */
export function addUserInfo(app: FastifyInstance, { pool }: PoolContext): void {
  app.get('/oauth2/userInfo', { config: { poolEndpoint: 'userInfo' } }, async (request, reply) => {
    const token = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i.exec(request.headers.authorization ?? '')?.[1]
    if (token === undefined) return reply.code(400).header('www-authenticate', BAD_REQUEST).send()
    const person = await personOf(pool, token)
    if (person === undefined) return reply.code(401).header('www-authenticate', BAD_TOKEN).send()
    return reply.type('application/json;charset=UTF-8').send(JSON.stringify(person))
  })
}

async function personOf(pool: UserPool, token: string): Promise<Readonly<Record<string, string>> | undefined> {
  const claims = await verified(pool, token)
  const family = pool.family(claims?.['origin_jti'])
  if (claims?.['token_use'] !== 'access' || family === undefined || family.revoked) return undefined
  const user = pool.users.find(family.username)
  const client = pool.client(family.clientId)
  if (user?.enabled !== true || client === undefined || !family.scopes.includes('openid')) return undefined
  return {
    sub: user.sub,
    ...(user.identities.length === 0 ? {} : { identities: JSON.stringify(user.identities) }),
    ...releasedAttributes(user, client, family.scopes),
    username: user.username,
  }
}

async function verified(pool: UserPool, token: string): Promise<JWTPayload | undefined> {
  try {
    const options = { issuer: pool.issuer, algorithms: ['RS256'], currentDate: new Date(pool.nowMs()) }
    const key = pool.keys.find(decodeProtectedHeader(token).kid)
    if (key === undefined) return undefined
    const { payload } = await jwtVerify(token, key.publicKey, options)
    return payload
  } catch {
    return undefined
  }
}
