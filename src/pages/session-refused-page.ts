import { actions, layout, linkButton } from './layout.ts'

export interface SessionRefusedPageOptions {
  readonly reference: string
  /** Where a new sign-in begins that leads back. */
  readonly href: string
}

/** For somebody whose session was ended from outside: being sent to sign in without a word would look like a fault. */
export function sessionRefusedPage({ reference, href }: SessionRefusedPageOptions): string {
  return layout({
    title: 'Your session has ended',
    body:
      '<p role="alert">The sign-in service does not continue your session: it may have been signed out elsewhere, or your account has changed. ' +
      `Sign in again to go on where you were.</p>${actions(linkButton('Sign in again', href))}`,
    reference,
    code: 'GW_SIGN_IN_REQUIRED',
  })
}
