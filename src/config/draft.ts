import { z } from 'zod'
import type { AccessRule } from '../domain/access.ts'
import { isWithin, type Finding } from './faults.ts'
import { isObject, type Path } from './marks.ts'
import { merge, withOneAddress } from './merge.ts'
import { GatewayFile } from './schema.ts'
import { pool } from './schema-pool.ts'
import type { accessRule } from './schema-access.ts'
import { ApplicationKeys } from './schema-application.ts'
import { RouteKeys } from './schema-route.ts'
import { session } from './schema-session.ts'
import { valueAt } from './validate.ts'

// Faults in one place must not hide those in another: what is missing or wrong is left out, and the rest is checked all the same.
const DraftFile = GatewayFile.extend({
  publicUrl: GatewayFile.shape.publicUrl.optional(),
  pools: z.record(z.string(), pool.partial({ userPoolId: true, clientId: true })).default({}),
  session: session.partial({ keys: true }).prefault({}),
  applications: GatewayFile.shape.applications.optional(),
})

/** A route, or an application as the route over everything below its path, with its levels merged and defaults in place. */
export interface DraftRoute {
  readonly name: string
  readonly application: string
  readonly at: Path
  readonly path: string
  /** Where the path is written. */
  readonly pathAt: Path
  readonly methods: readonly string[] | null
  readonly access: AccessRule | undefined
  readonly keys: z.output<typeof RouteKeys>
}

export interface DraftApplication {
  readonly name: string
  readonly at: Path
  readonly path: string
  readonly hosts: readonly string[]
  readonly pool: string | undefined
  /** With the defaults merged in. */
  readonly keys: z.output<typeof ApplicationKeys>
  readonly own: DraftRoute
  /** Those of the file, then one for each public file. */
  readonly routes: readonly DraftRoute[]
}

/** Where settings of a route may have been given, the nearest place first. */
export const levelsOf = ({ at, application }: DraftRoute): readonly Path[] => [
  at,
  ['applications', application],
  ['defaults'],
]

/** What can be read of a file, right or wrong, for the checks across settings. */
export interface Draft {
  readonly file: z.output<typeof DraftFile>
  readonly values: Readonly<Record<string, unknown>>
  readonly applications: readonly DraftApplication[]
  /** Whether this was given, but so wrong that it had to be left out. */
  leftOut(path: Path): boolean
}

/** Whether somebody gave this, in the file or the environment. */
export const given = ({ values }: Draft, path: Path): boolean => valueAt(values, path) !== undefined

/** The readable part of a file; undefined where nothing of it can be read. */
export function createDraft(
  values: Readonly<Record<string, unknown>>,
  findings: readonly Finding[],
): Draft | undefined {
  const dropped: Path[] = []
  let rest: unknown = values
  let wrong: readonly Path[] = findings.flatMap(({ path, readable }) =>
    path.length > 0 && readable !== true ? [path] : [],
  )
  for (let round = 0; round < 20; round += 1) {
    dropped.push(...wrong)
    rest = without(rest, wrong)
    const parsed = DraftFile.safeParse(rest)
    const known = isObject(rest) ? rest : {}
    if (parsed.success) return assemble(parsed.data, known, dropped)
    wrong = parsed.error.issues.map((issue) =>
      culprit(
        known,
        issue.path.map((key) => (typeof key === 'symbol' ? '' : key)),
      ),
    )
    if (wrong.some((path) => path.length === 0)) return undefined
  }
  return undefined
}

/** Indices shift when a list loses an entry, so a list with a fault that is found late goes as a whole. */
function culprit(values: unknown, path: Path): Path {
  const missing = valueAt(values, path) === undefined
  const candidate = missing ? path.slice(0, -1) : path
  const list = candidate.findIndex((key) => typeof key === 'number')
  return list === -1 ? candidate : candidate.slice(0, list)
}

