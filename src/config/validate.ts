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
    .filter(({ path }) => !early.some((refused) => refused.readable !== true && isWithin(path, refused.path)))
  const all = [...early, ...wrong]
  // What is wrong with a map or list as a whole mostly follows from what is wrong in it.
  return [
    ...early,
    ...wrong.filter(({ path }) => !all.some((other) => other.path.length > path.length && isWithin(other.path, path))),
  ]
}

interface Context {
  readonly values: unknown
  readonly schema: z.core.$ZodType
}

function findingsOf(issue: z.core.$ZodIssue, above: Path, context: Context): readonly Finding[] {
  const path: Path = [...above, ...issue.path.map((key) => (typeof key === 'number' ? key : String(key)))]
  const value = valueAt(context.values, path)
  const around = schemaAt(context.schema, path)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => atKey([...path, key], strangerMessage(key, around)))
    case 'custom':
      return [atValue(path, issue.message)]
    case 'invalid_key':
      return [
        atKey(
          path,
          `${plainKey(String(path.at(-1)))} is no name here: it ${issue.issues[0]?.message ?? 'is not allowed'}`,
        ),
      ]
    case 'invalid_union':
      return unionFindings(issue, path, context) ?? [atValue(path, wrongType(value, around))]
    case 'too_small':
      return [
        atValue(
          path,
          Array.isArray(value) ? 'must not be an empty list: say what it is for, or take the key out' : mustBe(around),
        ),
      ]
    case 'too_big':
      return [atValue(path, Array.isArray(value) ? `must have at most ${issue.maximum} entries` : mustBe(around))]
    case 'invalid_value':
    case 'invalid_type':
      return [atValue(path, wrongType(value, around))]
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
      return [atValue(path, mustBe(around))]
  }
}

const mustBe = (schema: z.core.$ZodType | undefined): string =>
  `must be ${schema === undefined ? 'something else' : expectationOf(schema)}`

function strangerMessage(key: string, around: z.core.$ZodType | undefined): string {
  if (around === undefined) return 'unknown key: take it out'
  const said = markOf(around).strangers
  if (said !== undefined && Object.hasOwn(said, key)) return said[key] ?? ''
  return `unknown key; ${suggestion(
    key,
    settingsOf(around).map(([name]) => name),
  )}`
}

function wrongType(value: unknown, schema: z.core.$ZodType | undefined): string {
  const wanted = mustBe(schema)
  if (value === undefined) return `is missing: it ${wanted}`
  if (value === null) return `has no value: it ${wanted}; or take the key out`
  const isText = schema !== undefined && bare(schema) instanceof z.ZodString
  const isList = schema !== undefined && bare(schema) instanceof z.ZodArray
  const quotes = isText && typeof value !== 'object' ? '; put it in quotes' : ''
  const remedy = isList && typeof value === 'string' ? '; write brackets around it: [one] or [one, two]' : quotes
  return `${wanted}, not ${kindOf(value)}${remedy}`
}

// Never the value itself: it may be a secret on the wrong line.
function kindOf(value: unknown): string {
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'string') return 'this text'
  if (typeof value === 'number') return Number.isInteger(value) ? 'this number' : 'a number with a fraction'
  return typeof value === 'boolean' ? String(value) : 'a map'
}

/** The findings of the one option that the value was meant for; undefined where it was meant for none, or nobody could say which. */
function unionFindings(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Path,
  context: Context,
): readonly Finding[] | undefined {
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
    // A word that nobody knows is no part of the contract: that is another fault.
    const unknown = notYet?.built !== undefined && notYet.says === undefined && !z.safeParse(schema, value).success
    const built = notYet === undefined || unknown || (notYet.built?.(value, file) ?? isNeutral(value, schema))
    if (!built) {
      const word = typeof path.at(-1) === 'number' && typeof value === 'string' ? `${plainKey(value)} ` : ''
      findings.push({
        ...atKey(path, notYet.says ?? `${word}is not supported yet: take it out`),
        readable: notYet.says !== undefined,
      })
      if (notYet.says === undefined) return
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
