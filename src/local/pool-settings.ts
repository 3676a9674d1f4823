import { z } from 'zod'

/** The scopes that Cognito knows by itself; all others belong to resource servers. */
export const STANDARD_SCOPES: readonly string[] = [
  'openid',
  'email',
  'phone',
  'profile',
  'aws.cognito.signin.user.admin',
]

/** The name of the pool's own directory among the identity providers. */
export const OWN_DIRECTORY = 'COGNITO'

const Attributes = z.record(
  z.string().regex(/^(?:[a-z_]+|custom:[\w.-]+)$/, 'Write a standard attribute such as email, or custom:NAME'),
  z.union([z.string(), z.boolean(), z.number()]).transform(String),
)

const UserSettings = z.strictObject({
  password: z.string().min(1).optional(),
  sub: z.string().min(1).optional(),
  groups: z.array(z.string().min(1)).default([]),
  attributes: Attributes.default({}),
  enabled: z.boolean().default(true),
})

const RedirectUrl = z
  .string()
  .max(1024)
  .refine(
    isRegistrableUrl,
    'Write https://…, http:// on localhost, 127.0.0.1 or [::1], or an own scheme; without a fragment',
  )

const ClientSettings = z.strictObject({
  id: z.string().regex(/^[\w+-]{1,128}$/, 'Write 1 to 128 letters, digits, _, + or -'),
  secret: z.string().min(1).optional(),
  flows: z.array(z.enum(['code', 'client_credentials'])).min(1),
  scopes: z.array(z.string().min(1)).min(1).max(50),
  callbackUrls: z.array(RedirectUrl).max(100).default([]),
  logoutUrls: z.array(RedirectUrl).max(100).default([]),
  identityProviders: z.array(z.string().min(1)).min(1).default([OWN_DIRECTORY]),
  accessTokenSeconds: z.int().min(1).max(86_400).default(3600),
  idTokenSeconds: z.int().min(1).max(86_400).default(3600),
  refreshTokenSeconds: z.int().min(1).max(315_360_000).default(2_592_000),
  rotation: z.strictObject({ graceSeconds: z.int().min(0).max(60) }).optional(),
  /** The attributes that the client may read; all when absent, as in Cognito. */
  readAttributes: z.array(z.string().min(1)).optional(),
  tokenRevocation: z.boolean().default(true),
  /** Whether it has a managed login style, without which Cognito shows no page. The pages before managed login need none. */
  styled: z.boolean().default(true),
  /** Cognito's AllowedOAuthFlowsUserPoolClient, which is easily forgotten there. */
  oauthEnabled: z.boolean().default(true),
})

const ResourceServerSettings = z.strictObject({
  identifier: z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,256}$/, 'Write 1 to 256 characters without spaces'),
  scopes: z.array(z.string().regex(/^[^/\s]+$/, 'A scope name has no slash and no space')).max(100),
})

const IdentityProviderSettings = z.strictObject({
  name: z.string().regex(/^[\w.-]{1,32}$/, 'Write 1 to 32 letters, digits, _, . or -'),
  type: z.enum(['OIDC', 'SAML', 'Google', 'Facebook', 'LoginWithAmazon', 'SignInWithApple']).default('OIDC'),
  issuer: z.string().min(1).optional(),
  /** What `idp_identifier` may say instead of the name, often mail domains. */
  identifiers: z.array(z.string().min(1)).max(50).default([]),
  /** Whether the provider's own email_verified is mapped; without that Cognito says false. */
  mapsEmailVerified: z.boolean().default(false),
})

