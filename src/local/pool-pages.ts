import { html, type Markup } from './markup.ts'
import { alertOf, backToSignIn, codeField, field, form, hidden, mailNote, type FormParts } from './pool-form.ts'
import type { Page } from './pool-layout.ts'
import type { IdentityProvider } from './pool-settings.ts'

export interface SignInParts extends FormParts {
  readonly username: string
  readonly ownDirectory: boolean
  readonly providers: readonly IdentityProvider[]
  readonly selfSignUp: boolean
}

export function signInPage(parts: SignInParts): Page {
  const { query, ownDirectory, providers } = parts
  const buttons = providers.map(({ name }) => {
    const to = new URLSearchParams(query)
    to.set('identity_provider', name)
    return html`<a class="button" href="/oauth2/authorize?${to.toString()}">Continue with ${name}</a>`
  })
  const divider = ownDirectory && buttons.length > 0 ? html`<p class="divider">or</p>` : undefined
  const content = html`<p class="lead">Sign in to go on to the application.</p>
    ${alertOf(parts.problem)}${ownDirectory ? signInForm(parts) : undefined}${divider}${buttons}`
  return { title: 'Sign in', content }
}

function signInForm(parts: SignInParts): Markup {
  const { query, selfSignUp, username } = parts
  const fields = html`${field({ name: 'username', label: 'Username', autocomplete: 'username', value: username })}
  ${field({ name: 'password', label: 'Password', type: 'password', autocomplete: 'current-password' })}`
  const signUp = selfSignUp ? html`<a href="/signup?${query}">Create an account</a>` : undefined
  return html`${form('/login', parts, { fields, button: 'Sign in' })}
    <p class="links"><a href="/forgotPassword?${query}">Forgot your password?</a>${signUp}</p>`
}

export function signUpPage(parts: FormParts & { readonly username: string; readonly email: string }): Page {
  const fields = html`${field({ name: 'username', label: 'Username', autocomplete: 'username', value: parts.username })}
  ${field({ name: 'email', label: 'E-mail address', type: 'email', autocomplete: 'email', value: parts.email })}
  ${field({
    name: 'password',
    label: 'Password',
    type: 'password',
    autocomplete: 'new-password',
    hint: 'At least 8 characters: lower case, upper case, a digit and a symbol.',
  })}`
  const content = html`${alertOf(parts.problem)}${form('/signup', parts, { fields, button: 'Sign up' })}
  ${backToSignIn(parts.query)}`
  return { title: 'Create an account', content }
}

export interface CodeParts extends FormParts {
  readonly username: string
  /** What a real pool would have sent; absent when it would have sent nothing. */
  readonly mailedCode: string | undefined
}

export function confirmPage(parts: CodeParts): Page {
  const fields = html`${hidden('username', parts.username)}${codeField()}`
  const content = html`${mailNote(parts.mailedCode)}${alertOf(parts.problem)}
  ${form('/confirm', parts, { fields, button: 'Confirm account' })}${backToSignIn(parts.query)}`
  return { title: 'Confirm your account', content }
}

export function forgotPasswordPage(parts: FormParts & { readonly username: string }): Page {
  const fields = field({ name: 'username', label: 'Username', autocomplete: 'username', value: parts.username })
  const content = html`<p class="lead">Give your username, and a code for a new password will be sent to you.</p>
    ${alertOf(parts.problem)}${form('/forgotPassword', parts, { fields, button: 'Reset my password' })}
    ${backToSignIn(parts.query)}`
  return { title: 'Forgot your password?', content }
}

export function newPasswordPage(parts: CodeParts): Page {
  const fields = html`${hidden('username', parts.username)}${codeField()}
  ${field({ name: 'password', label: 'New password', type: 'password', autocomplete: 'new-password' })}`
  const content = html`${mailNote(parts.mailedCode)}${alertOf(parts.problem)}
  ${form('/confirmforgotPassword', parts, { fields, button: 'Change password' })}${backToSignIn(parts.query)}`
  return { title: 'Choose a new password', content }
}

/** The page of an external provider, which every person can pretend to be anybody at. */
export function providerPage(provider: IdentityProvider, state: string): Page {
  const cancel = new URLSearchParams({ error: 'access_denied', state })
  const hint = `Who you are at ${provider.name}, for example carol.`
  const fields = html`${hidden('state', state)}
  ${field({ name: 'subject', label: 'Subject', autocomplete: 'off', hint })}
  ${field({ name: 'email', label: 'E-mail address', type: 'email', autocomplete: 'email', required: false })}
  ${field({ name: 'name', label: 'Full name', autocomplete: 'name', required: false })}`
  const content = html`<p class="lead">This page stands in for an external identity provider. Be whoever you like.</p>
    <form method="post" action="/simulated-provider">
      ${fields}
      <button type="submit">Continue</button>
    </form>
    <a class="button" href="/oauth2/idpresponse?${cancel.toString()}">Cancel</a>`
  return { title: `Sign in at ${provider.name}`, brand: `${provider.name} (simulated provider)`, content }
}

export function errorPage(error: string, clientId: string | undefined): Page {
  const client = clientId === undefined ? undefined : html`<p>App client: <code>${clientId}</code></p>`
  const meaning = MEANINGS[error]
  const content = html`<p>An error was encountered with the requested page.</p>
    <p class="alert" role="alert"><code id="error">${error}</code></p>
    ${meaning === undefined ? undefined : html`<p class="note">${meaning}</p>`} ${client}`
  return { title: 'Error', content }
}

const MEANINGS: Readonly<Record<string, string>> = {
  redirect_mismatch:
    'The redirect_uri is not among the callbackUrls of this app client. It must be the same character for character.',
  'Client does not exist': 'The client_id is not among the app clients of this pool.',
  'Required parameters missing':
    'The address lacks client_id or redirect_uri; sign-out needs a logout_uri that is among the logoutUrls of this app client, or a redirect_uri.',
  'Login pages unavailable. Please contact an administrator.':
    'This app client has no managed login style (styled: false).',
  'Login option is not available. Please try another one':
    'The identity_provider is not among the identityProviders of this app client.',
}
