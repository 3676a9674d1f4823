import type { Path } from './marks.ts'

/** One thing that is wrong or unwise, and where. Line 0 means that it is not in a file but in the environment. */
export interface Fault {
  readonly file: string
  readonly line: number
  readonly column: number
  readonly key: string
  readonly message: string
}

/** `file:line:column key: what, and what to write instead`. */
export function faultLine({ file, line, column, key, message }: Fault): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`
  return key === '' ? `${place}: ${message}` : `${place} ${key}: ${message}`
}

/** Everything that is wrong with the settings, at once; its message has one line for each fault, and no secret. */
export class SettingsError extends Error {
  readonly faults: readonly Fault[]

  constructor(faults: readonly Fault[]) {
    super(faults.map(faultLine).join('\n'))
    this.name = 'SettingsError'
    this.faults = faults
  }
}

/** A fault or warning before its place in the file is looked up. */
export interface Finding {
  readonly path: Path
  readonly message: string
  /** `key` where the name of the setting is at fault, `value` where its value is. */
  readonly at: 'key' | 'value'
  /** The value is refused, but what is in it can be checked all the same. */
  readonly readable?: boolean
}

export const atValue = (path: Path, message: string): Finding => ({ path, message, at: 'value' })
export const atKey = (path: Path, message: string): Finding => ({ path, message, at: 'key' })

const MAX_KEY = 60

/** A path as people write it: pools.staff.scopes[0]. */
export function keyText(path: Path): string {
  return path
    .map((key) => (typeof key === 'number' ? `[${key}]` : `.${plainKey(key)}`))
    .join('')
    .replace(/^\./, '')
}

export function plainKey(key: string): string {
  const short = key.length > MAX_KEY ? `${key.slice(0, MAX_KEY)}…` : key
  return /^[\w:@/*-]+…?$/.test(short) ? short : JSON.stringify(short)
}

export const pathId = (path: Path): string => JSON.stringify(path)

/** The path of an id that `pathId` made. */
export function pathOf(id: string): Path {
  const path: unknown = JSON.parse(id)
  return Array.isArray(path) ? path.filter((key) => typeof key === 'string' || typeof key === 'number') : []
}

/** Whether `path` is `other` or lies within it. */
export function isWithin(path: Path, other: Path): boolean {
  return other.every((key, at) => path[at] === key)
}

/** Advice for a name that nobody knows: the closest known one, those that it is a part of, or all of them. */
export function suggestion(unknown: string, known: readonly string[]): string {
  const closest = closestOf(unknown, known)
  if (closest !== undefined) return `did you mean ${closest}?`
  const longer = fold(unknown).length < 4 ? [] : known.filter((name) => fold(name).includes(fold(unknown)))
  if (longer.length > 0) return `did you mean ${longer.join(' or ')}?`
  return known.length === 0 ? 'take it out' : `known here: ${known.join(', ')}`
}

function closestOf(unknown: string, known: readonly string[]): string | undefined {
  const folded = fold(unknown)
  if (folded.length > MAX_KEY) return undefined
  const ranked = known
    .map((name) => ({ name, distance: distance(folded, fold(name)) }))
    .sort((one, other) => one.distance - other.distance)
  const best = ranked[0]
  return best !== undefined && best.distance <= (folded.length < 4 ? 1 : Math.max(2, Math.floor(folded.length / 3)))
    ? best.name
    : undefined
}

const fold = (name: string): string => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '')

/** How many letters must be put in, taken out, replaced or swapped with their neighbour. */
function distance(one: string, other: string): number {
  const rows: number[][] = [Array.from({ length: other.length + 1 }, (_, at) => at)]
  const cell = (row: number, column: number): number => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let row = 1; row <= one.length; row += 1) {
    const line = [row]
    rows.push(line)
    for (let column = 1; column <= other.length; column += 1) {
      const cost = one[row - 1] === other[column - 1] ? 0 : 1
      const swapped = one[row - 1] === other[column - 2] && one[row - 2] === other[column - 1]
      line.push(
        Math.min(
          cell(row - 1, column) + 1,
          cell(row, column - 1) + 1,
          cell(row - 1, column - 1) + cost,
          swapped ? cell(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      )
    }
  }
  return cell(one.length, other.length)
}