/** Everything a local pool can be told, in a file or by a program. Unknown keys are faults. */
export const PoolSettings = z
  .strictObject({
    userPoolId: z
      .string()
      .regex(/^[a-z]{2,4}(?:-gov)?-[a-z]+-\d_[0-9a-zA-Z]+$/, 'Write it as in us-east-1_Local00001')
      .default('us-east-1_Local00001'),
    host: z.string().min(1).default('127.0.0.1'),
    port: z.int().min(0).max(65_535).default(0),
    /** What the pool calls itself, when others reach it under another address than the one it listens on. */
    publicUrl: z.url({ protocol: /^https?$/ }).optional(),
    /** Which of Cognito's two forms the issuer has: UPDATED moves it to a base of its own. */
    issuerType: z.enum(['ORIGINAL', 'UPDATED']).default('ORIGINAL'),
    /** Puts another `iss` into discovery and tokens, for verifiers that accept only Amazon's. */
    issuer: z.url().optional(),
    allowNonLoopback: z.string().optional(),
    selfSignUp: z.boolean().default(true),
    /** The pages before managed login, which pay no heed to `prompt`. */
    classicPages: z.boolean().default(false),
    users: z.record(z.string().min(1).max(128), UserSettings).default({}),
    clients: z.array(ClientSettings).default([]),
    resourceServers: z.array(ResourceServerSettings).max(25).default([]),
    identityProviders: z.array(IdentityProviderSettings).default([]),
  })
  .superRefine((settings, context) => {
    for (const [index, client] of settings.clients.entries()) {
      for (const { at, says } of clientFaults(client, settings)) {
        context.addIssue({ code: 'custom', path: ['clients', index, ...at], message: says })
      }
    }
  })

export type PoolSettings = z.output<typeof PoolSettings>
export type PoolSettingsInput = z.input<typeof PoolSettings>
export type Client = z.output<typeof ClientSettings>
export type IdentityProvider = z.output<typeof IdentityProviderSettings>

interface Fault {
  readonly at: readonly (string | number)[]
  readonly says: string
}

interface Surroundings {
  readonly clients: readonly Client[]
  readonly resourceServers: readonly z.output<typeof ResourceServerSettings>[]
  readonly identityProviders: readonly IdentityProvider[]
}

function* clientFaults(
  client: Client,
  { clients, resourceServers, identityProviders }: Surroundings,
): Generator<Fault> {
  if (clients.find(({ id }) => id === client.id) !== client) yield { at: ['id'], says: `${client.id} is given twice` }
  const own = resourceServers.flatMap(({ identifier, scopes }) => scopes.map((scope) => `${identifier}/${scope}`))
  for (const [index, scope] of client.scopes.entries()) {
    if (STANDARD_SCOPES.includes(scope) || own.includes(scope)) continue
    yield { at: ['scopes', index], says: `No resource server offers the scope ${scope}: add it there, or leave it out` }
  }
  const providers = [OWN_DIRECTORY, ...identityProviders.map(({ name }) => name)]
  for (const [index, name] of client.identityProviders.entries()) {
    if (providers.includes(name)) continue
    yield {
      at: ['identityProviders', index],
      says: `There is no provider ${name}: write one of ${providers.join(', ')}`,
    }
  }
  if (client.flows.includes('client_credentials')) yield* machineFaults(client)
  else if (client.callbackUrls.length === 0) yield { at: [], says: 'The flow code needs at least one of callbackUrls' }
}

/** What CreateUserPoolClient refuses for the client_credentials grant. */
function* machineFaults(client: Client): Generator<Fault> {
  if (client.flows.length > 1) yield { at: ['flows'], says: 'client_credentials stands alone: make another client' }
  if (client.secret === undefined) yield { at: [], says: 'client_credentials needs a secret' }
  for (const [index, scope] of client.scopes.entries()) {
    if (!STANDARD_SCOPES.includes(scope)) continue
    yield { at: ['scopes', index], says: `client_credentials cannot have ${scope}: only scopes of resource servers` }
  }
}

function isRegistrableUrl(text: string): boolean {
  if (!URL.canParse(text) || text.includes('#')) return false
  const { protocol, hostname } = new URL(text)
  return protocol !== 'http:' || ['localhost', '127.0.0.1', '[::1]'].includes(hostname)
}
