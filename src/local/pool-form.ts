import { html, type Markup } from './markup.ts'

/** What every form of the pool carries: where it posts to, what proves that it is ours, and what went wrong before. */
export interface FormParts {
  /** The query of the authorize request. */
  readonly query: string
  readonly csrf: string
  readonly problem?: string | undefined
}

interface FieldParts {
  readonly name: string
  readonly label: string
  readonly type?: string
  readonly autocomplete: string
  readonly value?: string
  readonly hint?: string
  readonly required?: boolean
}

/** A labelled input. */
export function field(parts: FieldParts): Markup {
  const { name, label, type = 'text', autocomplete, value = '', hint, required = true } = parts
  const described = hint === undefined ? undefined : html` aria-describedby="${name}-hint"`
  const shown = hint === undefined ? undefined : html`<p class="hint" id="${name}-hint">${hint}</p>`
  const attributes = html`${described}${required ? html` required` : undefined}`
  return html`<label for="${name}">${label}</label>
    <input
      id="${name}"
      name="${name}"
      type="${type}"
      value="${value}"
      autocomplete="${autocomplete}"
      autocapitalize="none"
      spellcheck="false"
      ${attributes}
    />
    ${shown}`
}

export const codeField = (): Markup => field({ name: 'code', label: 'Code', autocomplete: 'one-time-code' })

export const hidden = (name: string, value: string): Markup =>
  html`<input type="hidden" name="${name}" value="${value}" />`

/** A form that keeps the authorize request in its address. */
export function form(
  action: string,
  { query, csrf }: FormParts,
  { fields, button }: { readonly fields: Markup; readonly button: string },
): Markup {
  return html`<form method="post" action="${action}?${query}">
    ${hidden('_csrf', csrf)} ${fields}
    <button type="submit">${button}</button>
  </form>`
}

export const alertOf = (problem: string | undefined): Markup | undefined =>
  problem === undefined ? undefined : html`<p class="alert" role="alert">${problem}</p>`

export const backToSignIn = (query: string): Markup =>
  html`<p class="links"><a href="/login?${query}">Back to sign-in</a></p>`

/** Shows what a real pool would have sent by e-mail. */
export function mailNote(code: string | undefined): Markup {
  if (code === undefined) {
    return html`<p class="note">
      No code was sent: there is nobody of that name who could get one. A real pool would not say so.
    </p>`
  }
  return html`<p class="note">
    A real pool would send this by e-mail: <code class="code" id="mailed-code">${code}</code>
  </p>`
}
