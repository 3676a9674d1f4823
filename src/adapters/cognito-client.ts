import * as oidc from 'openid-client'
import { GatewayError } from '../domain/errors.ts'
import type { Secret } from '../domain/secret.ts'
import { createPoolFetch, type OnPoolRequest } from './pool-fetch.ts'
import type { PoolGate } from './pool-gate.ts'

/** One app client of one user pool, as the gateway needs it. Every method may throw GW_POOL_UNAVAILABLE. */
export interface CognitoClient {
  /** Cognito's page for signing in, signing up or a forgotten password. */
  pageUrl(page: CognitoPage, request: PageRequest): Promise<string>
  /** Trades the code of a callback for tokens; the checks of state and nonce are made again here. */
  exchange(callback: CallbackRequest): Promise<Grant>
  refresh(refreshToken: string): Promise<Grant>
  /** An access token of another app client, a machine's, with every scope that it has. */
  machineToken(clientId: string, secret: Secret): Promise<Grant>
  /** Ends the refresh token and what was born of it. Succeeds too where it was no longer valid. */
  revoke(refreshToken: string): Promise<void>
  /** `/logout` in its first form: ends Cognito's own session and comes back to a registered address. */
  signOutUrl(logoutUri: string): Promise<string>
  /** `/logout` in its second form: ends Cognito's own session and shows its sign-in page at once. */
  switchUrl(request: { readonly redirectUri: string; readonly state: string }): Promise<string>
}

export type CognitoPage = 'sign-in' | 'sign-up' | 'forgot-password'

export interface PageRequest {
  readonly redirectUri: string
  readonly state: string
  readonly nonce: string
  readonly verifier: string
  readonly identityProvider?: string | undefined
  readonly loginHint?: string | undefined
  /** Asks for the password although Cognito knows the person; its classic pages pay no heed. */
  readonly afresh?: boolean
}

export interface CallbackRequest {
  /** The public callback address with the query that came back, never built from a Host header. */
  readonly url: URL
  readonly state: string
  readonly nonce: string
  readonly verifier: string
}

export interface Tokens {
  readonly accessToken: string
  readonly idToken: string | undefined
  /** Absent where Cognito sent none: then the old one stays good. */
  readonly refreshToken: string | undefined
  /** How long the access token lasts from now on; undefined where Cognito does not say. */
  readonly expiresInSeconds?: number | undefined
}

/** Tokens, or Cognito's refusal of this very grant (`invalid_grant`), or of the app client as such. */
export type Grant =
  | { readonly kind: 'tokens'; readonly tokens: Tokens }
  | { readonly kind: 'rejected'; readonly error: string }
  | { readonly kind: 'misconfigured'; readonly error: string }

export interface CognitoClientOptions {
  readonly issuer: string
  /** The pool's login domain; without it discovery tells. */
  readonly domain: string | undefined
  readonly clientId: string
  /** As it is now: it may change while the gateway runs. */
  readonly clientSecret: () => Secret | undefined
  readonly scopes: readonly string[]
  /** Called after each answer, for the metrics. */
  readonly onRequest: OnPoolRequest
  /** What requests to the token endpoint must pass. */
  readonly gate: PoolGate
  readonly now: () => number
}

const TIMEOUT_SECONDS = 5
const CLOCK_TOLERANCE_SECONDS = 30
const DISCOVERY_PAUSE_MS = 1_000
const PAGE_PATHS: Readonly<Record<CognitoPage, string>> = {
  'sign-in': '/oauth2/authorize',
  'sign-up': '/signup',
  'forgot-password': '/forgotPassword',
}

