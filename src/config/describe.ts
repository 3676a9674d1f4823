import { z } from 'zod'
import { bare, defaultOf, isObject, markOf } from './marks.ts'
import { GatewayFile } from './schema.ts'

/** One setting, for the manual. */
export interface SettingDescription {
  /** Such as `pools.NAME.scopes`: NAME stands for a name of the operator's, `[]` for any entry of a list. */
  readonly path: string
  readonly type: string
  /** As it would be written; undefined where there is none. */
  readonly default: string | undefined
  readonly required: boolean
  /** What it does, with what of it is not supported yet. */
  readonly sentence: string
  /** Whether anything but the default is. */
  readonly supported: boolean
}

/** Every setting once, in the order of the file. Those that applications share with `defaults` and routes stand at the application. */
export function describeSettings(): readonly SettingDescription[] {
  const all: SettingDescription[] = []
  const seen = new Set<z.core.$ZodType>()
  const visit = (schema: z.core.$ZodType, path: string, supported: boolean): void => {
    if (isSecretSource(schema)) return
    for (const [key, member] of membersOf(schema)) {
      const at = path === '' || key === '[]' ? `${path}${key}` : `${path}.${key}`
      // An entry of a list or map has no sentence of its own: its list or map has.
      const plain = key === 'NAME' || key === '[]'
      const builds = supported && isBuilt(member)
      if (!plain && seen.has(member)) continue
      seen.add(member)
      if (!plain) all.push(describe(member, at, builds))
      if (markOf(member).sameAs === undefined || plain) visit(member, at, builds)
    }
  }
  visit(GatewayFile, '', true)
  return all
}

type Member = readonly [string, z.core.$ZodType]

function membersOf(schema: z.core.$ZodType): readonly Member[] {
  const own = bare(schema)
  if (own instanceof z.ZodObject) return Object.entries(own.shape)
  if (own instanceof z.ZodRecord) return [['NAME', own.valueType]]
  if (own instanceof z.ZodArray) return [['[]', own.element]]
  return own instanceof z.ZodUnion ? own.options.flatMap((option) => membersOf(option)) : []
}

function isBuilt(schema: z.core.$ZodType): boolean {
  const { notYet } = markOf(schema)
  return notYet === undefined || notYet.built !== undefined
}

function describe(schema: z.core.$ZodType, path: string, supported: boolean): SettingDescription {
  const { defaultText } = markOf(schema)
  const value = defaultOf(schema)
  const text = value === undefined || isObject(value) ? undefined : textOf(value)
  return {
    path,
    type: typeOf(schema),
    default: defaultText ?? text,
    required: !schemaIsOptional(schema),
    sentence: sentenceOf(schema),
    supported,
  }
}

const schemaIsOptional = (schema: z.core.$ZodType): boolean => z.safeParse(schema, undefined).success

function textOf(value: unknown): string {
  return Array.isArray(value)
    ? `[${value.join(', ')}]`
    : JSON.stringify(value).replace(/^"([A-Za-z/][\w/.:-]*|[\d.]+)"$/, '$1')
}

/** What a setting does; for what is not built, also that, and what of it is. */
export function sentenceOf(schema: z.core.$ZodType): string {
  const says = schema instanceof z.ZodType ? (schema.description ?? descriptionWithin(schema)) : ''
  const limit = limitOf(schema)
  return limit === '' ? says : `${says} ${limit}`
}

function descriptionWithin(schema: z.core.$ZodType): string {
  const own = bare(schema)
  return own instanceof z.ZodType ? (own.description ?? '') : ''
}

function limitOf(schema: z.core.$ZodType): string {
  const { notYet } = markOf(schema)
  if (notYet === undefined) return elementLimit(schema)
  if (notYet.says !== undefined) return `${notYet.says.charAt(0).toUpperCase()}${notYet.says.slice(1)}.`
  const value = defaultOf(schema)
  if (value === undefined || isObject(value) || (Array.isArray(value) && value.length === 0))
    return 'Not supported yet.'
  return `Not supported yet: anything but ${textOf(value)}.`
}

/** A list of words of which some are not built. */
function elementLimit(schema: z.core.$ZodType): string {
  const own = bare(schema)
  const element = own instanceof z.ZodArray ? bare(own.element) : undefined
  if (!(element instanceof z.ZodEnum)) return ''
  const { notYet } = markOf(element)
  const missing =
    notYet?.built === undefined ? [] : element.options.filter((word) => notYet.built?.(word, undefined) === false)
  return missing.length === 0 ? '' : `Not supported yet: ${missing.join(', ')}.`
}

/** Its two keys are the same everywhere, so they are no settings of their own. */
function isSecretSource(schema: z.core.$ZodType): boolean {
  const own = bare(schema)
  return own instanceof z.ZodObject && Object.keys(own.shape).join() === 'file,env'
}

function typeOf(schema: z.core.$ZodType): string {
  const own = bare(schema)
  if (own instanceof z.ZodNumber) return `${own.minValue ?? 0} to ${own.maxValue ?? '…'}`
  if (own instanceof z.ZodBoolean) return 'true | false'
  if (own instanceof z.ZodEnum) return own.options.join(' | ')
  if (own instanceof z.ZodLiteral) return [...own.values].join(' | ')
  if (own instanceof z.ZodUnion)
    return [...new Set(own.options.flatMap((option) => typeOf(option).split(' | ')))].join(' | ')
  if (own instanceof z.ZodArray) return `list of ${typeOf(own.element)}`
  if (own instanceof z.ZodRecord) return `map of ${typeOf(own.valueType)}`
  if (isSecretSource(own)) return 'secret'
  return own instanceof z.ZodObject ? 'settings' : 'text'
}
