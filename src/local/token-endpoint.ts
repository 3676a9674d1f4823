import { createHash, randomUUID } from 'node:crypto'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { authenticateClient, OAuthError, readCredentials, type Credentials } from './client-authentication.ts'
import { formOf, type PoolContext } from './pool-context.ts'
import type { Client } from './pool-settings.ts'
import { asksUnreadable, type UserTokens } from './pool-tokens.ts'
import type { TriggerSource } from './pre-token-generation.ts'
import type { TokenFamily } from './user-pool.ts'

const REMEMBERED_REQUESTS = 1000
const SECRETS = ['client_secret', 'code', 'code_verifier', 'refresh_token']

export interface TokenReply {
  readonly id_token?: string
  readonly access_token: string
  readonly refresh_token?: string
  readonly expires_in: number
  readonly token_type: 'Bearer'
}

/** `/oauth2/token` with the three grants that Cognito has. */
export function addTokenEndpoint(app: FastifyInstance, context: PoolContext): void {
  const options = { config: { poolEndpoint: 'token' as const }, preValidation: requireForm }
  app.post('/oauth2/token', options, async (request, reply): Promise<TokenReply> => {
    addHeaders(reply)
    const form = formOf(request)
    const credentials = readCredentials(request.headers.authorization, form)
    remember(context, credentials, form)
    const names = [...form.keys()]
    if (new Set(names).size !== names.length) throw new OAuthError('invalid_request')
    const client = authenticateClient(context.pool, credentials)
    // A client made without AllowedOAuthFlowsUserPoolClient fails this late and this obscurely in Cognito too.
    if (!client.oauthEnabled) throw new OAuthError('invalid_grant')
    return grant(context, client, form)
  })
}

async function grant(context: PoolContext, client: Client, form: URLSearchParams): Promise<TokenReply> {
  switch (form.get('grant_type')) {
    case null:
      throw new OAuthError('invalid_request')
    case 'authorization_code':
      return exchangeCode(context, client, form)
    case 'refresh_token':
      return refresh(context, client, form)
    case 'client_credentials':
      return machineToken(context, client, form)
    default:
      throw new OAuthError('unsupported_grant_type')
  }
}

async function exchangeCode(context: PoolContext, client: Client, form: URLSearchParams): Promise<TokenReply> {
  const { pool } = context
  if (!client.flows.includes('code')) throw new OAuthError('unauthorized_client')
  const code = form.get('code')
  const redirectUri = form.get('redirect_uri')
  if (!code || !redirectUri) throw new OAuthError('invalid_request')
  const granted = pool.redeemCode(code)
  if (granted === undefined || granted.clientId !== client.id) throw new OAuthError('invalid_grant')
  // Cognito's own choice; RFC 6749 has invalid_grant for it.
  if (granted.redirectUri !== redirectUri) throw new OAuthError('unauthorized_client')
  if (granted.challenge !== undefined && granted.challenge !== s256(form.get('code_verifier') ?? '')) {
    throw new OAuthError('invalid_grant')
  }
  if (asksUnreadable(client, granted.scopes)) throw new OAuthError('invalid_grant')
  const family = pool.startFamily(granted)
  const tokens = await tokensOf(context, { family, nonce: granted.nonce, source: 'TokenGeneration_HostedAuth' })
  return tokenReply(client, tokens, pool.newRefreshToken(family))
}

async function refresh(context: PoolContext, client: Client, form: URLSearchParams): Promise<TokenReply> {
  const token = form.get('refresh_token')
  if (!token) throw new OAuthError('invalid_request')
  const used = context.pool.useRefreshToken(token, client)
  if (used === undefined) throw new OAuthError('invalid_grant')
  const tokens = await tokensOf(context, { family: used.family, source: 'TokenGeneration_RefreshTokens' })
  return tokenReply(client, tokens, used.next)
}

async function machineToken({ mint }: PoolContext, client: Client, form: URLSearchParams): Promise<TokenReply> {
  if (!client.flows.includes('client_credentials')) throw new OAuthError('unauthorized_client')
  const asked = (form.get('scope') ?? '').split(/\s+/).filter((scope) => scope !== '')
  if (asked.some((scope) => !client.scopes.includes(scope))) throw new OAuthError('invalid_scope')
  const scopes = asked.length === 0 ? client.scopes : asked
  return tokenReply(client, { idToken: undefined, accessToken: await mint.forMachine(client, scopes) })
}

/** The tokens of a family at this moment. Throws `invalid_grant` for somebody who is disabled or gone. */
export async function tokensOf(
  { pool, mint }: Pick<PoolContext, 'pool' | 'mint'>,
  order: { readonly family: TokenFamily; readonly nonce?: string | undefined; readonly source: TriggerSource },
): Promise<UserTokens> {
  const user = pool.users.find(order.family.username)
  const client = pool.client(order.family.clientId)
  if (user?.enabled !== true || client === undefined) throw new OAuthError('invalid_grant')
  return mint.forUser({ client, user, ...order })
}

/** The answer of the token endpoint, with what there is of the tokens. */
export function tokenReply(client: Client, { idToken, accessToken }: UserTokens, refreshToken?: string): TokenReply {
  return {
    ...(idToken === undefined ? {} : { id_token: idToken }),
    access_token: accessToken,
    ...(refreshToken === undefined ? {} : { refresh_token: refreshToken }),
    expires_in: client.accessTokenSeconds,
    token_type: 'Bearer',
  }
}

const s256 = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url')

function remember({ pool, tokenRequests }: PoolContext, { way }: Credentials, form: URLSearchParams): void {
  const shown = [...form].map(([name, value]) => [name, SECRETS.includes(name) ? '(hidden)' : value])
  tokenRequests.push({ at: pool.nowMs(), clientAuthentication: way, form: Object.fromEntries(shown) })
  if (tokenRequests.length > REMEMBERED_REQUESTS) tokenRequests.shift()
}

/** The headers of the live service, with a cookie on it that no client has any use for. */
function addHeaders(reply: FastifyReply): void {
  reply.headers({
    'content-type': 'application/json;charset=UTF-8',
    'cache-control': 'no-cache, no-store, max-age=0, must-revalidate',
    pragma: 'no-cache',
    expires: '0',
    'x-amz-cognito-request-id': randomUUID(),
    'x-content-type-options': 'nosniff',
    'set-cookie': `XSRF-TOKEN=${randomUUID()}; Path=/; Secure; HttpOnly`,
  })
}

/** Refuses, with an empty 405, whatever is not sent as a form. */
export async function requireForm(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  return request.body instanceof URLSearchParams ? undefined : reply.code(405).send()
}
