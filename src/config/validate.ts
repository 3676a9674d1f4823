import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { atKey, atValue, isWithin, plainKey, suggestion, type Finding } from './faults.ts'
import { bare, defaultOf, expectationOf, isObject, markOf, memberOf, schemaAt, settingsOf, type Path } from './marks.ts'

/** What is wrong with values by themselves: one finding for each mistake. */
export function validate(values: unknown, schema: z.core.$ZodType): readonly Finding[] {
  const early = notYetFindings(values, schema)
  const parsed = z.safeParse(schema, values)
  const issues = parsed.success ? [] : parsed.error.issues
  const wrong = issues
    .flatMap((issue) => findingsOf(issue, [], { values, schema }))
    .filter(({ path }) => !early.some((refused) => isWithin(path, refused.path)))
  return [...early, ...wrong]
}

interface Context {
  readonly values: unknown
  readonly schema: z.core.$ZodType
}

function findingsOf(issue: z.core.$ZodIssue, above: Path, context: Context): readonly Finding[] {
  const path: Path = [...above, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))]
  const value = valueAt(context.values, path)
  const around = schemaAt(context.schema, path)
  const expected = around === undefined ? 'something else' : expectationOf(around)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => atKey([...path, key], strangerMessage(key, around)))
    case 'custom':
      return [atValue(path, issue.message)]
    case 'invalid_key':
      return [atKey(path, `${plainKey(String(path.at(-1)))} is no name here: it ${issue.issues[0]?.message ?? 'is not allowed'}`)]
    case 'invalid_union':
      return unionFindings(issue, path, context) ?? [atValue(path, wrongType(value, expected))]
    case 'too_small':
      return [atValue(path, Array.isArray(value) ? 'must not be an empty list: say what it is for, or take the key out' : `must be ${expected}`)]
    case 'too_big':
      return [atValue(path, Array.isArray(value) ? `must have at most ${issue.maximum} entries` : `must be ${expected}`)]
    case 'invalid_value':
    case 'invalid_type':
      return [atValue(path, wrongType(value, expected))]
    default:
      return [atValue(path, `must be ${expected}`)]
  }
}

function strangerMessage(key: string, around: z.core.$ZodType | undefined): string {
  if (around === undefined) return 'unknown key: take it out'
  const said = markOf(around).strangers
  if (said !== undefined && Object.hasOwn(said, key)) return said[key] ?? ''
  return `unknown key; ${suggestion(
    key,
    settingsOf(around).map(([name]) => name),
  )}`
}

function wrongType(value: unknown, expected: string): string {
  if (value === undefined) return `is missing: it must be ${expected}`
  if (value === null) return `has no value: it must be ${expected}; or take the key out`
  const quotes = typeof value !== 'string' && /text|path|address|host|name|id\b/.test(expected) ? ' (put a text in quotes)' : ''
  return `must be ${expected}${isScalar(value) && quotes !== '' ? quotes : ''}, not ${kindOf(value)}`
}

const isScalar = (value: unknown): boolean => typeof value !== 'object'

// Never the value itself: it may be a secret on the wrong line.
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'this text'
  if (typeof value === 'number') return Number.isInteger(value) ? 'this number' : 'a number with a fraction'
  return typeof value === 'boolean' ? String(value) : 'a map'
}

/** The findings of the one option that the value was meant for; undefined where it was meant for none, or nobody could say which. */
function unionFindings(issue: z.core.$ZodIssueInvalidUnion, path: Path, context: Context): readonly Finding[] | undefined {
  const union = schemaAt(context.schema, path)
  const own = union === undefined ? undefined : bare(union)
  if (!(own instanceof z.ZodUnion)) return undefined
  const value = valueAt(context.values, path)
  const meant = own.options.flatMap((option, at) => (fits(option, value) ? [at] : []))
  const issues = meant.length === 1 ? issue.errors[meant[0] ?? 0] : undefined
  if (issues === undefined) return undefined
  const tells = typeof value === 'object' || issues.every(({ code }) => code === 'custom')
  return tells ? issues.flatMap((inner) => findingsOf(inner, path, context)) : undefined
}

function fits(option: z.core.$ZodType, value: unknown): boolean {
  const own = bare(option)
  if (own instanceof z.ZodArray) return Array.isArray(value)
  if (own instanceof z.ZodObject || own instanceof z.ZodRecord) return isObject(value)
  return typeof value === 'string' && own instanceof z.ZodString
}

export function valueAt(values: unknown, path: Path): unknown {
  let at = values
  for (const key of path) at = Array.isArray(at) ? at[Number(key)] : isObject(at) ? own(at, String(key)) : undefined
  return at
}

function own(map: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(map, key) ? map[key] : undefined
}

/** Everything that asks for a part of the contract that is not built: the one place where that is refused. */
function notYetFindings(file: unknown, root: z.core.$ZodType): readonly Finding[] {
  const findings: Finding[] = []
  const walk = (value: unknown, schema: z.core.$ZodType, path: Path): void => {
    const { notYet } = markOf(schema)
    const built = notYet === undefined || (notYet.built?.(value, file) ?? isNeutral(value, schema))
    if (!built) {
      const word = typeof path.at(-1) === 'number' && typeof value === 'string' ? `${plainKey(value)} ` : ''
      findings.push(atKey(path, notYet.says ?? `${word}is not supported yet: take it out`))
      return
    }
    for (const [key, member] of membersOf(value)) {
      const inner = memberOf(schema, key)
      if (inner !== undefined) walk(member, inner, [...path, key])
    }
  }
  walk(file, root, [])
  return findings
}

function membersOf(value: unknown): readonly (readonly [string | number, unknown])[] {
  if (Array.isArray(value)) return value.map((member: unknown, at) => [at, member])
  return isObject(value) ? Object.entries(value) : []
}

/** Whether a value says nothing: the default, an empty list or an empty map. */
function isNeutral(value: unknown, schema: z.core.$ZodType): boolean {
  if (Array.isArray(value)) return value.length === 0 || isDeepStrictEqual(value, defaultOf(schema))
  if (isObject(value)) return Object.keys(value).length === 0 || isDeepStrictEqual(value, defaultOf(schema))
  return value === undefined || (value !== null && value === defaultOf(schema))
}
