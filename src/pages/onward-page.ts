import { actions, escapeHtml, layout } from './layout.ts'

export interface OnwardPageOptions {
  readonly reference: string
  /** Where a sign-in begins; ends with the address to come back to, to which the script adds the fragment. */
  readonly href: string
  readonly script: string
}

/** Goes on to the sign-in by itself and takes the `#fragment` of the address along, which browsers never send to us. */
export function onwardPage({ reference, href, script }: OnwardPageOptions): string {
  return layout({
    title: 'Please sign in',
    body: `<p>This page is for people who are signed in. Sign in, and you are taken back to it.</p>${actions(
      `<a class="button" data-gateway="onward" href="${escapeHtml(href)}">Sign in</a>`,
    )}`,
    reference,
    code: 'GW_SIGN_IN_REQUIRED',
    script,
  })
}
