import { isDeepStrictEqual } from 'node:util'
import { foldPath } from '../domain/request-target.ts'
import { checkRoutes } from '../domain/route-table.ts'
import { checkAuthorization } from './check-authorization.ts'
import { checkRule } from './check-rule.ts'
import { checkUpstream } from './check-upstreams.ts'
import { given, type Draft, type DraftApplication, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'

/** What is wrong in applications and their routes, and between them. */
export function checkApplications(draft: Draft): readonly Finding[] {
  return [
    ...draft.applications.flatMap((application) => checkApplication(application, draft)),
    ...checkSamePlaces(draft),
    ...checkHostPools(draft),
    ...checkTable(draft),
  ]
}

function checkApplication(application: DraftApplication, draft: Draft): readonly Finding[] {
  const { at, own, routes, pool } = application
  const findings: Finding[] = []
  if (pool !== undefined && !Object.hasOwn(draft.file.pools, pool) && !draft.leftOut(['pools', pool]))
    findings.push(atValue([...at, 'pool'], `must be one of the pools: ${Object.keys(draft.file.pools).join(', ')}`))
  if (isWithinPrefix(application.path, draft))
    findings.push(
      atValue(
        [...at, 'path'],
        `is within endpoints.prefix ${draft.file.endpoints.prefix}: nothing there reaches an application`,
      ),
    )
  const served = own.access === undefined ? routes : [own, ...routes]
  for (const route of served)
    findings.push(...checkUpstream(route, draft), ...checkAuthorization(route, application, draft))
  for (const route of routes) findings.push(...checkRoute(route, application, draft))
  findings.push(...checkHosts(application, draft), ...checkProvider(application, draft), ...checkRule(own, draft))
  return [...uniqueFindings(findings), ...checkPaths(application, served, draft)]
}

function checkProvider({ at, pool, keys }: DraftApplication, draft: Draft): readonly Finding[] {
  const { identityProvider } = keys
  const known = draft.file.pools[pool ?? '']?.identityProviders ?? []
  if (identityProvider === undefined || known.includes(identityProvider)) return []
  if (draft.leftOut(['pools', pool ?? '', 'identityProviders'])) return []
  const place = given(draft, [...at, 'identityProvider']) ? at : ['defaults']
  return [
    atValue(
      [...place, 'identityProvider'],
      `must be one of pools.${pool ?? ''}.identityProviders: ${known.length === 0 ? 'list it there' : known.join(', ')}`,
    ),
  ]
}

/** Every host is served as publicUrl's is, and over http browsers keep our cookies on this machine only. */
function checkHosts({ at, hosts }: DraftApplication, draft: Draft): readonly Finding[] {
  const path = [...at, 'hosts']
  if (draft.file.publicUrl?.startsWith('http:') !== true || !given(draft, path) || draft.leftOut(path)) return []
  return hosts
    .filter((host) => host !== 'localhost' && !host.endsWith('.localhost'))
    .map((host) =>
      atValue(
        path,
        `must be localhost or end with .localhost while publicUrl is http: browsers keep no session at ${host}`,
      ),
    )
}

/** Opaque paths have readings without number, so nothing may depend on which one an application takes. */
function checkPaths({ at, keys }: DraftApplication, served: readonly DraftRoute[], draft: Draft): readonly Finding[] {
  if (keys.paths !== 'opaque') return []
  const place = given(draft, [...at, 'paths']) ? [...at, 'paths'] : ['defaults', 'paths']
  const [first, ...others] = served
    .filter(({ access }) => access !== undefined)
    .map(({ name, access, keys: { identity, upstream } }) => ({ name, decisive: { access, identity, upstream } }))
  const other = others.find(({ decisive }) => !isDeepStrictEqual(decisive, first?.decisive))
  const findings: Finding[] = []
  if (first !== undefined && other !== undefined)
    findings.push(
      atValue(
        place,
        `must not be opaque where routes differ: give ${first.name} and ${other.name} the same access, identity and upstream, or write paths: strict with allowInPath`,
      ),
    )
  if (keys.allowInPath.length > 0)
    findings.push(
      atValue(place, 'must not be opaque beside allowInPath: opaque lets all of it through; take one of them out'),
    )
  return findings
}

function checkRoute(route: DraftRoute, application: DraftApplication, draft: Draft): readonly Finding[] {
  const findings: Finding[] = [...checkRule(route, draft)]
  const base = application.path === '/' ? '' : application.path
  const folded = foldPath(route.path)
  if (folded !== foldPath(base === '' ? '/' : base) && !folded.startsWith(`${foldPath(base)}/`))
    findings.push(atValue(route.pathAt, `must begin with the application's path ${base}: write ${base}${route.path}`))
  else if (isWithinPrefix(route.path, draft))
    findings.push(
      atValue(
        route.pathAt,
        `is within endpoints.prefix ${draft.file.endpoints.prefix}: nothing there reaches an application`,
      ),
    )
  if (
    route.access === undefined &&
    !draft.leftOut([...route.at, 'access']) &&
    !draft.leftOut([...application.at, 'access'])
  )
    findings.push(
      atKey(route.at, 'states no access, and neither does its application: write access: signedIn, or who may pass'),
    )
  return findings
}

function isWithinPrefix(path: string, { file }: Draft): boolean {
  return `${foldPath(path)}/`.startsWith(`${foldPath(file.endpoints.prefix)}/`)
}

function checkSamePlaces({ applications }: Draft): readonly Finding[] {
  return applications.flatMap((application, index) => {
    const other = applications
      .slice(0, index)
      .find(
        ({ hosts, path }) =>
          foldPath(path) === foldPath(application.path) && hosts.some((host) => application.hosts.includes(host)),
      )
    return other === undefined
      ? []
      : [atKey(application.at, `answers at the same host and path as ${other.name}: give it another path or host`)]
  })
}

/** A browser holds one session for a host, and that is of one pool. */
function checkHostPools({ applications }: Draft): readonly Finding[] {
  return applications.flatMap((application, index) => {
    const { at, hosts, pool } = application
    const other = applications
      .slice(0, index)
      .find((one) => one.pool !== pool && one.hosts.some((host) => hosts.includes(host)))
    return other === undefined
      ? []
      : [
          atKey(
            at,
            `answers at a host of ${other.name}, whose people are of pool ${other.pool ?? ''} and not of ${pool ?? ''}: give it a host of its own`,
          ),
        ]
  })
}

/** What the routes' own table says of them, at the later one of two. */
function checkTable(draft: Draft): readonly Finding[] {
  const same = new Set(checkSamePlaces(draft).map(({ path }) => path.at(-1)))
  const places = draft.applications
    .filter(({ name }) => !same.has(name))
    .flatMap(({ own, routes, hosts }) => [own, ...routes].map((route) => ({ route, hosts })))
  const stated = places.flatMap(({ route: { name, path, methods, access }, hosts }) =>
    access === undefined ? [] : [{ name, hosts, path, methods, access }],
  )
  return checkRoutes(stated).flatMap(({ routes: [, second], message }) => {
    const place = places.find(({ route }) => route.name === second)
    return place === undefined ? [] : [atValue(place.route.pathAt, message)]
  })
}

/** An upstream of an application is wrong once, however many routes it has. */
function uniqueFindings(findings: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>()
  return findings.filter(({ path, message }) => {
    const id = JSON.stringify([path, message])
    return seen.has(id) ? false : seen.add(id)
  })
}