export function createCognitoClient(options: CognitoClientOptions): CognitoClient {
  const { clientId, scopes } = options
  const configuration = lazily(options)

  async function grant(request: (config: oidc.Configuration) => Promise<oidc.TokenEndpointResponse>): Promise<Grant> {
    const config = await configuration()
    try {
      const answer = await request(config)
      return {
        kind: 'tokens',
        tokens: {
          accessToken: answer.access_token,
          idToken: answer.id_token,
          refreshToken: answer.refresh_token,
          expiresInSeconds: answer.expires_in,
        },
      }
    } catch (error) {
      return refusalIn(error)
    }
  }

  return {
    async pageUrl(page, request) {
      const config = await configuration()
      const url = oidc.buildAuthorizationUrl(config, {
        redirect_uri: request.redirectUri,
        scope: scopes.join(' '),
        state: request.state,
        // Always: without one Cognito invents a nonce for people who come through another identity provider.
        nonce: request.nonce,
        // Always: discovery never lists PKCE, and Cognito takes S256 all the same.
        code_challenge: await oidc.calculatePKCECodeChallenge(request.verifier),
        code_challenge_method: 'S256',
        ...(request.identityProvider === undefined ? {} : { identity_provider: request.identityProvider }),
        ...(request.loginHint === undefined ? {} : { login_hint: request.loginHint }),
        ...(request.afresh === true ? { prompt: 'login' } : {}),
      })
      url.pathname = PAGE_PATHS[page]
      return url.href
    },
    exchange: async ({ url, state, nonce, verifier }) =>
      grant(async (config) =>
        oidc.authorizationCodeGrant(config, url, {
          expectedState: state,
          expectedNonce: nonce,
          pkceCodeVerifier: verifier,
        }),
      ),
    refresh: async (refreshToken) => grant(async (config) => oidc.refreshTokenGrant(config, refreshToken)),
    machineToken: async (id, secret) =>
      grant(async (config) => oidc.clientCredentialsGrant(machineConfiguration(options, config, { id, secret }))),
    async revoke(refreshToken) {
      const config = await configuration()
      await oidc.tokenRevocation(config, refreshToken).catch((error: unknown) => {
        throw unavailable(error)
      })
    },
    async signOutUrl(logoutUri) {
      return oidc.buildEndSessionUrl(await configuration(), { logout_uri: logoutUri }).href
    },
    async switchUrl({ redirectUri, state }) {
      const config = await configuration()
      return oidc.buildEndSessionUrl(config, {
        response_type: 'code',
        client_id: clientId,
        redirect_uri: redirectUri,
        scope: scopes.join(' '),
        state,
      }).href
    },
  }
}

/** The server's metadata: made from the settings at once, or discovered at first need and again after a failure. */
function lazily(options: CognitoClientOptions): () => Promise<oidc.Configuration> {
  let known: Promise<oidc.Configuration> | null = null
  let failedAt = -DISCOVERY_PAUSE_MS
  let failure: unknown

  async function discover(): Promise<oidc.Configuration> {
    try {
      return await (options.domain === undefined ? discovered(options) : fromDomain(options, options.domain))
    } catch (error) {
      failedAt = options.now()
      failure = error
      known = null
      throw unavailable(error)
    }
  }

  return async () => {
    if (known === null && options.now() < failedAt + DISCOVERY_PAUSE_MS) throw unavailable(failure)
    known ??= discover()
    return known
  }
}

async function discovered(options: CognitoClientOptions): Promise<oidc.Configuration> {
  const issuer = new URL(options.issuer)
  const config = await oidc.discovery(issuer, options.clientId, clientMetadata, authentication(options), {
    execute: issuer.protocol === 'http:' ? [oidc.allowInsecureRequests] : [],
    timeout: TIMEOUT_SECONDS,
    [oidc.customFetch]: options.gate.through(createPoolFetch(options.onRequest)),
  })
  const endpoints = config.serverMetadata()
  for (const name of [
    'authorization_endpoint',
    'token_endpoint',
    'end_session_endpoint',
    'revocation_endpoint',
  ] as const) {
    requireUsable(name, endpoints[name], issuer)
  }
  return config
}

/** A pool without a domain serves a document full of dead addresses; one with plain http addresses is not Cognito's. */
function requireUsable(name: string, address: string | undefined, issuer: URL): void {
  const url = address !== undefined && URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined) throw unusable(`discovery lists no ${name}`)
  if (url.protocol !== issuer.protocol) throw unusable(`discovery lists ${name} with ${url.protocol}`)
  if (url.hostname.startsWith('cognito-idp.')) throw unusable('the user pool has no domain: give it one in Cognito')
}

