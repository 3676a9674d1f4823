import type { CookieFindings } from '../domain/cookie-findings.ts'
import type { LoginRecord } from '../domain/login-record.ts'
import { actions, escapeHtml, layout, linkButton } from './layout.ts'

export interface DiagnosePageOptions {
  readonly reference: string
  /** Epoch milliseconds. */
  readonly now: number
  readonly cookies: CookieFindings
  /** How many bytes the headers of a request may have in all. */
  readonly maxHeaderBytes: number
  readonly session: SessionState
  /** Sign-ins of this browser, the newest first. */
  readonly logins: readonly Pick<LoginRecord, 'attempt' | 'startedAt' | 'stage' | 'result' | 'code' | 'references'>[]
  readonly version: string
  readonly signInHref: string
  /** The address of our script, which compares the clocks. */
  readonly script: string
}

/** `unreadable`: the cookie is there, and nothing that we could open. */
export type SessionState =
  | { readonly kind: 'none' | 'unreadable' | 'over' }
  | { readonly kind: 'signed-in'; readonly endsAt: number; readonly idleAt: number }

/** What the gateway sees of a browser with which somebody cannot sign in: enough to tell whoever helps, and no value of anything. */
export function diagnosePage(options: DiagnosePageOptions): string {
  const { reference, now, version, signInHref, logins, script } = options
  const clock = `<span data-gateway="clock" data-now="${now}">compare this with the clock of your device</span>`
  const body = `
<p>This is what the gateway sees of your browser. Read it out or show it to whoever helps you: it holds nothing secret.</p>
<h2>Clock</h2>
<p>Ours says ${time(now)}; yours: ${clock}.</p>
<h2>Session</h2>
<p>${escapeHtml(sessionText(options.session, now))}</p>
<h2>Sign-ins of this browser that have not ended well</h2>
${list(logins.map(loginText), 'None under way, and none that failed is remembered here.')}
<h2>Cookies</h2>
${cookieList(options)}
${actions(linkButton('Sign in', signInHref))}`
  return layout({ title: 'Help with signing in', body, reference, code: `version ${version}`, script })
}

const time = (epochMs: number): string =>
  `<strong>${new Date(epochMs).toISOString().slice(0, 19).replace('T', ' ')}</strong> UTC`

function sessionText(session: SessionState, now: number): string {
  const minutes = (until: number): string => `${Math.max(0, Math.ceil((until - now) / 60_000))} minutes`
  switch (session.kind) {
    case 'none':
      return 'You are not signed in.'
    case 'unreadable':
      return 'Your browser sent a session that is not valid here. Sign in again.'
    case 'over':
      return 'Your session is over. Sign in again.'
    case 'signed-in':
      return `You are signed in, for ${minutes(session.endsAt)} at most, and ${minutes(session.idleAt)} if you do nothing.`
  }
}

const STAGES: Readonly<Record<LoginRecord['stage'], string>> = {
  started: 'sent to the sign-in page',
  came_back: 'came back from the sign-in page',
  exchanged: 'accepted by the sign-in service',
  verified: 'verified',
  session_set: 'signed in, and the cookie has not come back yet',
  cookie_seen: 'signed in, and the cookie came back',
}

function loginText({ startedAt, stage, result, code, references }: DiagnosePageOptions['logins'][number]): string {
  const end = result === 'failed' ? `: ended with ${code ?? 'an error'}` : result === 'restarted' ? ': begun again' : ''
  return `${time(startedAt)}: ${escapeHtml(STAGES[stage] + end)}, reference ${escapeHtml(references.at(-1) ?? '')}`
}

function cookieList({ cookies, maxHeaderBytes }: DiagnosePageOptions): string {
  const own = cookies.own.map(({ name, bytes, fault }) => {
    const faultText = fault === null ? '' : `: ${fault === 'doubled' ? 'sent more than once' : 'malformed'}`
    return `<code>${escapeHtml(name)}</code>, ${bytes} bytes${faultText}`
  })
  const { others, totalBytes } = cookies
  const total = `All cookies together ${totalBytes} bytes; all headers together may have ${maxHeaderBytes}.`
  const warning = totalBytes > maxHeaderBytes / 2 ? ' That is a lot: deleting the cookies of this site may help.' : ''
  return `${list(own, 'None of ours.')}<p>${others} cookies of others. ${total}${warning}</p>`
}

const list = (items: readonly string[], none: string): string =>
  items.length === 0 ? `<p>${none}</p>` : `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`
