import { METHODS } from 'node:http'
import { bearerRefusal, unverifiedClaims } from './adapters/token-verifier.ts'
import type { GivenClaims } from './config/explain-files.ts'
import type { PoolSettings, RouteSettings, Settings } from './config/settings.ts'
import { claimsAsked } from './domain/conditions.ts'
import { parseAddress } from './domain/client-address.ts'
import { OWN_RULE, type Credentials } from './domain/credentials.ts'
import { GatewayError } from './domain/errors.ts'
import { explain, type Caller, type Explanation } from './domain/explain.ts'
import { identityFromClaims, type Identity } from './domain/identity.ts'
import { ownEndpoints } from './domain/own-endpoints.ts'
import { foldPath, parseTarget } from './domain/request-target.ts'
import { buildRouteTable, parseHost, type RouteTable } from './domain/route-table.ts'
import { sitesIn } from './domain/site.ts'

type Claims = GivenClaims['access']

/** Somebody who asks, and what of that is only taken as given. */
export interface Asker {
  /** Of the session whose cookie comes along. */
  readonly session: Identity | null
  /** What stands in the Authorization header. */
  readonly authorization: AskersAuthorization | null
  readonly notes: readonly string[]
}

/** What the gateway makes of a header that is its own to judge: an error where it is refused before any rule is asked. */
export interface AskersAuthorization {
  /** `client`: Basic, with the right secret of an app client. `unknown`: nothing that names one of our pools. */
  readonly kind: Credentials['kind']
  readonly identity: Identity | GatewayError
}

