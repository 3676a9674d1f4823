/** A request target read in the one way that the gateway allows, or the reason why it has more than one. */
export type Target = AcceptedTarget | { readonly ok: false; readonly reason: TargetRefusal }

export interface AcceptedTarget {
  readonly ok: true
  /** Every escape decoded exactly once, NFC, letter case folded: what rules are decided on. */
  readonly path: string
  /** The client's own bytes: what the application gets. */
  readonly rawPath: string
  /** With its `?`, or empty. */
  readonly query: string
}

export type TargetRefusal =
  | 'not_origin_form'
  | 'too_long'
  | 'control_character'
  | 'raw_character'
  | 'bad_escape'
  | 'encoded_control'
  | 'encoded_slash'
  | 'encoded_backslash'
  | 'encoded_percent'
  | 'encoded_reserved'
  | 'empty_segment'
  | 'matrix_parameter'
  | 'dot_segment'
  | 'trailing_dot'
  | 'stream_name'
  | 'bad_utf8'
  | 'not_canonical'
  | 'fragment'

/** The word of `allowInPath` that would let such a path pass; the others never pass. */
export const allowedBy: Readonly<Partial<Record<TargetRefusal, string>>> = {
  raw_character: 'rawReserved',
  encoded_slash: 'encodedSlash',
  encoded_percent: 'encodedPercent',
  encoded_reserved: 'encodedReserved',
  empty_segment: 'emptySegments',
  matrix_parameter: 'matrixParams',
  trailing_dot: 'trailingDots',
  bad_utf8: 'latin1',
}

const MAX_LENGTH = 8_192
const PLAIN = /^[\w\-~!$&'()*+,=:@/.[\]]*$/

/** Never throws, and takes time in proportion to the length. */
export function parseTarget(raw: string): Target {
  if (raw.length > MAX_LENGTH) return refused('too_long')
  if (!raw.startsWith('/')) return refused('not_origin_form')
  const question = raw.indexOf('?')
  const rawPath = question === -1 ? raw : raw.slice(0, question)
  const query = question === -1 ? '' : raw.slice(question)
  // Browsers leave most of visible ASCII as it is in a query, and no rule looks there; `#` would cut it short for some readers.
  if (query.includes('#')) return refused('fragment')
  if (/[^\x21-\x7e]/.test(query)) return refused('control_character')
  const reason = PLAIN.test(rawPath) ? refusalOfSegments(rawPath) : refusalOfPath(rawPath)
  if (reason !== null) return refused(reason)
  const path = foldPath(rawPath.includes('%') ? decodeURIComponent(rawPath) : rawPath)
  return { ok: true, path, rawPath, query }
}

function refused(reason: TargetRefusal): Target {
  return { ok: false, reason }
}

const ESCAPES: readonly (readonly [RegExp, TargetRefusal])[] = [
  [/#/, 'fragment'],
  [/[^\x21-\x7e]/, 'control_character'],
  [/[\\"<>^`{|}]/, 'raw_character'],
  [/%(?![\dA-Fa-f]{2})/, 'bad_escape'],
  [/%(?:[01][\dA-Fa-f]|7[Ff])/, 'encoded_control'],
  [/%2[Ff]/, 'encoded_slash'],
  [/%5[Cc]/, 'encoded_backslash'],
  [/%25/, 'encoded_percent'],
  [/%3[Bb]/, 'matrix_parameter'],
  [/%2[Ee]/, 'dot_segment'],
  [/%(?:23|3[Ff])/, 'encoded_reserved'],
]

function refusalOfPath(rawPath: string): TargetRefusal | null {
  const found = ESCAPES.find(([pattern]) => pattern.test(rawPath))
  if (found !== undefined) return found[1]
  const decoded = decoded1(rawPath)
  if (decoded === null) return 'bad_utf8'
  if (/[\x80-\x9f]/.test(decoded)) return 'encoded_control'
  // Normalising must not make a delimiter or a dot segment out of something else.
  return refusalOfSegments(rawPath) ?? refusalOfSegments(foldPath(decoded)) ?? canonicalRefusal(rawPath)
}

function decoded1(path: string): string | null {
  try {
    return decodeURIComponent(path)
  } catch {
    return null
  }
}

function refusalOfSegments(path: string): TargetRefusal | null {
  if (path.includes('//')) return 'empty_segment'
  if (path.includes(';')) return 'matrix_parameter'
  if (path.includes('::')) return 'stream_name'
  if (/\/\.\.?(?:\/|$)/.test(path)) return 'dot_segment'
  // Windows drops dots and spaces at the end of a name.
  return /[. ](?:\/|$)/.test(path) ? 'trailing_dot' : null
}

/** Belt and braces: the reader that most software uses must see the very same path. */
function canonicalRefusal(rawPath: string): TargetRefusal | null {
  return new URL(rawPath, 'http://h').pathname === rawPath ? null : 'not_canonical'
}

/** Normal form for comparing paths: NFC, and letter case folded so that `ſ` and `K` (Kelvin) meet their ASCII twins. */
export function foldPath(decoded: string): string {
  if (/^[\x20-\x7e]*$/.test(decoded)) return decoded.toLowerCase()
  return decoded.normalize('NFC').toUpperCase().toLowerCase().normalize('NFC')
}
