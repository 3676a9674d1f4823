import { actions, layout, linkButton } from './layout.ts'

/** Where a sign-out ends; needs no sign-in itself. */
export function signedOutPage({ signInHref }: { readonly signInHref: string }): string {
  return layout({
    title: 'You are signed out',
    body: `<p>Your session has ended here and at the sign-in service. Close the browser if others use it too.</p>${actions(linkButton('Sign in again', signInHref))}`,
  })
}
