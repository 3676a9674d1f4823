/** Markup that is safe to send. Only `html` and `trusted` make it. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type MarkupValue = string | number | Markup | readonly Markup[] | undefined

const REPLACEMENTS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Template tag: every value is escaped for text and for quoted attributes, unless it is markup itself. */
export function html(parts: TemplateStringsArray, ...values: readonly MarkupValue[]): Markup {
  const texts = parts.map((part, index) => part + (index < values.length ? textOf(values[index]) : ''))
  return new Markup(texts.join(''))
}

/** Markup from text of our own, such as a style sheet. Never from anything received. */
export const trusted = (text: string): Markup => new Markup(text)

function textOf(value: MarkupValue): string {
  if (value === undefined) return ''
  if (value instanceof Markup) return value.text
  if (typeof value === 'object') return value.map((item) => item.text).join('')
  return String(value).replaceAll(/[&<>"']/g, (character) => REPLACEMENTS[character] ?? '')
}
