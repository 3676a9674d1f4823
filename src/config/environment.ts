import { isScalar, parseDocument } from 'yaml'
import { pathId, suggestion, type Fault } from './faults.ts'
import { bare, isObject, memberOf, settingsOf, type Path } from './marks.ts'
import { isPlainDecimal, nestsTooDeep } from './source.ts'
import { z } from 'zod'

export const PREFIX = 'COGNITO_GATEWAY__'

export type Environment = Readonly<Record<string, string | undefined>>

/** The file's values with the environment's in their place. */
export interface Overridden {
  readonly values: Readonly<Record<string, unknown>>
  /** The variable that gave a value, by the value's path. */
  readonly variables: ReadonlyMap<string, string>
  readonly faults: readonly Fault[]
}

/** Puts every `COGNITO_GATEWAY__PATH__IN__CAPITALS` into its place. */
export function applyEnvironment(
  values: Readonly<Record<string, unknown>>,
  environment: Environment,
  schema: z.core.$ZodType,
): Overridden {
  const variables = new Map<string, string>()
  const faults: Fault[] = []
  let result = values
  for (const name of Object.keys(environment)
    .filter((key) => key.startsWith(PREFIX))
    .toSorted()) {
    const fail = (message: string): void => void faults.push(variableFault(name, message))
    const target = findTarget(name.slice(PREFIX.length).split('__'), values, schema)
    if (!target.ok) {
      fail(target.message)
      continue
    }
    const scalar = readScalar(environment[name] ?? '')
    const earlier = variables.get(pathId(target.path))
    if (!scalar.ok) fail(scalar.message)
    else if (earlier !== undefined) fail(`sets the same as ${earlier}: keep one of them`)
    else {
      variables.set(pathId(target.path), name)
      result = withValue(result, target.path, scalar.value)
    }
  }
  return { values: result, variables, faults }
}

export function variableFault(name: string, message: string): Fault {
  return { file: 'environment', line: 0, column: 0, key: name, message }
}

type Target = { readonly ok: true; readonly path: Path } | { readonly ok: false; readonly message: string }

function findTarget(segments: readonly string[], values: unknown, schema: z.core.$ZodType): Target {
  const path: (string | number)[] = []
  let at: z.core.$ZodType = schema
  let here: unknown = values
  for (const segment of segments) {
    const known = namesAt(at, here)
    const key = known.find((name) => matches(segment, String(name)))
    const member = key === undefined ? undefined : memberOf(at, key)
    if (key === undefined || member === undefined)
      return {
        ok: false,
        message: `is not a setting: ${segment === '' ? 'a name is missing' : advice(segment, known)}`,
      }
    path.push(key)
    at = member
    here = isObject(here) ? here[key] : Array.isArray(here) ? here[Number(key)] : undefined
  }
  return takesScalar(at)
    ? { ok: true, path }
    : { ok: false, message: 'is not one value: add the name of a setting below it' }
}

function advice(segment: string, known: readonly (string | number)[]): string {
  const variables = known.map((name) => String(name).toUpperCase())
  return `${segment.slice(0, 60)} is not known there; ${suggestion(segment, variables)}`
}

/** What may come next: the schema's settings; in maps and lists, whatever the file has. */
function namesAt(schema: z.core.$ZodType, here: unknown): readonly (string | number)[] {
  if (Array.isArray(here)) return here.map((_, at) => at)
  if (bare(schema) instanceof z.ZodRecord) return isObject(here) ? Object.keys(here) : []
  return settingsOf(schema).map(([name]) => name)
}

// Shells know no hyphen in a variable's name: there an underscore stands for it.
function matches(segment: string, name: string): boolean {
  const folded = segment.toLowerCase()
  return folded === name.toLowerCase() || folded.replaceAll('_', '-') === name.toLowerCase()
}

function takesScalar(schema: z.core.$ZodType): boolean {
  const own = bare(schema)
  if (own instanceof z.ZodUnion) return own.options.some((option) => takesScalar(option))
  return !(own instanceof z.ZodObject || own instanceof z.ZodRecord || own instanceof z.ZodArray)
}

type Scalar = { readonly ok: true; readonly value: unknown } | { readonly ok: false; readonly message: string }

function readScalar(text: string): Scalar {
  if (text.trim() === '') return { ok: false, message: 'is empty: give it a value or unset it' }
  if (nestsTooDeep(text)) return { ok: false, message: 'must be one value' }
  const { errors, warnings, contents } = parseDocument(text, { prettyErrors: false, version: '1.2' })
  if (errors.length > 0 || warnings.length > 0) return { ok: false, message: 'is not a YAML value: put it in quotes' }
  if (!isScalar(contents))
    return { ok: false, message: 'must be one value, not a list or map: put it in quotes if it is a text' }
  const { value } = contents
  if (value === null) return { ok: false, message: 'is empty: give it a value or unset it' }
  if (typeof value === 'number' && !isPlainDecimal(contents.source ?? ''))
    return { ok: false, message: 'must be a plain decimal number, or in quotes if it is a text' }
  return { ok: true, value }
}

function withValue(
  values: Readonly<Record<string, unknown>>,
  path: Path,
  value: unknown,
): Readonly<Record<string, unknown>> {
  const changed = put(values, path, value)
  return isObject(changed) ? changed : values
}

function put(around: unknown, path: Path, value: unknown): unknown {
  const [key, ...rest] = path
  if (key === undefined) return value
  if (Array.isArray(around)) return around.map((item: unknown, at) => (at === key ? put(item, rest, value) : item))
  const map = isObject(around) ? around : {}
  return { ...map, [key]: put(map[key], rest, value) }
}
