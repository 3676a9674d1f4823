import { actions, escapeHtml, formButton, layout, linkButton } from './layout.ts'

export interface ConfirmSignOutPageOptions {
  readonly who: string | undefined
  readonly action: string
  readonly csrfToken: string
  /** Offers to end every session of the person. */
  readonly everywhere: boolean
  readonly home: string
}

const EVERYWHERE = { button: 'Sign out on all devices', kind: 'quiet' } as const

/** Signing out takes a click, so that no link or picture of another site can do it. */
export function confirmSignOutPage(options: ConfirmSignOutPageOptions): string {
  const { who, action, csrfToken, everywhere, home } = options
  const text =
    who === undefined ? 'You are not signed in here.' : `You are signed in as <strong>${escapeHtml(who)}</strong>.`
  return layout({
    title: 'Sign out?',
    body: `<p>${text}</p>${actions(
      formButton({ action, fields: { csrf: csrfToken }, button: 'Sign out' }),
      ...(everywhere ? [formButton({ action, fields: { csrf: csrfToken, everywhere: '1' }, ...EVERYWHERE })] : []),
      linkButton('Stay signed in', home, 'quiet'),
    )}`,
  })
}
