import { actions, escapeHtml, formButton, layout, linkButton } from './layout.ts'

export interface ForbiddenPageOptions {
  readonly reference: string
  /** Who is signed in, as the person knows themselves. */
  readonly who: string | undefined
  readonly kinds: readonly MissingKind[]
  /** Names of what was asked; shown only where the settings allow it. */
  readonly names: readonly string[]
  readonly switchAction: string
  readonly csrfToken: string
  readonly returnTo: string
}

export type MissingKind =
  'group' | 'scope' | 'client' | 'claim' | 'provider' | 'email' | 'address' | 'recent' | 'person' | 'pool'

const WORDS: Readonly<Record<MissingKind, string>> = {
  group: 'membership in a group',
  scope: 'a permission of your sign-in',
  client: 'a sign-in by another program',
  claim: 'a detail of your account',
  provider: 'a sign-in by way of another organisation',
  email: 'a confirmed e-mail address of the right domain',
  address: 'a connection from the right network',
  recent: 'a recent sign-in',
  person: 'a personal account',
  pool: 'an account of this organisation',
}

/** A person who is signed in may not open this: who they are, what kind of thing is missing, and how to become someone else. */
export function forbiddenPage(options: ForbiddenPageOptions): string {
  const { reference, who, kinds, names, switchAction, csrfToken, returnTo } = options
  const missing =
    kinds.length === 0
      ? ''
      : `<p>Your account lacks ${kinds.map((kind) => WORDS[kind]).join(' and ')} that this page asks for.</p>`
  const asked = names.length === 0 ? '' : `<ul>${names.map((name) => `<li>${escapeHtml(name)}</li>`).join('')}</ul>`
  const body = `<p role="alert">${who === undefined ? 'You are signed in' : `You are signed in as <strong>${escapeHtml(who)}</strong>`}, but may not open this page.</p>${missing}${asked}${actions(
    formButton({
      action: switchAction,
      fields: { csrf: csrfToken, switch: '1', rd: returnTo },
      button: 'Sign in as someone else',
    }),
    linkButton('Go to the start page', '/', 'quiet'),
  )}`
  return layout({ title: 'You may not open this', body, reference, code: 'GW_FORBIDDEN' })
}
