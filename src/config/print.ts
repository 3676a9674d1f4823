import { stringify } from 'yaml'
import type { z } from 'zod'
import type { DraftApplication, DraftRoute } from './draft.ts'
import { endpointsOf } from './checks.ts'
import type { Loaded } from './load.ts'
import { isObject, markOf, memberOf, schemaAt, settingsOf, type Path } from './marks.ts'
import { GatewayFile } from './schema.ts'
import { valueAt } from './validate.ts'

/** The effective settings as YAML, each value with where it came from; of one application, or of all. Secrets print as `[secret]`. */
export function printSettings(loaded: Loaded, application?: string): string {
  const { draft, settings } = loaded
  if (application !== undefined && !draft.applications.some(({ name }) => name === application)) {
    return `# There is no application ${JSON.stringify(application.slice(0, 60))}; there is ${draft.applications.map(({ name }) => name).join(', ')}.`
  }
  const printer = createPrinter(loaded)
  const chosen = draft.applications.filter(({ name }) => application === undefined || name === application)
  const lines = application === undefined ? topLevel(printer, loaded) : []
  lines.push('applications:')
  for (const each of chosen) lines.push(...printApplication(printer, each, settings.pools[0]?.name))
  return lines.join('\n')
}

interface Printer {
  /** A map or value of the file's shape, with a comment after each value. */
  print(key: string, value: unknown, place: Place): string[]
}

/** Where a value stands, and where it may have come from, the nearest first. */
interface Place {
  readonly schema: z.core.$ZodType | undefined
  readonly sources: readonly Source[]
  readonly depth: number
  /** Leaves out what only comes from further away. */
  readonly ownOnly?: boolean
}

interface Source {
  readonly path: Path
  /** `defaults` or `application`, where it is not the place itself. */
  readonly level?: string
}

function createPrinter(loaded: Loaded): Printer {
  const comment = (sources: readonly Source[]): string => {
    for (const { path, level } of sources) {
      const origin = loaded.origin(path)
      if (origin !== undefined) return level === undefined ? origin : `${level}, ${origin}`
    }
    return 'default'
  }
  const given = ({ sources }: Place): boolean => {
    const [own] = sources
    return own !== undefined && loaded.origin(own.path) !== undefined
  }
  const print = (key: string, value: unknown, place: Place): string[] => {
    const { schema, sources, depth } = place
    const indent = '  '.repeat(depth)
    const down = (next: string | number): Place => ({
      ...place,
      schema: schema === undefined ? undefined : memberOf(schema, next),
      sources: sources.map((source) => ({ ...source, path: [...source.path, next] })),
      depth: depth + 1,
    })
    if (isSecret(value)) return [`${indent}${key}: [secret]  # ${sourceOfSecret(value)}, ${comment(sources)}`]
    if (Array.isArray(value) && value.some(isSecret)) {
      const items = value.map(
        (item, at) => `${indent}  - [secret]  # ${sourceOfSecret(item)}, ${comment(down(at).sources)}`,
      )
      return [`${indent}${key}:`, ...items]
    }
    const inner = isObject(value) && Object.keys(value).length > 0 ? orderedKeys(value, schema) : []
    const isMap = inner.length > 0 && !isFreeMap(schema)
    if (!isMap) {
      const hidden = value === undefined || (!given(place) && (place.ownOnly === true || isUnbuilt(schema)))
      return hidden ? [] : [`${indent}${key}: ${flow(value)}  # ${comment(sources)}`]
    }
    const lines = inner.flatMap((name) => print(name, valueAt(value, [name]), down(name)))
    return lines.length === 0 ? [] : [`${indent}${key}:`, ...lines]
  }
  return { print }
}

/** Maps whose keys the operator chooses are one value: levels of them merge, but nobody asks where each key came from. */
function isFreeMap(schema: z.core.$ZodType | undefined): boolean {
  return schema === undefined || settingsOf(schema).length === 0
}

function orderedKeys(value: Readonly<Record<string, unknown>>, schema: z.core.$ZodType | undefined): readonly string[] {
  const known = schema === undefined ? [] : settingsOf(schema).map(([name]) => name)
  return known.length === 0 ? Object.keys(value) : known.filter((name) => Object.hasOwn(value, name))
}

