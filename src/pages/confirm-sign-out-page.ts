import { actions, escapeHtml, formButton, layout, linkButton } from './layout.ts'

export interface ConfirmSignOutPageOptions {
  readonly who: string | undefined
  readonly action: string
  readonly csrfToken: string
  readonly home: string
}

/** Signing out takes a click, so that no link or picture of another site can do it. */
export function confirmSignOutPage({ who, action, csrfToken, home }: ConfirmSignOutPageOptions): string {
  const text =
    who === undefined ? 'You are not signed in here.' : `You are signed in as <strong>${escapeHtml(who)}</strong>.`
  return layout({
    title: 'Sign out?',
    body: `<p>${text}</p>${actions(formButton({ action, fields: { csrf: csrfToken }, button: 'Sign out' }), linkButton('Stay signed in', home, 'quiet'))}`,
  })
}
