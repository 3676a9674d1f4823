import type { AccessRule } from './access.ts'
import { foldPath } from './request-target.ts'

/** What the table needs to know of a route; whatever else it carries comes back with a match. */
export interface RoutePattern {
  /** `application` or `application/route`. */
  readonly name: string
  readonly hosts: readonly string[]
  /** Decoded: `/x/*` covers /x, /x/ and all below; else exactly that path, with and without a final slash; `:name` is one segment. */
  readonly path: string
  /** Null: every method. */
  readonly methods: readonly string[] | null
  readonly access: AccessRule
}

export type RouteMatch<R> =
  | { readonly kind: 'route'; readonly route: R }
  | { readonly kind: 'hostUnknown' }
  | { readonly kind: 'pathUnknown' }
  | { readonly kind: 'methodNotAllowed'; readonly allow: readonly string[] }

/** Routes by host, then by path segments. */
export interface RouteTable<R extends RoutePattern> {
  readonly hosts: ReadonlyMap<string, Node<R>>
}

interface Node<R> {
  readonly literals: Map<string, Node<R>>
  parameter: Node<R> | null
  /** Routes of exactly this path. */
  exact: R[]
  /** Routes of this path and everything below. */
  below: R[]
}

const newNode = <R>(): Node<R> => ({ literals: new Map(), parameter: null, exact: [], below: [] })

/** `served`: hosts that are known even where no route is. */
export function buildRouteTable<R extends RoutePattern>(
  routes: readonly R[],
  served: Iterable<string> = [],
): RouteTable<R> {
  const hosts = new Map<string, Node<R>>([...served].map((host) => [host, newNode<R>()]))
  for (const route of routes) {
    for (const host of route.hosts) {
      const root = hosts.get(host) ?? newNode<R>()
      hosts.set(host, root)
      insert(root, route)
    }
  }
  return { hosts }
}

function insert<R extends RoutePattern>(root: Node<R>, route: R): void {
  const { segments, below } = patternOf(route.path)
  let node = root
  for (const segment of segments) node = segment === null ? (node.parameter ??= newNode()) : childOf(node, segment)
  ;(below ? node.below : node.exact).push(route)
}

function childOf<R>(node: Node<R>, segment: string): Node<R> {
  const child = node.literals.get(segment) ?? newNode<R>()
  node.literals.set(segment, child)
  return child
}

/** Which route a request belongs to. `host` as `parseHost` gave it, `path` as `parseTarget` did. */
export function matchRoute<R extends RoutePattern>(
  table: RouteTable<R>,
  host: string,
  method: string,
  path: string,
): RouteMatch<R> {
  const root = table.hosts.get(host)
  if (root === undefined) return { kind: 'hostUnknown' }
  const candidates = find(root, path, 1)
  if (candidates === null) return { kind: 'pathUnknown' }
  const route =
    candidates.find(({ methods }) => methods !== null && methods.includes(method)) ??
    candidates.find(({ methods }) => methods === null)
  if (route !== undefined) return { kind: 'route', route }
  return {
    kind: 'methodNotAllowed',
    allow: [...new Set(candidates.flatMap(({ methods }) => methods ?? []))].toSorted(),
  }
}

/** The routes of the most specific pattern that covers the path from `at` on: literal before parameter before everything below. */
function find<R>(node: Node<R>, path: string, at: number): readonly R[] | null {
  if (at >= path.length) {
    if (node.exact.length > 0) return node.exact
    return node.below.length > 0 ? node.below : null
  }
  const slash = path.indexOf('/', at)
  const end = slash === -1 ? path.length : slash
  const literal = node.literals.get(path.slice(at, end))
  const deeper = literal === undefined ? null : find(literal, path, end + 1)
  if (deeper !== null) return deeper
  const parameter = node.parameter === null || end === at ? null : find(node.parameter, path, end + 1)
  if (parameter !== null) return parameter
  return node.below.length > 0 ? node.below : null
}

interface Pattern {
  /** Folded; null stands for `:name`. */
  readonly segments: readonly (string | null)[]
  readonly below: boolean
}

/** A path as the settings write it, taken apart. */
export function patternOf(path: string): Pattern {
  const below = path.endsWith('/*')
  const base = below ? path.slice(0, -2) : path.endsWith('/') ? path.slice(0, -1) : path
  const segments = base === '' ? [] : base.slice(1).split('/')
  return { segments: segments.map((segment) => (segment.startsWith(':') ? null : foldPath(segment))), below }
}

const HOST = /^(?:\[[\da-f:.]+\]|[a-z\d_-]+(?:\.[a-z\d_-]+)*)$/

