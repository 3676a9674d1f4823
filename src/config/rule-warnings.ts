import type { AccessEntry } from '../domain/conditions.ts'
import { DAY_MS, reportOnlyPath } from './check-rule.ts'
import { knowsClients } from './check-listeners.ts'
import type { Draft, DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import { dayStart } from './kinds.ts'

/** What is legal but unwise in one route's rule. */
export function warnOfRule(route: DraftRoute, draft: Draft): readonly Finding[] {
  return [...warnOfEntries(route, draft), ...warnOfReportOnly(route, draft)]
}

function warnOfEntries({ access, at, application }: DraftRoute, draft: Draft): readonly Finding[] {
  if (access === undefined || typeof access === 'string' || !states(draft, at)) return []
  const own = draft.applications.find(({ name }) => name === application)?.pool
  return access.flatMap((entry, index) => [
    ...warnOfScopes(entry, [...at, 'access', index], draft),
    ...warnOfClaims(entry, [...at, 'access', index]),
    ...warnOfGroups(entry, [...at, 'access', index], draft),
    ...warnOfAddresses(entry, [...at, 'access', index], draft),
    ...warnOfPoolsNamed(entry, [...at, 'access', index], { own, file: draft.file }),
  ])
}

/** A route that only inherits its rule is not warned about again. */
function states({ file }: Draft, at: readonly (string | number)[]): boolean {
  const [, application, , route] = at.map(String)
  const given = file.applications?.[application ?? '']
  return route === undefined || given?.routes[route]?.access !== undefined
}

function warnOfScopes(entry: AccessEntry, path: Finding['path'], { file }: Draft): readonly Finding[] {
  const { scopes, groups, claims, clients, identityProviders, emailDomains } = entry
  // What else an entry may ask says nothing of who somebody is.
  if ((groups ?? claims ?? identityProviders ?? emailDomains) !== undefined) return []
  if (clients !== undefined) return warnOfOwnClient(clients, path, file)
  if (scopes === undefined) return []
  const asked = Object.values(file.pools).flatMap((pool) => pool.scopes)
  const everybody = scopes.every((scope) => asked.includes(scope))
  return [
    atValue(
      path,
      everybody
        ? 'lets every person of the pool in, because sign-in asks for these scopes: add groups or claims if only some may pass'
        : 'lets every person in whose token has these scopes: scopes tell what an app client may do, not who somebody is; add groups or claims if only some may pass',
    ),
  ]
}

function warnOfOwnClient(
  clients: readonly string[],
  path: Finding['path'],
  { pools }: Draft['file'],
): readonly Finding[] {
  const own = Object.values(pools).some(({ clientId }) => clientId !== undefined && clients.includes(clientId))
  return own
    ? [
        atValue(
          path,
          "lets every person of the pool in, because everybody signs in at the gateway's own app client: add groups or claims if only some may pass",
        ),
      ]
    : []
}

/** Cognito puts everybody who came by an identity provider into a group of this name. */
function warnOfGroups({ groups = [] }: AccessEntry, path: Finding['path'], { file }: Draft): readonly Finding[] {
  const automatic = Object.values(file.pools).flatMap(({ userPoolId }) =>
    userPoolId === undefined ? [] : [`${userPoolId}_`],
  )
  return groups.flatMap((group, at) =>
    automatic.some((start) => group.startsWith(start))
      ? [
          atValue(
            [...path, 'groups', at],
            'lets nobody in: the groups that Cognito makes for identity providers never count; write identityProviders',
          ),
        ]
      : [],
  )
}

function warnOfAddresses({ clientAddresses }: AccessEntry, path: Finding['path'], { file }: Draft): readonly Finding[] {
  return clientAddresses !== undefined && !knowsClients(file)
    ? [
        atValue(
          [...path, 'clientAddresses'],
          'is asked of whoever speaks TLS in front, not of clients: list it in trustedProxies with headers: [for]',
        ),
      ]
    : []
}

/** A browser's session on a host is of the pool of that host's applications. */
function warnOfPoolsNamed(
  { pools = [] }: AccessEntry,
  path: Finding['path'],
  { own, file }: { readonly own: string | undefined; readonly file: Draft['file'] },
): readonly Finding[] {
  return pools.flatMap((name, index) =>
    name !== own && file.pools[name]?.bearerClients.length === 0
      ? [
          atValue(
            [...path, 'pools', index],
            `lets nobody in from another pool's application: people sign in at the application's own pool, and tokens of ${name} are none without pools.${name}.bearerClients`,
          ),
        ]
      : [],
  )
}

const WEEK_MS = 7 * DAY_MS

function warnOfReportOnly(route: DraftRoute, draft: Draft): readonly Finding[] {
  const { reportOnly } = route.keys
  const start = reportOnly === 'off' || reportOnly.until === undefined ? null : dayStart(reportOnly.until)
  if (start === null) return []
  const left = start + DAY_MS - Date.now()
  const path = [...reportOnlyPath(route, draft), 'until']
  if (left <= 0) return [atValue(path, 'is over: the rule refuses again; take reportOnly out')]
  return left < WEEK_MS
    ? [atValue(path, 'is less than a week away: from then on the rule refuses whom it only reports now')]
    : []
}

/** Pages of one host are one to a browser, whichever application they come from. */
export function warnOfNeighbours({ applications }: Draft): readonly Finding[] {
  const asks = ({ own, routes }: Draft['applications'][number], wanted: (access: unknown) => boolean): boolean =>
    [own, ...routes].some(({ access, pathAt }) => !pathAt.includes('publicFiles') && wanted(access))
  return applications.flatMap((application) => {
    const open = asks(application, (access) => access === 'public')
    const other = applications.find(
      (one) =>
        one !== application &&
        one.hosts.some((host) => application.hosts.includes(host)) &&
        asks(one, (access) => access !== undefined && access !== 'public' && access !== 'optional'),
    )
    if (!open || other === undefined) return []
    return [
      atKey(
        application.at,
        `has public pages on the host of ${other.name}, which is not for everybody: scripts of theirs can act there in the name of whoever is signed in; give one of them a host of its own`,
      ),
    ]
  })
}

// People may write these themselves unless the app client forbids it; e-mail counts only when verified.
const STANDARD_ATTRIBUTES = new Set(
  (
    'address birthdate family_name gender given_name locale middle_name name nickname phone_number ' +
    'picture preferred_username profile updated_at website zoneinfo'
  ).split(' '),
)

function warnOfClaims({ claims }: AccessEntry, path: Finding['path']): readonly Finding[] {
  return Object.keys(claims ?? {})
    .filter((name) => name.startsWith('custom:') || STANDARD_ATTRIBUTES.has(name))
    .map((name) =>
      atKey(
        [...path, 'claims', name],
        'is an attribute that people may be able to change themselves: make sure that no app client of the pool may write it',
      ),
    )
}
