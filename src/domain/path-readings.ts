import { foldPath, refusalsOf, type AcceptedTarget, type RefusedTarget, type TargetRefusal } from './request-target.ts'
import type { RouteMatch, RoutePattern } from './route-table.ts'

/** What an application may allow in its paths, beyond what every reader takes for the same. */
export const PATH_WORDS = [
  'matrixParams',
  'encodedSlash',
  'encodedPercent',
  'encodedReserved',
  'emptySegments',
  'trailingDots',
  'latin1',
  'rawReserved',
] as const
export type PathWord = (typeof PATH_WORDS)[number]

const ALLOWED_BY: Readonly<Partial<Record<TargetRefusal, PathWord>>> = {
  raw_character: 'rawReserved',
  encoded_slash: 'encodedSlash',
  encoded_percent: 'encodedPercent',
  encoded_reserved: 'encodedReserved',
  empty_segment: 'emptySegments',
  matrix_parameter: 'matrixParams',
  trailing_dot: 'trailingDots',
  bad_utf8: 'latin1',
}

export type Readings =
  | {
      readonly ok: true
      /** Every path that some reader could take this one for, folded; the first is the one decoded once. */
      readonly paths: readonly string[]
      /** What `allowInPath` must name for it. */
      readonly words: readonly PathWord[]
      /** What no word allows, and opaque paths alone let through. */
      readonly beyond: TargetRefusal | null
    }
  /** Nothing allows control bytes, a raw `\`, `#`, space or byte beyond ASCII (Node's parser refuses that too), and dot segments, which must not appear in any reading either. */
  | { readonly ok: false; readonly reason: TargetRefusal }

// Honest addresses have a handful of readings; a hostile one must not cost more than other requests do.
const MAX_READINGS = 64
const MAX_CHARACTERS = 65_536
const NEVER: ReadonlySet<TargetRefusal> = new Set(['fragment', 'control_character', 'raw_backslash'])

/** All readings of a path that `parseTarget` refused. Never throws. */
export function readingsOf(rawPath: string): Readings {
  const sent = withHarmlessDecoded(rawPath)
  const refusals = refusalsOf(rawPath, foldPath(utf8(sent) ?? sent))
  const never = refusals.find((reason) => NEVER.has(reason))
  if (never !== undefined) return { ok: false, reason: never }
  const found = new Set([sent])
  let characters = 0
  // A set goes on to what is added while it is walked: every change is made to the result of every other.
  for (const reading of found) {
    const reason = neverIn(reading)
    if (reason !== null) return { ok: false, reason }
    for (const change of CHANGES) found.add(change(reading))
    characters += reading.length
    if (characters > MAX_CHARACTERS || found.size > MAX_READINGS) return { ok: false, reason: 'too_many_readings' }
  }
  return described(refusals, [decoded(sent), ...found])
}

function described(refusals: readonly TargetRefusal[], byteStrings: readonly string[]): Readings {
  const texts = byteStrings.map((bytes) => ({ bytes, text: utf8(bytes) }))
  const broken = texts.some(({ text }) => text === null)
  const control = texts.some(({ bytes, text }) => /[\x80-\x9f]/.test(text ?? bytes))
  const reasons = [
    ...refusals,
    ...(broken ? (['bad_utf8'] as const) : []),
    ...(control ? (['encoded_control'] as const) : []),
  ]
  const asLatin1 = reasons.some((reason) => ALLOWED_BY[reason] === 'latin1')
  return {
    ok: true,
    paths: [
      ...new Set(texts.flatMap(({ bytes, text }) => [foldPath(text ?? bytes), ...(asLatin1 ? [foldPath(bytes)] : [])])),
    ],
    words: [...new Set(reasons.flatMap((reason) => ALLOWED_BY[reason] ?? []))],
    beyond: reasons.find((reason) => ALLOWED_BY[reason] === undefined) ?? null,
  }
}

