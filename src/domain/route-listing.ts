import type { AccessRule } from './access.ts'
import type { LenientPattern } from './path-readings.ts'
import { byPrecedence, restRoutes } from './precedence.ts'
import { ruleWords } from './rule-words.ts'

/** What of a route is listed, and nothing else: neither what is sent to applications nor any secret comes into a listing. */
export interface ListableRoute extends LenientPattern {
  readonly pool: string
  readonly upstream: { readonly urls: readonly string[]; readonly insecureSkipVerify: boolean }
  readonly identity: { readonly headers: readonly string[]; readonly assertion: boolean }
  readonly allowedOrigins: readonly string[]
  readonly cors: { readonly preflight: 'refuse' | 'answer' | 'application' }
  readonly methodOverride: 'drop' | 'both'
  readonly reportOnlyUntil: number | null
}

export interface ListableApplication {
  readonly name: string
  readonly hosts: readonly string[]
  readonly path: string
  readonly routes: readonly ListableRoute[]
}

export interface ListedApplication {
  readonly name: string
  readonly hosts: readonly string[]
  readonly path: string
  readonly pools: readonly string[]
  /** Origins, or the paths of sockets. */
  readonly upstreams: readonly string[]
  readonly identity: readonly string[]
  /** What every route of it has in common. */
  readonly loosened: readonly Loosened[]
  /** In the order in which they win. */
  readonly routes: readonly ListedRoute[]
}

export interface ListedRoute {
  readonly name: string
  readonly path: string
  /** Null: every method, or with `othersOnly` every one that no other route of the path lists. */
  readonly methods: readonly string[] | null
  readonly othersOnly: boolean
  readonly access: AccessRule
  /** The same in plain words; any one of them lets in. */
  readonly rule: readonly string[]
  readonly upstreams: readonly string[]
  readonly identity: readonly string[]
  /** What is less strict here than it would be by itself. */
  readonly loosened: readonly Loosened[]
}

export interface Loosened {
  readonly setting: string
  readonly says: string
}

export function listApplications(
  applications: readonly ListableApplication[],
  now: number,
): readonly ListedApplication[] {
  const isRest = restRoutes(applications.flatMap(({ routes }) => routes))
  return applications.map(({ name, hosts, path, routes }) => {
    const listed = byPrecedence(routes).map((route) => listRoute(route, isRest(route), now))
    return {
      name,
      hosts,
      path,
      pools: unique(routes.map(({ pool }) => pool)),
      upstreams: unique(listed.flatMap(({ upstreams }) => upstreams)),
      identity: unique(listed.flatMap(({ identity }) => identity)),
      loosened: listed[0]?.loosened.filter((mark) => listed.every((route) => hasMark(route, mark))) ?? [],
      routes: listed,
    }
  })
}

/** The applications of which something fits, each with the routes that do. Letter case does not count; an empty text fits everything. */
export function filterApplications(
  applications: readonly ListedApplication[],
  filter: string,
): readonly ListedApplication[] {
  const wanted = filter.trim().toLowerCase()
  if (wanted === '') return applications
  const fits = (texts: readonly string[]): boolean => texts.some((text) => text.toLowerCase().includes(wanted))
  return applications.flatMap((application) => {
    const { name, hosts, upstreams, pools } = application
    if (fits([name, ...hosts, ...upstreams, ...pools])) return [application]
    const routes = application.routes.filter(({ name: route, path, methods, rule, loosened }) =>
      fits([route, path, ...(methods ?? []), ...rule, ...loosened.map(({ setting }) => setting)]),
    )
    return routes.length === 0 ? [] : [{ ...application, routes }]
  })
}

function listRoute(route: ListableRoute, othersOnly: boolean, now: number): ListedRoute {
  const { name, path, methods, access, upstream, identity } = route
  return {
    name,
    path,
    methods,
    othersOnly,
    access,
    rule: ruleWords(access),
    upstreams: upstream.urls.map(originOf),
    identity: access === 'public' ? [] : [...identity.headers, ...(identity.assertion ? ['assertion'] : [])],
    loosened: loosenedIn(route, now),
  }
}

/** Whether the very same is less strict in a route. */
export function hasMark({ loosened }: Pick<ListedRoute, 'loosened'>, { setting, says }: Loosened): boolean {
  return loosened.some((one) => one.setting === setting && one.says === says)
}

function loosenedIn(route: ListableRoute, now: number): readonly Loosened[] {
  const { upstream, allowInPath, paths, allowedOrigins, cors, methodOverride, reportOnlyUntil } = route
  const marks: readonly (Loosened | false)[] = [
    reportOnlyUntil !== null && {
      setting: 'reportOnly',
      says:
        now < reportOnlyUntil
          ? `the rule refuses nobody through ${dayOf(reportOnlyUntil - 1)}`
          : `over: the rule refuses since ${dayOf(reportOnlyUntil)}`,
    },
    paths === 'opaque' && { setting: 'paths', says: 'opaque' },
    allowInPath.length > 0 && { setting: 'allowInPath', says: allowInPath.join(', ') },
    allowedOrigins.length > 0 && { setting: 'allowedOrigins', says: allowedOrigins.join(', ') },
    cors.preflight !== 'refuse' && { setting: 'cors.preflight', says: cors.preflight },
    methodOverride === 'both' && { setting: 'methodOverride', says: 'both' },
    upstream.insecureSkipVerify && {
      setting: 'insecureSkipVerify',
      says: 'the certificate of upstream is not checked',
    },
  ]
  return marks.filter((mark) => mark !== false)
}

const dayOf = (epochMs: number): string => new Date(epochMs).toISOString().slice(0, 10)

/** Without path, query and whatever else may stand in an address. */
function originOf(url: string): string {
  if (url.startsWith('unix:')) return url.split(':', 2).join(':')
  return new URL(url).origin
}

const unique = (values: readonly string[]): readonly string[] => [...new Set(values)]
