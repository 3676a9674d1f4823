import type { CognitoClient } from '../../adapters/cognito-client.ts'
import type { PoolSettings, RouteSettings } from '../../config/settings.ts'
import type { Ask } from './ask.ts'

/** Everything that the questions to one user pool need. */
export interface Conversation {
  readonly pool: PoolSettings
  /** Those that let in identities of this pool. */
  readonly routes: readonly RouteSettings[]
  /** Addresses that Cognito sends people back to after signing in; at least one. */
  readonly callbacks: readonly string[]
  /** The same after signing out. */
  readonly signOuts: readonly string[]
  readonly ask: Ask
  /** Makes the very addresses that the gateway sends people to. */
  readonly cognito: CognitoClient
  /** Epoch milliseconds. */
  readonly now: () => number
}

/** An address at the pool's login domain. Rejects with GW_POOL_UNAVAILABLE where discovery does not tell it. */
export async function loginDomain({ cognito, signOuts }: Conversation): Promise<URL> {
  return new URL(await cognito.signOutUrl(signOuts[0] ?? ''))
}

/** Where things are in Cognito's console, with the parameter of `aws cognito-idp`. */
export const PLACES = {
  callbacks: 'App clients › the client › Login pages › Allowed callback URLs (--callback-urls)',
  signOuts: 'App clients › the client › Login pages › Allowed sign-out URLs (--logout-urls)',
  flows:
    'App clients › the client › Login pages › OAuth grant types: Authorization code grant (--allowed-o-auth-flows code --allowed-o-auth-flows-user-pool-client)',
  scopes: 'App clients › the client › Login pages › OpenID Connect scopes and custom scopes (--allowed-o-auth-scopes)',
  providers: 'App clients › the client › Login pages › Identity providers (--supported-identity-providers)',
  style: 'Branding › Managed login › Create a style for the client (create-managed-login-branding)',
  domain: 'Branding › Domain (create-user-pool-domain)',
  signUp: 'Authentication › Sign-up › Self-service sign-up (--admin-create-user-config AllowAdminCreateUserOnly=true)',
  revocation: 'App clients › the client › Edit › Enable token revocation (--enable-token-revocation)',
  client: 'App clients lists ids and shows the secret of each (list-user-pool-clients, describe-user-pool-client)',
} as const

/** How an administrator looks up at Cognito what it tells nobody else. */
export function lookUp({ userPoolId, clientId }: PoolSettings, field: string): string {
  return `aws cognito-idp describe-user-pool-client --user-pool-id ${userPoolId} --client-id ${clientId} --query UserPoolClient.${field}`
}

/** A text of Cognito's own as it may be shown: short, in one line, and without anything that a terminal obeys. */
export function shown(text: string): string {
  const plain = text.replace(/[^\x20-\x7e]/g, '?').trim()
  return plain.length > 100 ? `${plain.slice(0, 100)}…` : plain
}
