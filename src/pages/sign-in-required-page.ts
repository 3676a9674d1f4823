import { actions, layout, linkButton } from './layout.ts'

export interface SignInRequiredPageOptions {
  readonly reference: string
  readonly href: string
  /** A form was being sent: it did not go anywhere. */
  readonly nothingSent: boolean
  /** Why it could not be kept either, where its person may know. */
  readonly why?: 'files' | 'too-large' | 'unknown'
}

const WHY = {
  files: ' Forms that can hold files cannot be kept.',
  'too-large': ' It is too large to be kept.',
  unknown: '',
} as const

/** For a page request that cannot simply be sent to sign in, because something would be lost on the way. */
export function signInRequiredPage({
  reference,
  href,
  nothingSent,
  why = 'unknown',
}: SignInRequiredPageOptions): string {
  const text = nothingSent
    ? `You are not signed in any more, so <strong>nothing was sent</strong>.${WHY[why]} Sign in in this window or another, then go back and send it again.`
    : 'This page is for people who are signed in.'
  return layout({
    title: 'Please sign in',
    body: `<p role="alert">${text}</p>${actions(linkButton('Sign in', href))}`,
    reference,
    code: 'GW_SIGN_IN_REQUIRED',
  })
}