function fromDomain(options: CognitoClientOptions, domain: string): oidc.Configuration {
  const config = new oidc.Configuration(
    {
      issuer: options.issuer,
      authorization_endpoint: `${domain}/oauth2/authorize`,
      token_endpoint: `${domain}/oauth2/token`,
      revocation_endpoint: `${domain}/oauth2/revoke`,
      end_session_endpoint: `${domain}/logout`,
      jwks_uri: `${options.issuer}/.well-known/jwks.json`,
    },
    options.clientId,
    clientMetadata,
    authentication(options),
  )
  return reaching(options, config)
}

/** The same server for another client, which authenticates as the gateway does. */
function machineConfiguration(
  options: CognitoClientOptions,
  config: oidc.Configuration,
  { id, secret }: { readonly id: string; readonly secret: Secret },
): oidc.Configuration {
  const server = config.serverMetadata()
  return reaching(options, new oidc.Configuration(server, id, undefined, oidc.ClientSecretPost(secret.reveal())))
}

/** With the way that requests take from here. */
function reaching(options: CognitoClientOptions, config: oidc.Configuration): oidc.Configuration {
  config.timeout = TIMEOUT_SECONDS
  config[oidc.customFetch] = options.gate.through(createPoolFetch(options.onRequest))
  if (config.serverMetadata().token_endpoint?.startsWith('http:') === true) oidc.allowInsecureRequests(config)
  return config
}

const clientMetadata = { [oidc.clockTolerance]: CLOCK_TOLERANCE_SECONDS }

// By post: a generated secret can hold `+`, and whether Cognito decodes it in a Basic header is not documented.
function authentication({ clientSecret }: CognitoClientOptions): oidc.ClientAuth {
  return (...request) => {
    const secret = clientSecret()
    const authenticate = secret === undefined ? oidc.None() : oidc.ClientSecretPost(secret.reveal())
    authenticate(...request)
  }
}

const MISCONFIGURED = new Set(['invalid_client', 'unauthorized_client', 'unsupported_grant_type', 'invalid_scope'])

/** A refusal that Cognito meant, or a thrown fault that may pass. Decided by class and code, never by message. */
function refusalIn(error: unknown): Grant {
  if (error instanceof oidc.ResponseBodyError && error.status < 500 && error.status !== 429) {
    return { kind: MISCONFIGURED.has(error.error) ? 'misconfigured' : 'rejected', error: error.error }
  }
  if (error instanceof oidc.AuthorizationResponseError) return { kind: 'rejected', error: error.error }
  if (error instanceof oidc.ClientError && INVALID_ANSWERS.has(error.code ?? '') && !passing(error)) {
    return { kind: 'rejected', error: error.code ?? 'invalid_answer' }
  }
  throw unavailable(error)
}

// Answers that arrived whole and are wrong: asking again would not help, and they must never become a session.
const INVALID_ANSWERS = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
  'OAUTH_PARSE_ERROR',
])

/** Whether a client error stands for an overloaded or broken server (429 or 5xx without an OAuth body). */
function passing(error: oidc.ClientError): boolean {
  return error.cause instanceof Response && (error.cause.status === 429 || error.cause.status >= 500)
}

function unavailable(cause: unknown): GatewayError {
  if (cause instanceof GatewayError) return cause
  // What the gate throws comes wrapped by the library.
  if (cause instanceof Error && cause.cause instanceof GatewayError) return cause.cause
  const code = cause instanceof oidc.ClientError ? cause.code : undefined
  // The cause is left out: errors of the library carry answers, and answers carry tokens.
  return unusable(`the user pool did not answer as it should (${code ?? networkCode(cause)})`)
}

function unusable(detail: string): GatewayError {
  return new GatewayError('GW_POOL_UNAVAILABLE', { detail, reason: 'pool_error', headers: { 'retry-after': '5' } })
}

function networkCode(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : 'no answer'
}
