import { bearerRefusal, unverifiedClaims } from '../../adapters/token-verifier.ts'
import type { GivenClaims } from '../../config/explain-files.ts'
import type { PoolSettings, RouteSettings, Settings } from '../../config/settings.ts'
import { claimsAsked } from '../../domain/conditions.ts'
import { parseAddress } from '../../domain/client-address.ts'
import { GatewayError } from '../../domain/errors.ts'
import { explain, type Explanation } from '../../domain/explain.ts'
import { identityFromClaims, type Identity } from '../../domain/identity.ts'
import { foldPath, parseTarget } from '../../domain/request-target.ts'
import { buildRouteTable, parseHost } from '../../domain/route-table.ts'
import { UsageError } from '../command.ts'

/** Somebody who asks, and what of that is only taken as given. */
export interface Asker {
  /** What the gateway makes of them: an error where a token is refused before any rule is asked. */
  readonly identity: Identity | GatewayError | null
  /** They bring a token in an Authorization header, and whether its issuer is one of our pools. */
  readonly bearer: 'ours' | 'foreign' | null
  readonly notes: readonly string[]
}

export interface AskedRequest {
  readonly method: string
  /** With scheme and host, or only from the path on. */
  readonly url: string
  /** Empty where nobody says it. */
  readonly address: string
}

/** Asks rules about requests without a running gateway. */
export interface Explainer {
  readonly nobody: Asker
  byClaims(given: GivenClaims): Asker
  /** A token as it stands in an Authorization header. */
  byToken(token: string): Asker
  /** Throws a UsageError for what is no request. */
  explain(request: AskedRequest, asker: Asker): Explanation<RouteSettings>
}

export function createExplainer(settings: Settings, now: () => number): Explainer {
  const { publicUrl, pools, endpoints } = settings
  const routes = settings.applications.flatMap((application) => application.routes)
  const publicHost = new URL(publicUrl).hostname
  const hosts = settings.applications.flatMap((application) => application.hosts)
  const served = {
    table: buildRouteTable(routes),
    ownPrefix: foldPath(endpoints.prefix),
    ownHosts: new Set([publicHost, ...hosts]),
  }
  const keepClaims = routes.flatMap(({ access }) => (typeof access === 'string' ? [] : access.flatMap(claimsAsked)))

  function identityIn(pool: PoolSettings, { access, id }: GivenClaims): Identity | GatewayError {
    const { name, userPoolId, trustEmailFrom } = pool
    const trusted = id === undefined ? [] : trustEmailFrom
    const sources = { pool: name, userPoolId, access, id, trustEmailFrom: trusted, keepClaims }
    const refused = id === undefined ? bearerRefusal(access, pool.bearerClients, now()) : undefined
    return refused ?? identityFromClaims(sources) ?? new GatewayError('GW_TOKEN_INVALID', { reason: 'token_invalid' })
  }

  return {
    nobody: { identity: null, bearer: null, notes: [] },
    byClaims(given) {
      const pool = poolOf(pools, given)
      const access = { ...soundTimes(now()), token_use: 'access', ...given.access }
      const bearer = given.id === undefined ? 'ours' : null
      return { identity: identityIn(pool, { ...given, access }), bearer, notes: ['claims taken as given'] }
    },
    byToken(token) {
      const access = unverifiedClaims(token)
      if (access === undefined) throw new UsageError('--token-file holds no token.')
      const theirs = pools.filter(({ acceptedIssuers }) => acceptedIssuers.some((issuer) => issuer === access['iss']))
      const pool = theirs.find(({ bearerClients }) => bearerClients.includes(String(access['client_id']))) ?? theirs[0]
      if (pool === undefined)
        return { identity: null, bearer: 'foreign', notes: ['the token comes from none of the pools'] }
      return { identity: identityIn(pool, { access }), bearer: 'ours', notes: ['signature not checked'] }
    },
    explain({ method, url, address }, asker) {
      const { host, target } = addressIn(url, publicHost)
      const client = address === '' ? '' : parseAddress(address)
      if (client === null) throw new UsageError('The address must be one of IPv4 or IPv6.')
      return explain(served, {
        host,
        method,
        target: parseTarget(target),
        identityAt: (route) => identityAt(route, asker),
        address: client,
        now: now(),
      })
    },
  }
}

/** A host holds sessions of its own pool only; whose the Authorization header is, the route says. */
function identityAt({ authorization, pool }: RouteSettings, { identity, bearer }: Asker): Asker['identity'] {
  if (bearer === null)
    return identity === null || identity instanceof GatewayError || identity.pool === pool ? identity : null
  switch (authorization) {
    case 'application':
    case 'drop':
      return null
    case 'auto':
      return identity
    case 'gateway':
      return bearer === 'ours' ? identity : new GatewayError('GW_TOKEN_INVALID', { reason: 'token_invalid' })
  }
}

/** Letter by letter: a parser of URLs would repair what the gateway refuses. */
function addressIn(url: string, publicHost: string): { readonly host: string | null; readonly target: string } {
  if (url.startsWith('/')) return { host: publicHost, target: url }
  const [, host, rest = ''] = /^https?:\/\/([^/?#]+)(.*)$/is.exec(url) ?? []
  if (host === undefined) throw new UsageError('URL must begin with https://, http:// or a slash.')
  return { host: parseHost(host), target: rest.startsWith('/') ? rest : `/${rest}` }
}

function poolOf(pools: readonly PoolSettings[], { pool: name, access }: GivenClaims): PoolSettings {
  const pool =
    name === undefined
      ? (pools.find(({ acceptedIssuers }) => acceptedIssuers.some((issuer) => issuer === access['iss'])) ?? pools[0])
      : pools.find((one) => one.name === name)
  if (pool === undefined) throw new UsageError(`The settings know no pool ${name ?? ''}.`)
  return pool
}

/** What a file of claims leaves out: they are those of a token whose time is not over. */
function soundTimes(now: number): Readonly<Record<string, number>> {
  const seconds = Math.floor(now / 1000)
  return { iat: seconds, exp: seconds + 3_600 }
}
