import type { FormFields } from '../domain/kept-form.ts'
import { actions, escapeHtml, layout, linkButton } from './layout.ts'

export interface ResumePageOptions {
  readonly action: string
  readonly csrfToken: string
  readonly script: string
}

/** Hands what the tab keeps to us, who alone can open it. */
export function resumePage({ action, csrfToken, script }: ResumePageOptions): string {
  const home = actions(linkButton('Go to the start page', '/'))
  return layout({
    title: 'Your form',
    body: `<form method="post" action="${escapeHtml(action)}" data-gateway="resume"><input type="hidden" name="csrf" value="${escapeHtml(csrfToken)}"><input type="hidden" name="sealed"></form>
<div data-when="nothing" hidden><p role="alert">No form is kept in this window.</p>${home}</div>
<noscript><p role="alert">Your browser runs no scripts here, so no form could be kept.</p>${home}</noscript>`,
    script,
  })
}

export interface SendFormPageOptions {
  readonly who: string
  readonly path: string
  readonly form: FormFields
  readonly script: string
}

const MAX_SHOWN_FIELDS = 50
const MAX_SHOWN_CHARACTERS = 120
const SECRET_NAME = /pass|pwd|secret|token|csrf|xsrf|pin\b|cvv|cvc|nonce|signature/i

/** Shows where a kept form will go, and what is in it; a click sends it as its own page would have. */
export function sendFormPage({ who, path, form, script }: SendFormPageOptions): string {
  const { charset, fields } = form
  const shown = fields
    .slice(0, MAX_SHOWN_FIELDS)
    .map(([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(shownValue(name, value))}</dd>`)
  const more = fields.length > MAX_SHOWN_FIELDS ? `<p>And ${fields.length - MAX_SHOWN_FIELDS} more.</p>` : ''
  const inputs = fields.map(
    ([name, value]) => `<input type="hidden" name="${attribute(name)}" value="${attribute(value)}">`,
  )
  return layout({
    title: 'Send your form now?',
    body: `<p>You are signed in as <strong>${escapeHtml(who)}</strong>. What you typed was kept and goes to <strong class="address">${escapeHtml(path)}</strong>:</p>
<dl tabindex="0">${shown.join('')}</dl>${more}
${actions(
  `<form method="post" action="${escapeHtml(path)}" accept-charset="${charset}" data-gateway="send">${inputs.join('')}<button class="button" type="submit">Send it</button></form>`,
  '<a class="button quiet" href="/" data-gateway="discard">Throw it away</a>',
)}`,
    script,
  })
}

export interface RefusedFormPageOptions {
  readonly why: 'someone-else' | 'expired'
  readonly reference: string
  readonly script: string
}

/** A kept form that is not shown to whoever brought it; the tab forgets it. */
export function refusedFormPage({ why, reference, script }: RefusedFormPageOptions): string {
  const text =
    why === 'expired'
      ? 'A form is kept for ten minutes, and these are over.'
      : 'The form that is kept in this window was not yours.'
  return layout({
    title: 'Nothing was sent',
    body: `<p role="alert" data-gateway="forget">${text} <strong>Nothing was sent</strong>, and it was thrown away.</p>${actions(linkButton('Go to the start page', '/'))}`,
    reference,
    script,
  })
}

/** Parsers of HTML make one line feed of every way to break a line, unless it is written as a number. */
function attribute(text: string): string {
  return escapeHtml(text).replaceAll('\r', '&#13;').replaceAll('\n', '&#10;')
}

function shownValue(name: string, value: string): string {
  if (value === '') return '(empty)'
  if (SECRET_NAME.test(name)) return '(not shown)'
  return value.length > MAX_SHOWN_CHARACTERS ? `${value.slice(0, MAX_SHOWN_CHARACTERS)}…` : value
}
