import { actions, escapeHtml, layout, linkButton } from './layout.ts'

export interface SignInPageOptions {
  readonly providers: readonly { readonly label: string; readonly href: string }[]
  readonly signUpHref?: string | undefined
  readonly forgotHref?: string | undefined
}

/** The choice of how to sign in. */
export function signInPage({ providers, signUpHref, forgotHref }: SignInPageOptions): string {
  const links = [
    ...(signUpHref === undefined ? [] : [`<a href="${escapeHtml(signUpHref)}">Create an account</a>`]),
    ...(forgotHref === undefined ? [] : [`<a href="${escapeHtml(forgotHref)}">Forgotten your password?</a>`]),
  ]
  const buttons = providers.map(({ label, href }, at) => linkButton(label, href, at === 0 ? 'primary' : 'quiet'))
  return layout({
    title: 'Sign in',
    body: `<p>How would you like to sign in?</p>${actions(...buttons)}${links.length === 0 ? '' : `<p class="links">${links.join(' · ')}</p>`}`,
  })
}