/** A Host header as the table knows it: lower case, without port and one final dot. Null for anything that is no plain host. */
export function parseHost(raw: string | undefined): string | null {
  if (raw === undefined || raw === '' || raw.length > 255) return null
  const withoutPort = raw.toLowerCase().replace(/:\d{1,5}$/, '')
  const host = withoutPort.endsWith('.') ? withoutPort.slice(0, -1) : withoutPort
  return HOST.test(host) ? host : null
}

export interface RouteConflict {
  readonly routes: readonly [string, string]
  readonly message: string
}

/** Pairs of routes of which nobody could say which one decides. */
export function checkRoutes(routes: readonly RoutePattern[]): readonly RouteConflict[] {
  const byHost = new Map<string, { route: RoutePattern; pattern: Pattern }[]>()
  for (const route of routes) {
    for (const host of route.hosts)
      byHost.set(host, [...(byHost.get(host) ?? []), { route, pattern: patternOf(route.path) }])
  }
  const conflicts = new Map<string, RouteConflict>()
  for (const entries of byHost.values()) {
    for (const conflict of [...sameConflicts(entries), ...crossings(entries)])
      conflicts.set(conflict.routes.join(' '), conflict)
  }
  return [...conflicts.values()]
}

type Entry = { readonly route: RoutePattern; readonly pattern: Pattern }

/** The same for the same pattern, however it is written. */
export const keyOf = ({ segments, below }: Pattern): string =>
  segments.map((segment) => (segment === null ? '/:' : `/=${segment}`)).join('') + (below ? '/*' : '')

function sameConflicts(entries: readonly Entry[]): readonly RouteConflict[] {
  const seen = new Map<string, RoutePattern[]>()
  const conflicts: RouteConflict[] = []
  for (const { route, pattern } of entries) {
    const others = seen.get(keyOf(pattern)) ?? []
    for (const other of others) {
      const shared =
        other.methods === null
          ? route.methods === null
            ? 'every method'
            : null
          : (route.methods?.find((one) => other.methods?.includes(one)) ?? null)
      if (shared === null) continue
      conflicts.push({
        routes: [other.name, route.name],
        message: `${other.name} and ${route.name} both answer ${shared} at ${route.path}: give them different methods or paths`,
      })
    }
    seen.set(keyOf(pattern), [...others, route])
  }
  return conflicts
}

/** Only patterns with a parameter can cross others without one containing the other. */
function crossings(entries: readonly Entry[]): readonly RouteConflict[] {
  const known = new Set(entries.map(({ pattern }) => keyOf(pattern)))
  const conflicts: RouteConflict[] = []
  for (const [at, one] of entries.entries()) {
    if (!one.pattern.segments.includes(null)) continue
    for (const [otherAt, other] of entries.entries()) {
      if (other.pattern.segments.includes(null) && otherAt <= at) continue
      const overlap = overlapOf(one.pattern, other.pattern)
      if (overlap === null || known.has(keyOf(overlap)) || sameAccess(one.route.access, other.route.access)) continue
      const example = `/${overlap.segments.map((segment) => segment ?? 'x').join('/')}`
      conflicts.push({
        routes: [one.route.name, other.route.name],
        message: `${one.route.name} (${one.route.path}) and ${other.route.name} (${other.route.path}) both cover ${example} and neither is more specific: give them the same access, or add a route for what both cover`,
      })
    }
  }
  return conflicts
}

/** What both patterns cover, or null where nothing is or where it is one of the two themselves. */
function overlapOf(one: Pattern, other: Pattern): Pattern | null {
  const length = Math.max(one.segments.length, other.segments.length)
  const segments: (string | null)[] = []
  for (let at = 0; at < length; at += 1) {
    const a = at < one.segments.length ? one.segments[at] : one.below ? undefined : 'none'
    const b = at < other.segments.length ? other.segments[at] : other.below ? undefined : 'none'
    if (a === 'none' && at >= one.segments.length) return null
    if (b === 'none' && at >= other.segments.length) return null
    if (typeof a === 'string' && typeof b === 'string' && a !== b) return null
    segments.push(typeof a === 'string' ? a : typeof b === 'string' ? b : null)
  }
  const overlap = { segments, below: one.below && other.below }
  const key = keyOf(overlap)
  return key === keyOf(one) || key === keyOf(other) ? null : overlap
}

function sameAccess(one: AccessRule, other: AccessRule): boolean {
  return canonical(one) === canonical(other)
}

function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).toSorted().join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value)
  return `{${Object.entries(value)
    .map(([key, member]) => `${key}:${canonical(member)}`)
    .toSorted()
    .join()}}`
}
