import { foldPath } from '../domain/request-target.ts'
import { isLoopbackHost } from './addresses.ts'
import { forwardsTokens } from './check-identity.ts'
import { upstreamPath } from './check-upstreams.ts'
import { knowsClients } from './check-listeners.ts'
import { given, type Draft, type DraftApplication, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import { warnOfNeighbours, warnOfRule } from './rule-warnings.ts'

const THIRTY_DAYS = 2_592_000

/** What is legal but unwise where so many gateways run with these settings. */
export function findWarnings(draft: Draft, replicas: number): readonly Finding[] {
  return [
    ...warnOfLocalhost(draft),
    ...warnOfSession(draft),
    ...warnOfReplicas(draft, replicas),
    ...warnOfRotation(draft, replicas),
    ...draft.applications.flatMap(({ own, routes }) =>
      [own, ...routes].flatMap((route) => [...warnOfRule(route, draft), ...warnOfUnverified(route, draft)]),
    ),
    ...warnOfNeighbours(draft),
    ...warnOfPools(draft),
    ...draft.applications.flatMap((application) => warnOfLogo(application, draft)),
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

/** Any pool but the first, for whose people there is nothing. */
function warnOfPools({ applications, file }: Draft): readonly Finding[] {
  const named = applications.flatMap(({ pool, own, routes }) => [
    pool,
    ...[own, ...routes].flatMap(({ access }) =>
      access === undefined || typeof access === 'string' ? [] : access.flatMap(({ pools = [] }) => pools),
    ),
  ])
  return Object.keys(file.pools)
    .slice(1)
    .filter((name) => !named.includes(name))
    .map((name) => atKey(['pools', name], `is the pool of no application, and no rule names it: write pool: ${name}`))
}

/** Who is not signed in yet is to see it. */
function warnOfLogo({ at, keys, own, routes }: DraftApplication, draft: Draft): readonly Finding[] {
  const { logo } = keys.branding
  if (logo === undefined || !logo.startsWith('/')) return []
  const covers = (path: string): boolean =>
    path.endsWith('/*')
      ? `${foldPath(logo)}/`.startsWith(foldPath(path.slice(0, -1)))
      : foldPath(path) === foldPath(logo)
  if ([own, ...routes].some(({ path, access }) => access === 'public' && covers(path))) return []
  const place = given(draft, [...at, 'branding', 'logo']) ? at : ['defaults']
  return [
    atValue(
      [...place, 'branding', 'logo'],
      'is not public: people who are not signed in do not see it; list it in publicFiles',
    ),
  ]
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
  const unreachable = applications.filter(({ own, routes }) => own.access === undefined && routes.length === 0)
  if (file.applications !== undefined && unreachable.length === applications.length)
    return [atKey(['applications'], 'no application or route states an access: nothing can be reached')]
  return [
    ...unreachable.map(({ at }) => atKey(at, 'states no access and has no routes: nothing of it can be reached')),
    ...applications
      .filter((application) => !unreachable.includes(application) && leavesGaps(application))
      .map(({ at }) => atKey(at, 'states no access: what none of its routes covers is 404')),
  ]
}

/** Whether there are addresses of an application that no rule is stated for. */
function leavesGaps({ own, routes }: DraftApplication): boolean {
  const covered = routes.some(({ path, methods }) => methods === null && foldPath(path) === foldPath(own.path))
  return own.access === undefined && !covered
}
