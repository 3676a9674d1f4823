/** How a value is written that is not plain ASCII. Control characters pass in none of them as they are. */
export type HeaderEncoding = 'percent' | 'utf8' | 'latin1' | 'base64'

/** A value that can stand in a header, or undefined where the encoding cannot carry it: then the header is left out. */
export function encoded(value: string | undefined, encoding: HeaderEncoding): string | undefined {
  // What is no text at all has no bytes of its own: two such values would come out as one.
  if (value === undefined || hasLoneSurrogate(value)) return undefined
  switch (encoding) {
    case 'percent':
      return percentEncoded(value, '')
    case 'base64':
      return Buffer.from(value, 'utf8').toString('base64')
    case 'utf8':
    case 'latin1':
      // Spaces at the ends are cut off on the way: two people could come out as one.
      if (!isPlainText(value, encoding) || value.startsWith(' ') || value.endsWith(' ')) return undefined
      return Buffer.from(value, encoding).toString('latin1')
  }
}

/** Whether a text has nothing but characters that one reads, all of which the charset has. */
export function isPlainText(value: string, charset: 'utf8' | 'latin1'): boolean {
  if (/[\x00-\x1f\x7f-\x9f]/.test(value) || hasLoneSurrogate(value)) return false
  return charset === 'utf8' || !/[^\x20-\xff]/.test(value)
}

const hasLoneSurrogate = (value: string): boolean => /\p{Surrogate}/u.test(value)

/** Escapes all that a header cannot carry unchanged, so that percent-decoding gives back exactly the value. */
export function percentEncoded(value: string, separator: string): string {
  if (
    /^[\x21-\x24\x26-\x7e](?:[\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?$/.test(value) &&
    (separator === '' || !value.includes(separator))
  ) {
    return value
  }
  const bytes = Buffer.from(value, 'utf8')
  let out = ''
  for (const [at, byte] of bytes.entries()) {
    const outer = byte === 0x20 && (at === 0 || at === bytes.length - 1)
    const plain =
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 && !outer && !separator.includes(String.fromCodePoint(byte))
    out += plain ? String.fromCodePoint(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
