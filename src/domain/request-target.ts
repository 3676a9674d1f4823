/** A request target read in the one way that the gateway allows, or the reason why it has more than one. */
export type Target = AcceptedTarget | RefusedTarget

export interface AcceptedTarget {
  readonly ok: true
  /** Every escape decoded exactly once, NFC, letter case folded: what rules are decided on. */
  readonly path: string
  /** The client's own bytes: what the application gets. */
  readonly rawPath: string
  /** With its `?`, or empty. */
  readonly query: string
}

export interface RefusedTarget {
  readonly ok: false
  readonly reason: TargetRefusal
  /** Where nothing but the path is at fault: what an application may still allow. */
  readonly parts: Pick<AcceptedTarget, 'rawPath' | 'query'> | null
}

export type TargetRefusal =
  | 'not_origin_form'
  | 'too_long'
  | 'control_character'
  | 'raw_backslash'
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
  | 'too_many_readings'
  | 'fragment'

const MAX_LENGTH = 8_192

/** Characters of which an ordinary path consists, by code: 1, or 2 for a capital letter. All others need a closer look. */
const PLAIN = Uint8Array.from({ length: 128 }, (_, code) => {
  const character = String.fromCharCode(code)
  return /[A-Z]/.test(character) ? 2 : /[\w\-~!$&'()*+,=:@/.[\]]/.test(character) ? 1 : 0
})

/** Never throws, and takes time in proportion to the length. */
export function parseTarget(raw: string): Target {
  if (raw.length > MAX_LENGTH) return { ok: false, reason: 'too_long', parts: null }
  if (raw.charCodeAt(0) !== SLASH) return { ok: false, reason: 'not_origin_form', parts: null }
  const question = raw.indexOf('?')
  const rawPath = question === -1 ? raw : raw.slice(0, question)
  const query = question === -1 ? '' : raw.slice(question)
  // Browsers leave most of visible ASCII as it is in a query, and no rule looks there; `#` would cut it short for some readers.
  if (query !== '' && /[^\x21\x22\x24-\x7e]/.test(query))
    return { ok: false, reason: query.includes('#') ? 'fragment' : 'control_character', parts: null }
  const plain = plainness(rawPath)
  if (plain !== UNUSUAL) return { ok: true, path: plain === CAPITALS ? rawPath.toLowerCase() : rawPath, rawPath, query }
  const reason = refusalOfPath(rawPath)
  if (reason !== null) return { ok: false, reason, parts: { rawPath, query } }
  return { ok: true, path: foldPath(decodeURIComponent(rawPath)), rawPath, query }
}

const SLASH = 0x2f
const DOT = 0x2e
const COLON = 0x3a
const UNUSUAL = 0
const CAPITALS = 2

/** Most paths are plain: one look at each character, and nothing has to be decoded, folded or compared. */
function plainness(path: string): number {
  let found = 1
  let before = 0
  for (let at = 0; at < path.length; at += 1) {
    const code = path.charCodeAt(at)
    const kind = PLAIN[code] ?? UNUSUAL
    if (kind === UNUSUAL) return UNUSUAL
    if (kind === CAPITALS) found = CAPITALS
    if (code === SLASH && (before === SLASH || before === DOT)) return UNUSUAL
    if (code === COLON && before === COLON) return UNUSUAL
    before = code
  }
  return before === DOT ? UNUSUAL : found
}

const ESCAPES: readonly (readonly [RegExp, TargetRefusal])[] = [
  [/#/, 'fragment'],
  [/[^\x21-\x7e]/, 'control_character'],
  [/\\/, 'raw_backslash'],
  [/["<>^`{|}]/, 'raw_character'],
  [/%(?![\dA-Fa-f]{2})/, 'bad_escape'],
  [/%(?:[01][\dA-Fa-f]|7[Ff])/, 'encoded_control'],
  [/%2[Ff]/, 'encoded_slash'],
  [/%5[Cc]/, 'encoded_backslash'],
  [/%25/, 'encoded_percent'],
  [/%3[Bb]/, 'matrix_parameter'],
  [/%2[Ee]/, 'dot_segment'],
  [/%(?:23|3[Ff])/, 'encoded_reserved'],
]
const ANY_ESCAPE = new RegExp(ESCAPES.map(([pattern]) => pattern.source).join('|'))

const SEGMENTS: readonly (readonly [RegExp, TargetRefusal])[] = [
  [/\/\//, 'empty_segment'],
  [/;/, 'matrix_parameter'],
  [/::/, 'stream_name'],
  [/\/\.\.?(?:\/|$)/, 'dot_segment'],
  // Windows drops dots and spaces at the end of a name.
  [/[. ](?:\/|$)/, 'trailing_dot'],
]

function refusalOfPath(rawPath: string): TargetRefusal | null {
  if (ANY_ESCAPE.test(rawPath)) return firstIn(ESCAPES, rawPath)
  const decoded = decodedOnce(rawPath)
  if (decoded === null) return 'bad_utf8'
  if (/[\x80-\x9f]/.test(decoded)) return 'encoded_control'
  // Normalising must not make a delimiter or a dot segment out of something else.
  return firstIn(SEGMENTS, rawPath) ?? firstIn(SEGMENTS, foldPath(decoded)) ?? canonicalRefusal(rawPath)
}

function firstIn(table: typeof ESCAPES, path: string): TargetRefusal | null {
  return table.find(([pattern]) => pattern.test(path))?.[1] ?? null
}

/** Everything that speaks against a path, where `parseTarget` stops at the first; `folded` is the path with its harmless escapes decoded. */
export function refusalsOf(rawPath: string, folded: string): readonly TargetRefusal[] {
  const found = [
    ...ESCAPES.filter(([pattern]) => pattern.test(rawPath)),
    ...SEGMENTS.filter(([pattern]) => pattern.test(rawPath) || pattern.test(folded)),
  ]
  return [...new Set(found.map(([, reason]) => reason))]
}

function decodedOnce(path: string): string | null {
  try {
    return decodeURIComponent(path)
  } catch {
    return null
  }
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