/** What servers, frameworks and file systems are known to do to a path, on bytes written as Latin-1. */
const CHANGES: readonly ((path: string) => string)[] = [
  decoded,
  // U+037E is a semicolon to whoever normalises. Some routers take the first one for the end of the path.
  (path) => path.replaceAll(/(?:;|\xcd\xbe)[^/]*/g, ''),
  (path) => path.replace(/(?:;|\xcd\xbe).*/s, ''),
  (path) => path.replace(/[?#].*/s, ''),
  (path) => path.replaceAll('\\', '/'),
  (path) => path.replaceAll(/\/{2,}/g, '/'),
  // URL parsers take what follows two slashes for a host.
  (path) => path.replace(/^\/{2,}[^/]*\/?/, '/'),
  withoutFinalDots,
  // Lenient decoders take overlong UTF-8 for the ASCII that it spells out.
  (path) =>
    path.replaceAll(/[\xc0\xc1][\x80-\xbf]|(?:\xe0|\xf0\x80)[\x80\x81][\x80-\xbf]/g, (long) =>
      String.fromCharCode(((long.charCodeAt(long.length - 2) & 1) << 6) | (long.charCodeAt(long.length - 1) & 0x3f)),
    ),
]

/** As sent, but for the escapes that mean the same to every reader. */
function withHarmlessDecoded(path: string): string {
  return path.replaceAll(/%(?!2[35EF]|3[BF]|5C)([\dA-F]{2})/gi, (_, hex: string) => byteOf(hex))
}

/** IIS knows `%u002e` too. */
function decoded(path: string): string {
  return path.includes('%') ? path.replaceAll(/%(?:u00)?([\dA-F]{2})/gi, (_, hex: string) => byteOf(hex)) : path
}

const byteOf = (hex: string): string => String.fromCharCode(Number.parseInt(hex, 16))

function withoutFinalDots(path: string): string {
  if (!/[. ](?:\/|$)/.test(path)) return path
  return path
    .split('/')
    .map((name) => {
      let end = name.length
      while (name[end - 1] === '.' || name[end - 1] === ' ') end -= 1
      return name.slice(0, end)
    })
    .join('/')
}

/** A segment of dots and spaces is a dot segment to some file system. */
function neverIn(reading: string): TargetRefusal | null {
  if (/[\x00-\x1f\x7f]/.test(reading)) return 'encoded_control'
  return /[/\\] *\.[. ]*(?:[/\\]|$)/.test(reading) ? 'dot_segment' : null
}

/** The text of bytes that are written as Latin-1; null where they are no UTF-8. */
function utf8(bytes: string): string | null {
  if (!/[\x80-\xff]/.test(bytes)) return bytes
  try {
    return decodeURIComponent(bytes.replaceAll(/[%\x80-\xff]/g, (byte) => `%${byte.charCodeAt(0).toString(16)}`))
  } catch {
    return null
  }
}

export interface LenientPattern extends RoutePattern {
  readonly application: string
  readonly paths: 'strict' | 'opaque'
  readonly allowInPath: readonly PathWord[]
}

export type Agreement<R> =
  | { readonly ok: true; readonly route: R; readonly target: AcceptedTarget }
  /** `detail` says what would let it pass, or why nothing does; for the log. */
  | { readonly ok: false; readonly detail?: string }

/** The route of a refused target to which every reading leads, where its application allows what was refused. */
export function agreedRoute<R extends LenientPattern>(
  { parts }: RefusedTarget,
  // The prefix is folded.
  { match, ownPrefix }: { readonly match: (path: string) => RouteMatch<R>; readonly ownPrefix: string },
): Agreement<R> {
  if (parts === null) return { ok: false }
  const readings = readingsOf(parts.rawPath)
  if (!readings.ok) return { ok: false }
  const { paths, words, beyond } = readings
  if (paths.some((path) => isOwnPath(path, ownPrefix))) return { ok: false }
  const route = sameRoute(paths.map(match))
  if (route === null) return { ok: false, detail: 'its readings lead to different routes' }
  const target: AcceptedTarget = { ok: true, path: paths[0] ?? '', ...parts }
  if (route.paths === 'opaque') return { ok: true, route, target }
  if (beyond !== null) return { ok: false, detail: 'allowed by paths: opaque only' }
  const missing = words.filter((word) => !route.allowInPath.includes(word))
  if (missing.length > 0) return { ok: false, detail: `allowed by allowInPath: [${missing.join(', ')}]` }
  return { ok: true, route, target }
}

/** Whether a path is one of the gateway's own; both folded. */
export function isOwnPath(path: string, ownPrefix: string): boolean {
  return path.startsWith(ownPrefix) && (path.length === ownPrefix.length || path[ownPrefix.length] === '/')
}

/** All routes of an application with opaque paths are alike, so any of them will do. */
function sameRoute<R extends LenientPattern>(matches: readonly RouteMatch<R>[]): R | null {
  const [first] = matches
  if (first?.kind !== 'route') return null
  const { route } = first
  const agreed = matches.every(
    (match) =>
      match.kind === 'route' &&
      (match.route === route || (route.paths === 'opaque' && match.route.application === route.application)),
  )
  return agreed ? route : null
}
