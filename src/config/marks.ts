import { z } from 'zod'

/** What a setting says of itself beside its type, for messages, the published schema and the manual. */
export interface Mark {
  readonly notYet?: NotYet
  /** What a value must be, for messages: "a port from 0 to 65535". */
  readonly expects?: string
  /** A regular expression's source, for the published schema. */
  readonly pattern?: string
  /** A default that follows from other settings, in words. */
  readonly defaultText?: string
  /** What to say of keys that people look for here in vain. */
  readonly strangers?: Readonly<Record<string, string>>
  /** The settings below are the same as those of another place of the file, and described there. */
  readonly sameAs?: string
}

/** A part of the contract that is described and checked, and refused until it is built. */
export interface NotYet {
  /** What of it is not supported, as a sentence, where it is not the whole setting. */
  readonly says?: string
  /** Whether a value asks for nothing but what is built. Without it only the default and empty lists and maps do. */
  readonly built?: (value: unknown, file: unknown) => boolean
}

const marks = z.registry<Mark>()

export function mark<S extends z.ZodType>(schema: S, more: Mark): S {
  marks.add(schema, { ...marks.get(schema), ...more })
  return schema
}

/** Wraps the setting of something that is not built: whoever builds it deletes the wrapper. */
export function notYet<S extends z.ZodType>(schema: S, limits: NotYet = {}): S {
  return mark(schema, { notYet: limits })
}

/** All marks of a schema and of what it wraps; the outer ones count first. */
export function markOf(schema: z.core.$ZodType): Mark {
  const own = marks.get(schema) ?? {}
  const inner = innerOf(schema)
  return inner === undefined ? own : { ...markOf(inner), ...own }
}

function innerOf(schema: z.core.$ZodType): z.core.$ZodType | undefined {
  const wraps = schema instanceof z.ZodOptional || schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault
  return wraps ? schema.unwrap() : undefined
}

/** The schema without its default and without being optional. */
export function bare(schema: z.core.$ZodType): z.core.$ZodType {
  const inner = innerOf(schema)
  return inner === undefined ? schema : bare(inner)
}

/** The default that a missing value gets; undefined where there is none. */
export function defaultOf(schema: z.core.$ZodType): unknown {
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return schema.def.defaultValue
  const inner = innerOf(schema)
  return inner === undefined ? undefined : defaultOf(inner)
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The schema of a member of a map or list; undefined where the schema knows none of that name. */
export function memberOf(schema: z.core.$ZodType, key: string | number): z.core.$ZodType | undefined {
  const own = bare(schema)
  if (own instanceof z.ZodObject) return Object.hasOwn(own.shape, key) ? own.shape[key] : undefined
  if (own instanceof z.ZodRecord) return own.valueType
  if (own instanceof z.ZodArray) return typeof key === 'number' ? own.element : undefined
  if (!(own instanceof z.ZodUnion)) return undefined
  for (const option of own.options) {
    const member = memberOf(option, key)
    if (member !== undefined) return member
  }
  return undefined
}

export type Path = readonly (string | number)[]

export function schemaAt(schema: z.core.$ZodType, path: Path): z.core.$ZodType | undefined {
  let at: z.core.$ZodType | undefined = schema
  for (const key of path) at = at === undefined ? undefined : memberOf(at, key)
  return at
}

/** The named members of a schema that is a map of settings, or that may be one. */
export function settingsOf(schema: z.core.$ZodType): readonly (readonly [string, z.core.$ZodType])[] {
  const own = bare(schema)
  if (own instanceof z.ZodObject) return Object.entries(own.shape)
  if (own instanceof z.ZodUnion) return own.options.flatMap((option) => settingsOf(option))
  return []
}

/** What a value must be, in words that follow "must be". */
export function expectationOf(schema: z.core.$ZodType): string {
  const { expects } = markOf(schema)
  if (expects !== undefined) return expects
  const own = bare(schema)
  if (own instanceof z.ZodNumber) return `a whole number from ${own.minValue ?? 0} to ${own.maxValue ?? 'any'}`
  if (own instanceof z.ZodBoolean) return 'true or false'
  if (own instanceof z.ZodEnum || own instanceof z.ZodLiteral) {
    const values = own instanceof z.ZodEnum ? own.options : [...own.values]
    return values.length === 1 ? String(values[0]) : `one of ${values.join(', ')}`
  }
  if (own instanceof z.ZodUnion) return own.options.map((option) => expectationOf(option)).join(', or ')
  if (own instanceof z.ZodArray) return `a list, each of it ${expectationOf(own.element)}`
  if (own instanceof z.ZodRecord) return 'a map from names to settings'
  if (own instanceof z.ZodObject) return `a map of ${enumerate(Object.keys(own.shape))}`
  return 'a text'
}

const LISTED = 8

function enumerate(words: readonly string[]): string {
  return words.length <= LISTED ? words.join(', ') : `${words.slice(0, LISTED).join(', ')} …`
}
