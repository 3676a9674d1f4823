import { createHash } from 'node:crypto'
import type { Brand } from '../domain/branding.ts'

export const STYLE = `
:root { color-scheme: light dark; --ground: #f3f5f8; --card: #fff; --text: #17202c; --soft: #5a6675; --line: #dde3ea; --accent: #1d5fd1; --on-accent: #fff }
@media (prefers-color-scheme: dark) {
  :root { --ground: #10151c; --card: #1a212b; --text: #e9eef4; --soft: #a3b0bf; --line: #2e3947; --accent: #7fb0ff; --on-accent: #0c1626 }
}
* { box-sizing: border-box }
[hidden] { display: none !important }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 24px 16px; background: var(--ground); color: var(--text); font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif }
main { width: 100%; max-width: 440px; padding: 36px 32px 28px; background: var(--card); border: 1px solid var(--line); border-radius: 16px; box-shadow: 0 8px 30px rgb(15 30 55 / .07) }
.logo { display: block; max-width: 100%; height: 40px; margin-bottom: 20px; object-fit: contain; object-position: left }
.name { margin: 0 0 4px; color: var(--soft); font-size: .94rem; font-weight: 600 }
.mark { display: block; width: 40px; height: 40px; margin-bottom: 20px; color: var(--accent) }
h1 { margin: 0 0 10px; font-size: 1.45rem; line-height: 1.25; letter-spacing: -.01em }
h2 { margin: 22px 0 4px; font-size: 1rem }
p { margin: 0 0 14px; color: var(--soft) }
li { overflow-wrap: anywhere }
p strong, li { color: var(--text) }
ul { margin: 0 0 16px; padding-left: 20px }
form { margin: 0 }
dl { margin: 0 0 16px; padding: 12px 14px 2px; max-height: 40vh; overflow: auto; overflow-wrap: anywhere; border: 1px solid var(--line); border-radius: 10px }
dt { color: var(--soft); font-size: .86rem }
dd { margin: 0 0 10px; white-space: pre-wrap }
.address { overflow-wrap: anywhere }
.actions { display: grid; gap: 10px; margin-top: 22px }
.button { display: block; width: 100%; padding: 11px 18px; border: 1px solid transparent; border-radius: 10px; background: var(--brand, var(--accent)); color: var(--on-brand, var(--on-accent)); font: inherit; font-weight: 600; text-align: center; text-decoration: none; cursor: pointer }
.button:hover { filter: brightness(1.08) }
.quiet { background: transparent; border-color: var(--line); color: var(--text) }
a { color: var(--accent) }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.links { margin-top: 18px; font-size: .94rem }
footer { margin-top: 26px; padding-top: 14px; border-top: 1px solid var(--line); color: var(--soft); font-size: .8rem; overflow-wrap: anywhere }
@media (max-width: 480px) { main { padding: 28px 22px 22px } }
`

export const MARK = `<svg class="mark" viewBox="0 0 40 40" fill="none" stroke="currentColor" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M20 3.5 34 8.4v10.2c0 8.6-5.6 15-14 18-8.4-3-14-9.4-14-18V8.4z"/><path d="M14 27.5v-8a6 6 0 0 1 12 0v8M20 21.5v6"/></svg>`

const hashOf = (style: string): string => `'sha256-${createHash('sha256').update(style).digest('base64')}'`

const STYLE_HASH = hashOf(STYLE)

export interface PageKind {
  readonly https: boolean
  /** The page holds a form to ourselves: with no referrer at all browsers would call its origin `null`, and we refuse that. */
  readonly form?: boolean
  /** The page runs our one script. */
  readonly script?: boolean
  /** The page was `branded`. */
  readonly brand?: Brand | null
}

/** The headers of every page of ours: nothing but the one style sheet and, where asked for, the one script counts, nothing is kept, nobody frames it. */
export function pageHeaders({
  https,
  form = false,
  script = false,
  brand = null,
}: PageKind): Readonly<Record<string, string>> {
  // Browsers hold the redirects after a form to this list too, and sign-out goes on to Cognito and whoever it asks; http only where we are.
  const forms = https ? "'self' https:" : "'self' https: http://localhost:* http://*.localhost:* http://127.0.0.1:*"
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': [
      "default-src 'none'",
      `style-src ${STYLE_HASH}${brand?.colours === undefined ? '' : ` ${hashOf(styleOf(brand.colours))}`}`,
      ...(brand?.logo === undefined ? [] : [`img-src ${brand.logo.origin}`]),
      ...(script ? ["script-src 'self'"] : []),
      `form-action ${forms}`,
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join('; '),
    'referrer-policy': form ? 'same-origin' : 'no-referrer',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    ...(https ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  }
}

export interface PageContent {
  readonly title: string
  /** HTML; every value in it went through `escapeHtml`. */
  readonly body: string
  /** Shown for support, with the code. */
  readonly reference?: string | undefined
  readonly code?: string | undefined
  /** Address of the script, where the page has a use for it. */
  readonly script?: string | undefined
}

/** A whole page: one card with a heading, what happened, and what to do next. */
export function layout({ title, body, reference, code, script }: PageContent): string {
  const footer =
    reference === undefined
      ? ''
      : `<footer>Reference ${escapeHtml(reference)}${code === undefined ? '' : ` · ${escapeHtml(code)}`}</footer>`
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>${STYLE}</style>${script === undefined ? '' : `<script src="${escapeHtml(script)}" defer></script>`}</head>
<body><main>${MARK}<h1>${escapeHtml(title)}</h1>${body}${footer}</main></body>
</html>
`
}

/** A page as an application has it: its logo in place of our mark, its name, and its colour on what there is to click. */
export function branded(page: string, { name, logo, colours }: Brand): string {
  const picture =
    logo === undefined
      ? MARK
      : `<img class="logo" src="${escapeHtml(logo.href)}" alt="${name === undefined ? '' : escapeHtml(name)}">`
  const title = name === undefined ? '' : `<p class="name">${escapeHtml(name)}</p>`
  const style = colours === undefined ? '' : `<style>${styleOf(colours)}</style>`
  return page.replace('</head>', () => `${style}</head>`).replace(MARK, () => picture + title)
}

const styleOf = ({ ground, text }: NonNullable<Brand['colours']>): string =>
  `:root { --brand: ${ground}; --on-brand: ${text} }`

/** Text that stands in HTML, in an attribute too. */
export function escapeHtml(text: string): string {
  return text.replaceAll(/[&<>"'`]/g, (character) => `&#${character.codePointAt(0)};`)
}

export function linkButton(label: string, href: string, kind: 'primary' | 'quiet' = 'primary'): string {
  return `<a class="${buttonClass(kind)}" href="${escapeHtml(href)}">${escapeHtml(label)}</a>`
}

const buttonClass = (kind: 'primary' | 'quiet'): string => (kind === 'quiet' ? 'button quiet' : 'button')

export interface FormContent {
  readonly action: string
  readonly fields: Readonly<Record<string, string>>
  readonly button: string
  readonly kind?: 'primary' | 'quiet'
}

export function formButton({ action, fields, button, kind = 'primary' }: FormContent): string {
  const inputs = Object.entries(fields).map(
    ([name, value]) => `<input type="hidden" name="${escapeHtml(name)}" value="${escapeHtml(value)}">`,
  )
  return `<form method="post" action="${escapeHtml(action)}">${inputs.join('')}<button class="${buttonClass(kind)}" type="submit">${escapeHtml(button)}</button></form>`
}

export function actions(...items: readonly string[]): string {
  return `<div class="actions">${items.join('')}</div>`
}