export interface AskedRequest {
  readonly method: string
  /** With scheme and host, or only from the path on. */
  readonly url: string
  /** Empty where nobody says it. */
  readonly address: string
  /** Beside Host, Cookie and Authorization, names in small letters; all values of one that comes more than once. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
}

/** What is no request, no token or no known pool; the message says so to whoever asked, and quotes nothing but a pool's name. */
export class QuestionError extends Error {}

/** Asks rules about requests that nobody sends. */
export interface Explainer {
  readonly nobody: Asker
  byClaims(given: GivenClaims): Asker
  /** A token as it stands in an Authorization header. */
  byToken(token: string): Asker
  /** Throws a QuestionError for what is no request. */
  explain(request: AskedRequest, asker: Asker): Explanation<RouteSettings>
}

/** `table` where there is one already, of the same settings. */
export function createExplainer(settings: Settings, now: () => number, table?: RouteTable<RouteSettings>): Explainer {
  const { publicUrl, pools, endpoints } = settings
  const routes = settings.applications.flatMap((application) => application.routes)
  const publicHost = new URL(publicUrl).hostname
  const { byHost } = sitesIn(settings)
  const served = {
    table: table ?? buildRouteTable(routes, byHost.keys()),
    ownPrefix: foldPath(endpoints.prefix),
    ownEndpointAt: ownEndpoints({ ...endpoints, callbacks: pools.map(({ callback }) => callback) }),
    sites: byHost,
    methods: new Set(METHODS),
  }
  const keepClaims = routes.flatMap(({ access }) => (typeof access === 'string' ? [] : access.flatMap(claimsAsked)))

  function sessionOf(pool: PoolSettings, { access, id }: GivenClaims): Identity | null {
    const { name, userPoolId, trustEmailFrom } = pool
    return identityFromClaims({ pool: name, userPoolId, access, id, trustEmailFrom, keepClaims }) ?? null
  }

  function tokenOf({ name, userPoolId, bearerClients }: PoolSettings, access: Claims): AskersAuthorization {
    const sources = { pool: name, userPoolId, access, id: undefined, trustEmailFrom: [], keepClaims }
    const refused = unlisted(access, bearerClients) ?? bearerRefusal(access, bearerClients, now())
    return { kind: 'token', identity: refused ?? identityFromClaims(sources) ?? invalid('token_invalid') }
  }

  /** What the gateway's log calls by a library's name, in words that help; an ID token is refused as that, whosever it is. */
  function unlisted({ client_id: client, token_use: use }: Claims, bearerClients: readonly string[]) {
    if (use !== 'access' || bearerClients.some((one) => one === client)) return undefined
    const isListed = pools.some((pool) => pool.bearerClients.some((one) => one === client))
    const where = isListed ? "not in this pool's bearerClients" : "in no pool's bearerClients"
    const detail = isClientId(client)
      ? `client_id ${client} is ${where}`
      : "there is no client_id, which must be in the pool's bearerClients"
    return new GatewayError('GW_TOKEN_INVALID', { reason: 'token_invalid', detail })
  }

  /** An app client that is not listed is nobody that the gateway knows, and a person's token is none that it gets for itself. */
  function clientOf(pool: PoolSettings, access: Claims): AskersAuthorization {
    if (!pool.bearerClients.some((client) => client === access['client_id'])) return STRANGER
    const { identity } = tokenOf(pool, access)
    const isPerson = !(identity instanceof GatewayError) && identity.kind === 'person'
    return { kind: 'client', identity: isPerson ? invalid('client_refused') : identity }
  }

  return {
    nobody: { session: null, authorization: null, notes: [] },
    byClaims(given) {
      const pool = poolOf(pools, given)
      const access = { ...soundTimes(now()), token_use: 'access', ...given.access }
      const as = given.as ?? (given.id === undefined ? 'bearer' : 'session')
      const notes = [`claims taken as given, and judged as ${JUDGED_AS[as]}`]
      if (as === 'session') return { session: sessionOf(pool, { ...given, access }), authorization: null, notes }
      return { session: null, authorization: as === 'basic' ? clientOf(pool, access) : tokenOf(pool, access), notes }
    },
    byToken(token) {
      const access = unverifiedClaims(token)
      if (access === undefined) throw new QuestionError('--token-file holds no token.')
      const theirs = pools.filter(({ acceptedIssuers }) => acceptedIssuers.some((issuer) => issuer === access['iss']))
      const pool = theirs.find(({ bearerClients }) => bearerClients.includes(String(access['client_id']))) ?? theirs[0]
      if (pool === undefined)
        return { session: null, authorization: STRANGER, notes: ['the token comes from none of the pools'] }
      return { session: null, authorization: tokenOf(pool, access), notes: ['signature not checked'] }
    },
    explain({ method, url, address, headers }, asker) {
      const { host, target } = addressIn(url, publicHost)
      const client = address === '' ? '' : parseAddress(address)
      if (client === null) throw new QuestionError('The address must be one of IPv4 or IPv6.')
      const sent = Object.entries(headers).map(([name, values]) => [name, [values].flat()] as const)
      // What else a request has is known by its name only, as far as rules go.
      const carried = {
        ...Object.fromEntries(sent.map(([name, values]) => [name, values.join(', ')])),
        ...(asker.session === null ? {} : { cookie: '' }),
        ...(asker.authorization === null ? {} : { authorization: '' }),
      }
      return explain(served, {
        host,
        method,
        target: parseTarget(target),
        headers: carried,
        rawHeaders: sent.flatMap(([name, values]) => values.flatMap((value) => [name, value])),
        callerAt: (route) => callerAt(route ?? { ...OWN_RULE, pool: byHost.get(host ?? '')?.pool ?? '' }, asker),
        address: client,
        now: now(),
      })
    },
  }
}

const JUDGED_AS = {
  session: 'the session of a person',
  bearer: 'those of an access token in Authorization: Bearer',
  basic: 'those of an app client that shows id and secret',
} as const

/** The one of whom rules are asked, where no route says otherwise. */
export const identityOf = ({ session, authorization }: Asker): Identity | GatewayError | null =>
  authorization?.identity ?? session

const isClientId = (value: unknown): value is string => typeof value === 'string' && /^[\w+-]{1,128}$/.test(value)

const invalid = (reason: string): GatewayError => new GatewayError('GW_TOKEN_INVALID', { reason })
/** Nobody that one of our pools knows. */
export const STRANGER: AskersAuthorization = { kind: 'unknown', identity: invalid('credentials_unknown') }

/** How a route reads credentials. */
type Reading = Pick<RouteSettings, 'authorization' | 'clientBasic' | 'pool'>

/**
 * Whose the Authorization header is, the route says; what is the application's own leaves the session to decide. That of another pool is none:
 * a host holds sessions of its own pool only.
 */
function callerAt({ authorization, clientBasic, pool }: Reading, asker: Asker): Caller {
  const given = authorization === 'application' || authorization === 'drop' ? null : asker.authorization
  if (given?.kind === 'token' || (given?.kind === 'client' && clientBasic))
    return { identity: given.identity, credentials: given.kind }
  return given !== null && authorization === 'gateway'
    ? { identity: STRANGER.identity, credentials: 'unknown' }
    : { identity: asker.session?.pool === pool ? asker.session : null, credentials: null }
}

/** Letter by letter: a parser of URLs would repair what the gateway refuses. */
function addressIn(url: string, publicHost: string): { readonly host: string | null; readonly target: string } {
  if (url.startsWith('/')) return { host: publicHost, target: url }
  const [, host, rest = ''] = /^https?:\/\/([^/?#]+)(.*)$/is.exec(url) ?? []
  if (host === undefined) throw new QuestionError('URL must begin with https://, http:// or a slash.')
  return { host: parseHost(host), target: rest.startsWith('/') ? rest : `/${rest}` }
}

function poolOf(pools: readonly PoolSettings[], { pool: name, access }: GivenClaims): PoolSettings {
  const pool =
    name === undefined
      ? (pools.find(({ acceptedIssuers }) => acceptedIssuers.some((issuer) => issuer === access['iss'])) ?? pools[0])
      : pools.find((one) => one.name === name)
  if (pool === undefined) throw new QuestionError(`The settings know no pool ${name ?? ''}.`)
  return pool
}

/** What a file of claims leaves out: they are those of a token whose time is not over. */
function soundTimes(now: number): Readonly<Record<string, number>> {
  const seconds = Math.floor(now / 1000)
  return { iat: seconds, exp: seconds + 3_600 }
}
