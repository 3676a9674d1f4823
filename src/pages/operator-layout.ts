import { createHash } from 'node:crypto'
import { escapeHtml, MARK, STYLE } from './layout.ts'

/** What pages with tables need beyond the cards for visitors. */
const WIDE = `
:root { --good: #1a7f46; --bad: #c0342b; --warn: #8a5a00; --tint: rgb(127 140 160 / .12) }
@media (prefers-color-scheme: dark) { :root { --good: #6fd39b; --bad: #ff8f85; --warn: #f0b95a } }
body { display: block; font-size: 15px }
main { max-width: 1120px; margin: 0 auto }
header { display: flex; align-items: center; gap: 14px; margin-bottom: 14px }
header .mark { margin: 0; flex: none }
header h1 { margin: 0 }
h2 { margin: 34px 0 6px; font-size: 1.1rem }
.facts { margin: 0 0 10px; font-size: .92rem }
.note { font-size: .92rem }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; color: var(--text) }
table { width: 100%; border-collapse: collapse; table-layout: fixed; margin: 0 0 8px }
th { padding: 6px 10px 6px 0; text-align: left; font-size: .8rem; font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--line) }
td { padding: 9px 10px 9px 0; vertical-align: top; border-bottom: 1px solid var(--line); overflow-wrap: anywhere }
td small { display: block; color: var(--soft) }
td ul { margin: 0; padding-left: 18px }
.w14 { width: 14% }
.w20 { width: 20% }
.w30 { width: 30% }
.w36 { width: 36% }
.badge { display: inline-block; margin: 0 4px 4px 0; padding: 1px 9px; border-radius: 99px; background: var(--tint); font-size: .82rem; font-weight: 600; white-space: nowrap }
.good { color: var(--good) }
.bad { color: var(--bad) }
.warn { color: var(--warn) }
.warned { display: block; margin-bottom: 4px; font-size: .86rem; color: var(--warn) }
.warned strong { color: inherit }
.filter { display: flex; flex-wrap: wrap; gap: 8px; margin: 18px 0 }
input, textarea { width: 100%; padding: 9px 12px; border: 1px solid var(--line); border-radius: 10px; background: var(--ground); color: var(--text); font: inherit; font-weight: 400 }
textarea { min-height: 150px; font: .88rem/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; resize: vertical }
.filter input { flex: 1 1 220px; width: auto }
.filter .button, .fields .button { width: auto; justify-self: start }
.fields { display: grid; gap: 16px; margin: 18px 0 }
.fields label { display: grid; gap: 4px; font-weight: 600 }
.fields small { color: var(--soft); font-weight: 400 }
.jump { margin: 0 0 8px; font-size: .92rem; line-height: 1.9 }
.jump a { margin-right: 12px; white-space: nowrap }
@media (max-width: 640px) {
  body { padding: 12px 8px }
  main { padding: 22px 16px }
  thead { position: absolute; clip-path: inset(50%); width: 1px; height: 1px; overflow: hidden }
  table, tbody, tr, td { display: block }
  tr { padding: 10px 0; border-bottom: 1px solid var(--line) }
  td { padding: 3px 0; border: 0 }
  td[data-is]::before { content: attr(data-is) " "; color: var(--soft); font-size: .8rem }
}
`

const WHOLE = STYLE + WIDE
const STYLE_HASH = createHash('sha256').update(WHOLE).digest('base64')

/** The headers of a page on a private port: one style sheet, no script, forms to this very port only, nobody frames it, nothing is kept. */
export const OPERATOR_HEADERS: Readonly<Record<string, string>> = {
  'content-type': 'text/html; charset=utf-8',
  'cache-control': 'no-store',
  'content-security-policy': `default-src 'none'; style-src 'sha256-${STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`,
  // With no referrer at all browsers would call the origin of a form `null`.
  'referrer-policy': 'same-origin',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
}

export interface OperatorPage {
  readonly title: string
  /** HTML; every value in it went through `escapeHtml`. */
  readonly body: string
}

/** A page for those who run the gateway: as wide as a table needs. */
export function operatorPage({ title, body }: OperatorPage): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escapeHtml(title)}</title><style>${WHOLE}</style></head>
<body><main><header>${MARK}<h1>${escapeHtml(title)}</h1></header>${body}</main></body>
</html>
`
}

export interface Column {
  readonly title: string
  /** Of the table's width, in percent. */
  readonly width: number
}

/** Cells are HTML; on a narrow screen a row becomes a block, and each cell says what it is. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const head = columns.map(({ title, width }) => `<th class="w${width}" scope="col">${escapeHtml(title)}</th>`)
  const cells = (row: readonly string[]): string =>
    row
      .map((cell, at) =>
        cell === '' ? '<td></td>' : `<td data-is="${escapeHtml(columns[at]?.title ?? '')}">${cell}</td>`,
      )
      .join('')
  return `<table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${cells(row)}</tr>`).join('\n')}</tbody></table>`
}

export const code = (text: string): string => `<code>${escapeHtml(text)}</code>`

/** Ways in or words of one kind: alone as they are, else as a list. */
export function either(texts: readonly string[]): string {
  const [only = ''] = texts
  if (texts.length < 2) return escapeHtml(only)
  return `<ul>${texts.map((text, at) => `<li>${at === 0 ? '' : 'or '}${escapeHtml(text)}</li>`).join('')}</ul>`
}
