import { actions, layout, linkButton } from './layout.ts'

export interface SignInRequiredPageOptions {
  readonly reference: string
  readonly href: string
  /** A form was being sent: it did not go anywhere. */
  readonly nothingSent: boolean
}

/** For a page request that cannot simply be sent to sign in, because something would be lost on the way. */
export function signInRequiredPage({ reference, href, nothingSent }: SignInRequiredPageOptions): string {
  const text = nothingSent
    ? 'You are not signed in any more, so <strong>nothing was sent</strong>. Sign in in this window or another, then go back and send it again.'
    : 'This page is for people who are signed in.'
  return layout({
    title: 'Please sign in',
    body: `<p role="alert">${text}</p>${actions(linkButton('Sign in', href))}`,
    reference,
    code: 'GW_SIGN_IN_REQUIRED',
  })
}