function without(value: unknown, paths: readonly Path[]): unknown {
  if (paths.length === 0) return value
  const keep = (key: string | number): boolean => !paths.some((path) => path.length === 1 && path[0] === key)
  const below = (key: string | number): readonly Path[] =>
    paths.filter((path) => path.length > 1 && path[0] === key).map((path) => path.slice(1))
  if (Array.isArray(value)) {
    const members: readonly unknown[] = value
    return members.flatMap((member, at) => (keep(at) ? [without(member, below(at))] : []))
  }
  if (!isObject(value)) return value
  const kept = Object.entries(value).filter(([key]) => keep(key))
  return Object.fromEntries(kept.map(([key, member]) => [key, without(member, below(key))]))
}

function assemble(file: Draft['file'], values: Readonly<Record<string, unknown>>, dropped: readonly Path[]): Draft {
  const publicHost = file.publicUrl === undefined ? undefined : new URL(file.publicUrl).hostname
  const names = Object.keys(file.applications ?? {})
  return {
    file,
    values,
    applications: names.map((name) => draftApplication(name, file, values, publicHost)),
    leftOut: (path) => dropped.some((gone) => isWithin(path, gone) || isWithin(gone, path)),
  }
}

function draftApplication(
  name: string,
  file: Draft['file'],
  values: Readonly<Record<string, unknown>>,
  publicHost: string | undefined,
): DraftApplication {
  const at = ['applications', name]
  const settings = file.applications?.[name]
  const levels = [values['defaults'], valueAt(values, at)]
  const path = settings?.path ?? '/'
  const own: DraftRoute = {
    name,
    application: name,
    at,
    path: path === '/' ? '/*' : `${path}/*`,
    pathAt: [...at, 'path'],
    methods: null,
    access: ruleOf(settings?.access),
    keys: keysOf(RouteKeys, levels),
  }
  const routes = Object.entries(settings?.routes ?? {}).map(([route, given]): DraftRoute => {
    const routeAt = [...at, 'routes', route]
    return {
      name: `${name}/${route}`,
      application: name,
      at: routeAt,
      path: given.path,
      pathAt: [...routeAt, 'path'],
      methods: given.methods === undefined ? null : withHead(given.methods),
      access: ruleOf(given.access) ?? own.access,
      keys: keysOf(RouteKeys, [...levels, valueAt(values, routeAt)]),
    }
  })
  const hosts = (settings?.hosts ?? (publicHost === undefined ? [] : [publicHost])).map((host) => host.toLowerCase())
  const pool = settings?.pool ?? Object.keys(file.pools)[0]
  const keys = keysOf(ApplicationKeys, levels)
  const filesAt = [...(valueAt(values, [...at, 'publicFiles']) === undefined ? ['defaults'] : at), 'publicFiles']
  const files = keys.publicFiles.map((file, index) => fileRoute(own, file, [...filesAt, index]))
  return { name, at, path, hosts: [...new Set(hosts)], pool, keys, own, routes: [...routes, ...files] }
}

/** One file that everybody may read, whatever the application's own route asks. */
function fileRoute(own: DraftRoute, path: string, pathAt: Path): DraftRoute {
  // No name of an operator's has a capital letter.
  return { ...own, name: `${own.name}/publicFiles`, path, pathAt, methods: ['GET', 'HEAD'], access: 'public' }
}

function keysOf<S extends z.ZodObject>(schema: S, levels: readonly unknown[]): z.output<S> {
  const merged = merge(...levels.map(withOneAddress))
  const known = Object.keys(schema.shape).filter((key) => Object.hasOwn(merged, key))
  return schema.parse(Object.fromEntries(known.map((key) => [key, merged[key]])))
}

function ruleOf(access: z.output<typeof accessRule> | undefined): AccessRule | undefined {
  if (access === undefined || typeof access === 'string') return access
  return access.map(({ emailDomains, ...entry }) =>
    emailDomains === undefined ? entry : { ...entry, emailDomains: emailDomains.map((host) => host.toLowerCase()) },
  )
}

function withHead(methods: readonly string[]): readonly string[] {
  return [...new Set(methods.flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : [method])))]
}
