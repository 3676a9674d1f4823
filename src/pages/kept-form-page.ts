import { actions, escapeHtml, layout, linkButton } from './layout.ts'

export interface KeptFormPageOptions {
  readonly reference: string
  /** The form, for the script to keep in the tab. */
  readonly sealed: string
  /** A sign-in that leads on to the kept form. */
  readonly href: string
  /** A sign-in that leads back to the page, where nothing could be kept. */
  readonly plainHref: string
  readonly script: string
}

/** A form was posted when its person's session was over: what was typed is kept in the tab, where that is possible. */
export function keptFormPage({ reference, sealed, href, plainHref, script }: KeptFormPageOptions): string {
  const lost = 'Sign in in another window, then come back to this one, go back one page, and send it again.'
  return layout({
    title: 'You are not signed in any more',
    body: `<p role="alert">Your session had ended before your form was sent, so <strong>nothing was sent</strong>.</p>
<div data-gateway="keep" data-sealed="${escapeHtml(sealed)}" data-when="kept" hidden><p><strong>What you typed is not lost.</strong> It is kept in this window, sealed, for ten minutes. Sign in as the same person: then you see where it goes, and send it with one click.</p>${actions(linkButton('Sign in and continue', href))}</div>
<div data-when="lost" hidden><p>Your browser does not let us keep what you typed. ${lost}</p>${actions(linkButton('Sign in', plainHref))}</div>
<noscript><p>Your browser runs no scripts here, so what you typed could not be kept. ${lost}</p>${actions(linkButton('Sign in', plainHref))}</noscript>`,
    reference,
    code: 'GW_SIGN_IN_REQUIRED',
    script,
  })
}
