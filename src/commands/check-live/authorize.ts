import { randomBytes } from 'node:crypto'
import type { CognitoPage } from '../../adapters/cognito-client.ts'
import { isBusy, type Answer, type Reply } from './ask.ts'
import { shown, type Conversation } from './conversation.ts'

/** What becomes of a request to sign in. */
export type Outcome =
  /** Cognito would let the person sign in: on a page of its own, or at an identity provider's. */
  | { readonly kind: 'page'; readonly url: URL }
  | { readonly kind: 'provider'; readonly host: string }
  /** Cognito would show the person its error page. */
  | { readonly kind: 'error-page'; readonly error: string }
  /** Cognito would send the person back to the gateway with an error. */
  | { readonly kind: 'sent-back'; readonly error: string }
  /** It says nothing of the request; with `busy` because Cognito cannot or will not answer this machine now. */
  | { readonly kind: 'unclear'; readonly found: string; readonly busy: boolean }
  | { readonly kind: 'nothing'; readonly reason: string }

export interface Attempt {
  readonly redirectUri: string
  readonly scopes?: readonly string[]
  readonly clientId?: string
  readonly identityProvider?: string
}

/** Where the gateway would send a person to that page for this attempt. Rejects with GW_POOL_UNAVAILABLE where the pool's addresses cannot be found out. */
export async function signInUrl(
  { cognito }: Conversation,
  { redirectUri, scopes, clientId, identityProvider }: Attempt,
  page: CognitoPage = 'sign-in',
): Promise<URL> {
  const [state, nonce, verifier] = [unguessable(), unguessable(), unguessable()]
  const url = new URL(await cognito.pageUrl(page, { redirectUri, state, nonce, verifier, identityProvider }))
  if (scopes !== undefined) url.searchParams.set('scope', scopes.join(' '))
  if (clientId !== undefined) url.searchParams.set('client_id', clientId)
  return url
}

/** Begins to sign in, and goes no further than Cognito's first answer. */
export async function begin(conversation: Conversation, attempt: Attempt): Promise<Outcome> {
  const url = await signInUrl(conversation, attempt)
  return outcomeOf(await conversation.ask(url.href), url, attempt.redirectUri)
}

/** Whether Cognito would let people sign in that way. */
export const leadsOn = ({ kind }: Outcome): boolean => kind === 'page' || kind === 'provider'

/** An address that nobody can have registered: whoever takes it takes any. */
export const unregistered = (): string => `https://check-${randomBytes(8).toString('hex')}.invalid/`

/** An outcome in words, for where it was not expected. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'page':
      return 'Cognito shows a page'
    case 'provider':
      return `Cognito leads to ${outcome.host}`
    case 'error-page':
      return `Cognito shows its error page: ${outcome.error}`
    case 'sent-back':
      return `Cognito sends people back with the error ${outcome.error}`
    case 'unclear':
      return outcome.found
    case 'nothing':
      return `the login domain gives no answer (${outcome.reason})`
  }
}

function outcomeOf(reply: Reply, asked: URL, redirectUri: string): Outcome {
  if (reply.kind === 'nothing') return reply
  const { location, status } = reply
  if (location === null && (status === 200 || isUnstyled(reply))) return { kind: 'page', url: asked }
  if (location === null)
    return {
      kind: 'unclear',
      found: `the login domain answers ${status} and leads nowhere`,
      busy: isBusy(reply) || status === 403,
    }
  const back = new URL(redirectUri)
  if (location.origin === back.origin && location.pathname === back.pathname)
    return { kind: 'sent-back', error: errorSentBack(location.searchParams) }
  if (location.origin !== asked.origin) return { kind: 'provider', host: location.host }
  if (location.pathname === '/error')
    return { kind: 'error-page', error: shown(location.searchParams.get('error') ?? 'without a word') }
  return { kind: 'page', url: location }
}

/** What managed login shows of an app client that has no style; a bare 403 comes from a firewall. */
export function isUnstyled({ status, body }: Answer): boolean {
  return status === 403 && body.includes('Login pages unavailable')
}

/** The documentation has invalid_scope as the error; the service tells it in the description of another. */
function errorSentBack(query: URLSearchParams): string {
  const [error, description] = [query.get('error') ?? '', query.get('error_description') ?? '']
  return description === 'invalid_scope' ? description : shown(error === '' ? 'none' : error)
}

const unguessable = (): string => randomBytes(32).toString('base64url')
