import { OWN_DIRECTORY, type Client } from './pool-settings.ts'
import type { UserPool } from './user-pool.ts'

/** An authorize request that Cognito would act on. */
export interface AuthorizationRequest {
  readonly client: Client
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly state: string | undefined
  readonly nonce: string | undefined
  readonly challenge: string | undefined
  readonly prompts: readonly string[]
  /** The provider that the client asked for by `identity_provider` or `idp_identifier`. */
  readonly provider: string | undefined
  readonly loginHint: string
  /** The whole query, for the addresses of the pages in between. */
  readonly query: string
}

/** Told to the client by a redirect, or shown to the person where the callback cannot be trusted. */
export type Refusal =
  | {
      readonly kind: 'callback'
      readonly redirectUri: string
      readonly parameters: Readonly<Record<string, string | undefined>>
    }
  | { readonly kind: 'error-page'; readonly error: string; readonly clientId?: string }

export type AuthorizationOutcome = { readonly kind: 'accepted'; readonly asked: AuthorizationRequest } | Refusal

/** Judges the query of `/oauth2/authorize`, which every hosted page carries along, in the order in which Cognito does. */
export function readAuthorizationRequest(pool: UserPool, query: string): AuthorizationOutcome {
  const given = new URLSearchParams(query)
  const clientId = given.get('client_id')
  const redirectUri = given.get('redirect_uri')
  if (!clientId || !redirectUri) return { kind: 'error-page', error: 'Required parameters missing' }
  const client = pool.client(clientId)
  if (client === undefined) return { kind: 'error-page', error: 'Client does not exist' }
  if (!client.oauthEnabled) return { kind: 'error-page', error: 'Client is not enabled for OAuth2.0 flows.' }
  if (!client.callbackUrls.includes(redirectUri)) return { kind: 'error-page', error: 'redirect_mismatch', clientId }
  const provider = askedProvider(pool, given)
  if (hasRepeats(given)) return { kind: 'error-page', error: 'invalid_request', clientId }
  if (provider !== undefined && !client.identityProviders.includes(provider)) {
    return { kind: 'error-page', error: 'Login option is not available. Please try another one', clientId }
  }
  const state = given.get('state') ?? undefined
  const fault = callbackFault(client, given)
  // Captures of the live service have the description first and the error last.
  if (fault !== undefined) {
    const parameters = { error_description: fault.description, state, error: fault.error }
    return { kind: 'callback', redirectUri, parameters }
  }
  const asked: AuthorizationRequest = {
    client,
    redirectUri,
    scopes: askedScopes(client, given),
    state,
    nonce: given.get('nonce') || undefined,
    challenge: given.get('code_challenge') || undefined,
    prompts: (given.get('prompt') ?? '').split(' '),
    provider,
    loginHint: given.get('login_hint') ?? '',
    query,
  }
  return { kind: 'accepted', asked }
}

function callbackFault(client: Client, given: URLSearchParams): { error: string; description?: string } | undefined {
  const responseType = given.get('response_type')
  if (responseType !== 'code' && responseType !== 'token') return { error: 'invalid_request' }
  if (responseType === 'token' || !client.flows.includes('code')) return { error: 'unauthorized_client' }
  const challenged = Boolean(given.get('code_challenge'))
  const method = given.get('code_challenge_method')
  if ((challenged && method !== 'S256') || (method && !challenged)) return { error: 'invalid_request' }
  // The documentation promises error=invalid_scope; the service answers this.
  const allowed = askedScopes(client, given).every((scope) => client.scopes.includes(scope))
  return allowed ? undefined : { error: 'invalid_request', description: 'invalid_scope' }
}

function askedScopes(client: Client, given: URLSearchParams): readonly string[] {
  const asked = (given.get('scope') ?? '').split(/\s+/).filter((scope) => scope !== '')
  return asked.length === 0 ? client.scopes : [...new Set(asked)]
}

/** The name of the provider that was asked for; an unknown one comes out as asked, so that the client cannot have it. */
function askedProvider(pool: UserPool, given: URLSearchParams): string | undefined {
  const name = given.get('identity_provider')
  if (name) return name === OWN_DIRECTORY ? name : (pool.provider(name)?.name ?? name)
  const identifier = given.get('idp_identifier')
  if (!identifier) return undefined
  const found = pool.settings.identityProviders.find(({ identifiers }) => identifiers.includes(identifier))
  return found?.name ?? identifier
}

const hasRepeats = (given: URLSearchParams): boolean => {
  const names = [...given.keys()]
  return new Set(names).size !== names.length
}
