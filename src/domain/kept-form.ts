import type { SafePath } from './return-to.ts'

/** A form that was posted after its person's session had ended: what was sent, whose it was, and where it was to go. */
export interface KeptForm {
  readonly pool: string
  readonly subject: string
  readonly host: string
  readonly method: 'POST'
  readonly path: SafePath
  /** As it came: `application/x-www-form-urlencoded`. */
  readonly body: string
  /** Epoch milliseconds. */
  readonly keptAt: number
}

/** The fields of a form in their order, as the browser wrote them in this character encoding. */
export interface FormFields {
  readonly charset: 'utf-8' | 'windows-1252'
  readonly fields: readonly (readonly [name: string, value: string])[]
}

export const KEPT_FORM_LIFE_MS = 600_000
export const MAX_KEPT_BODY_BYTES = 65_536
const MAX_FIELDS = 1_000

/** What a kept form is to whoever brings it back. */
export type Claim = 'theirs' | 'someone-else' | 'expired'

/** Only the same person, at the same host, within ten minutes. */
export function claimOf(
  form: KeptForm,
  by: { readonly pool: string; readonly subject: string; readonly host: string | null },
  now: number,
): Claim {
  if (form.pool !== by.pool || form.subject !== by.subject || form.host !== by.host) return 'someone-else'
  return now < form.keptAt + KEPT_FORM_LIFE_MS ? 'theirs' : 'expired'
}

/**
 * Reads what a browser wrote of a form (WHATWG URL, application/x-www-form-urlencoded), so that a form of ours with the same fields is
 * written in the same way again. Old applications have pages in windows-1252, in which browsers also write what calls itself Latin-1.
 * Null for what no form of ours could write.
 */
export function parseFormBody(body: string): FormFields | null {
  if (/[^\x21-\x7e]/.test(body)) return null
  const pairs = body === '' ? [] : body.split('&')
  if (pairs.length > MAX_FIELDS) return null
  const raw = pairs.map((pair) => {
    const equals = pair.indexOf('=')
    return equals === -1 ? ([pair, ''] as const) : ([pair.slice(0, equals), pair.slice(equals + 1)] as const)
  })
  const charset = raw.flat().every((text) => utf8In(text) !== null) ? 'utf-8' : 'windows-1252'
  const read = charset === 'utf-8' ? utf8In : windows1252In
  const fields = raw.map(([name, value]) => [read(name) ?? '', read(value) ?? ''] as const)
  return fields.flat().some((text) => text.includes('\0')) ? null : { charset, fields }
}

function bytesIn(text: string): string {
  return text
    .replaceAll('+', ' ')
    .replaceAll(/%([\da-f]{2})/gi, (_, code: string) => String.fromCodePoint(Number.parseInt(code, 16)))
}

function utf8In(text: string): string | null {
  try {
    // A percent sign that escapes nothing stands for itself.
    return decodeURIComponent(text.replaceAll('+', ' ').replaceAll(/%(?![\da-f]{2})/gi, '%25'))
  } catch {
    return null
  }
}

/** Bytes 0x80 to 0x9f of windows-1252 (WHATWG Encoding); all others are the code points of their number. */
const HIGH_CONTROLS = '€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ'

function windows1252In(text: string): string {
  return bytesIn(text).replaceAll(
    /[\u0080-\u009f]/g,
    (character) => HIGH_CONTROLS[(character.codePointAt(0) ?? 0x80) - 0x80] ?? character,
  )
}