/** What has one value only, because no other is built, is not worth a line unless somebody wrote it. */
function isUnbuilt(schema: z.core.$ZodType | undefined): boolean {
  const { notYet } = schema === undefined ? {} : markOf(schema)
  return notYet !== undefined && notYet.built === undefined
}

function isSecret(value: unknown): boolean {
  return (
    isObject(value) &&
    (typeof value['file'] === 'string' || typeof value['env'] === 'string') &&
    Object.keys(value).length === 1
  )
}

function sourceOfSecret(value: unknown): string {
  const file = valueAt(value, ['file'])
  const env = valueAt(value, ['env'])
  return typeof file === 'string' ? `file ${file}` : typeof env === 'string' ? `environment variable ${env}` : 'unknown'
}

function flow(value: unknown): string {
  return stringify(value, { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false }).trim()
}

function topLevel(printer: Printer, { draft, settings }: Loaded): string[] {
  const { defaults: _defaults, applications: _applications, ...file } = draft.file
  const pools = Object.fromEntries(
    Object.entries(file.pools).map(([name, pool]) => [
      name,
      { ...pool, issuer: settings.pools.find((each) => each.name === name)?.issuer },
    ]),
  )
  const effective: Readonly<Record<string, unknown>> = {
    ...file,
    publicUrl: settings.publicUrl,
    pools,
    endpoints: endpointsOf(draft.file),
  }
  return orderedKeys(effective, GatewayFile).flatMap((key) => {
    if (key !== 'pools') return printer.print(key, effective[key], placeOf([key], 0))
    const each = Object.entries(pools).flatMap(([name, pool]) => printer.print(name, pool, placeOf(['pools', name], 1)))
    return ['pools:', ...each]
  })
}

function placeOf(path: Path, depth: number, more: readonly Source[] = []): Place {
  return { schema: schemaAt(GatewayFile, path), sources: [{ path }, ...more], depth }
}

function printApplication(printer: Printer, application: DraftApplication, firstPool: string | undefined): string[] {
  const { at, name, own, routes } = application
  const line = (key: string, value: unknown): string[] => printer.print(key, value, placeOf([...at, key], 2))
  const lines = [
    `  ${name}:`,
    ...line('hosts', application.hosts),
    ...line('path', application.path),
    ...line('pool', application.pool ?? firstPool),
    ...(own.access === undefined ? ['    # no access: only its routes can be reached'] : line('access', own.access)),
    ...printKeys(printer, own, { depth: 2, levels: [{ path: ['defaults'], level: 'defaults' }] }),
  ]
  const named = routes.filter((route) => route.at !== own.at)
  if (named.length > 0) lines.push("    routes:  # everything else is the application's")
  for (const route of named) lines.push(...printRoute(printer, route, application))
  return lines
}

function printRoute(printer: Printer, route: DraftRoute, application: DraftApplication): string[] {
  const line = (key: string, value: unknown, more: readonly Source[] = []): string[] =>
    value === undefined ? [] : printer.print(key, value, placeOf([...route.at, key], 4, more))
  return [
    `      ${route.name.slice(application.name.length + 1)}:`,
    ...line('path', route.path),
    ...line('methods', route.methods ?? undefined),
    ...line('access', route.access, [{ path: [...application.at, 'access'], level: 'application' }]),
    ...printKeys(printer, route, { depth: 4, levels: [], ownOnly: true }),
  ]
}

interface Levels {
  readonly depth: number
  readonly levels: readonly Source[]
  readonly ownOnly?: boolean
}

function printKeys(printer: Printer, { at, keys }: DraftRoute, { depth, levels, ownOnly = false }: Levels): string[] {
  const routeSchema = schemaAt(GatewayFile, at)
  if (routeSchema === undefined) return []
  return orderedKeys(keys, routeSchema).flatMap((key) => {
    const more = levels.map(({ path, level }): Source => ({
      path: [...path, key],
      ...(level === undefined ? {} : { level }),
    }))
    return printer.print(key, valueAt(keys, [key]), { ...placeOf([...at, key], depth, more), ownOnly })
  })
}
