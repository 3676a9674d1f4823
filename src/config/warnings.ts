import { isLoopbackHost } from './addresses.ts'
import type { AccessEntry } from '../domain/access.ts'
import { forwardsTokens } from './check-identity.ts'
import { upstreamPath } from './check-upstreams.ts'
import { knowsClients } from './checks.ts'
import { given, type Draft, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'

const THIRTY_DAYS = 2_592_000

/** What is legal but unwise where so many gateways run with these settings. */
export function findWarnings(draft: Draft, replicas: number): readonly Finding[] {
  return [
    ...warnOfLocalhost(draft),
    ...warnOfSession(draft),
    ...warnOfReplicas(draft, replicas),
    ...warnOfRotation(draft, replicas),
    ...draft.applications.flatMap(({ own, routes }) => [own, ...routes].flatMap((route) => warnOfRules(route, draft))),
    ...draft.applications.flatMap(({ own, routes }) =>
      [own, ...routes].flatMap((route) => warnOfUnverified(route, draft)),
    ),
    ...warnOfTokens(draft),
    ...warnOfLimits(draft),
    ...warnOfNothing(draft),
  ]
}

/** People who try out the gateway with a pool on their own machine know that it is not in production. */
function warnOfLocalhost({ file: { publicUrl, pools } }: Draft): readonly Finding[] {
  const local = Object.values(pools).every(
    ({ issuer }) => issuer !== undefined && isLoopbackHost(new URL(issuer).hostname),
  )
  return publicUrl?.startsWith('http:') === true && !local
    ? [atValue(['publicUrl'], 'is for this machine only: people elsewhere need an https address here')]
    : []
}

function warnOfSession({ file: { session } }: Draft): readonly Finding[] {
  return session.maxAgeSeconds > THIRTY_DAYS
    ? [
        atValue(
          ['session', 'maxAgeSeconds'],
          'is more than 30 days, the life of a refresh token unless the app client says otherwise: a stolen cookie lasts as long',
        ),
      ]
    : []
}

function warnOfLimits(draft: Draft): readonly Finding[] {
  const path = ['limits', 'signInsPerMinutePerAddress']
  return given(draft, path) && !knowsClients(draft.file)
    ? [
        atValue(
          path,
          'limits nobody: who speaks TLS in front hides the addresses of clients; list it in trustedProxies with headers: [for]',
        ),
      ]
    : []
}

function warnOfTokens({ applications, file }: Draft): readonly Finding[] {
  const routes = applications.flatMap(({ own, routes: others }) => [own, ...others])
  if (file.session.store === 'redis' || !routes.some((route) => route.access !== undefined && forwardsTokens(route)))
    return []
  return [
    atKey(
      ['session'],
      'keeps tokens that a route passes on in the cookie: it may outgrow what proxies in front take (4 KB) or a browser keeps; use store: redis',
    ),
  ]
}

function warnOfReplicas({ file: { session } }: Draft, replicas: number): readonly Finding[] {
  return replicas > 1 && session.redis === undefined
    ? [
        atKey(
          ['session'],
          `with ${replicas} replicas and without redis a sign-out is known to one of them only: a copied cookie goes on at the others; give session.redis`,
        ),
      ]
    : []
}

const LEAST_GRACE_SECONDS = 10

/** Replicas that share Redis refresh a session once; without it each may, and one gateway alone may lose an answer. */
function warnOfRotation({ file }: Draft, replicas: number): readonly Finding[] {
  if (file.session.redis !== undefined) return []
  const least = replicas > 1 ? LEAST_GRACE_SECONDS : 1
  return Object.entries(file.pools).flatMap(([name, { refreshTokenRotation }]) =>
    refreshTokenRotation !== undefined && refreshTokenRotation.graceSeconds < least
      ? [
          atValue(
            ['pools', name, 'refreshTokenRotation', 'graceSeconds'],
            `is short: without session.redis, requests at the same moment or an answer that gets lost may end the session; set it to ${LEAST_GRACE_SECONDS} or more at the app client`,
          ),
        ]
      : [],
  )
}

function warnOfRules(route: DraftRoute, draft: Draft): readonly Finding[] {
  const { access, at } = route
  if (access === undefined || typeof access === 'string' || !states(draft, at)) return []
  return access.flatMap((entry, index) => [
    ...warnOfScopes(entry, [...at, 'access', index], draft),
    ...warnOfClaims(entry, [...at, 'access', index]),
  ])
}

/** A route that only inherits its rule is not warned about again. */
function states({ file }: Draft, at: readonly (string | number)[]): boolean {
  const [, application, , route] = at.map(String)
  const given = file.applications?.[application ?? '']
  return route === undefined || given?.routes[route]?.access !== undefined
}

function warnOfScopes(entry: AccessEntry, path: Finding['path'], { file }: Draft): readonly Finding[] {
  const { scopes, groups, claims } = entry
  if (scopes === undefined || groups !== undefined || claims !== undefined) return []
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

function warnOfUnverified(route: DraftRoute, draft: Draft): readonly Finding[] {
  const { upstream } = route.keys
  if (upstream === undefined || typeof upstream === 'string' || upstream.insecureSkipVerify === undefined) return []
  return [
    atKey(
      upstreamPath(route, draft, 'insecureSkipVerify'),
      'lets anybody between the gateway and the application read and change everything: give caFile instead',
    ),
  ]
}

function warnOfNothing({ applications, file }: Draft): readonly Finding[] {
  const reachable = applications.some(({ own, routes }) => [own, ...routes].some(({ access }) => access !== undefined))
  return reachable || file.applications === undefined
    ? []
    : [atKey(['applications'], 'no application or route states an access: nothing can be reached')]
}
