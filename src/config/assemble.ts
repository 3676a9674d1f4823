import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { foldPath } from '../domain/request-target.ts'
import { parseInstant } from '../domain/revocation.ts'
import type { Secret } from '../domain/secret.ts'
import { identitySettings } from './assemble-identity.ts'
import { knowsClients } from './check-listeners.ts'
import { callbackOf, endpointsOf } from './checks.ts'
import type { Draft, DraftApplication, DraftRoute } from './draft.ts'
import { keyText, pathId } from './faults.ts'
import { dayStart } from './kinds.ts'
import type { Path } from './marks.ts'
import { USER_POOL_ID } from './schema-pool.ts'
import type { ApplicationSettings, PoolSettings, RouteSettings, Settings, UpstreamSettings } from './settings.ts'

export interface Outside {
  readonly secrets: ReadonlyMap<string, Secret>
  /** Files are relative to this folder. */
  readonly folder: string
}

/** The settings of a draft in which no fault was found. */
export function assemble({ file, applications }: Draft, outside: Outside): Settings {
  const { secrets, folder } = outside
  const { listen, admin, control, session, shutdown, log } = file
  return deepFreeze({
    publicUrl: new URL(stated(file.publicUrl, 'publicUrl')).origin,
    listen: {
      host: listen.host,
      port: listen.port,
      tls:
        listen.tls === undefined
          ? undefined
          : { certFile: resolve(folder, listen.tls.certFile), keyFile: resolve(folder, listen.tls.keyFile) },
      http2: listen.http2,
      maxHeaderBytes: listen.maxHeaderBytes,
      keepAliveTimeoutSeconds: listen.keepAliveTimeoutSeconds,
      headersTimeoutSeconds: listen.headersTimeoutSeconds,
    },
    admin,
    control: control === undefined ? undefined : { ...control, token: secrets.get(pathId(['control', 'token'])) },
    forwardAuth: file.forwardAuth,
    trustedProxies: file.trustedProxies,
    pools: Object.entries(file.pools).map(([name, pool], at) => ({
      ...poolSettings(name, pool, secrets.get(pathId(['pools', name, 'clientSecret']))),
      callback: at === 0 ? endpointsOf(file).callback : callbackOf(name, file),
    })),
    session: {
      store: session.store,
      redis:
        session.redis === undefined
          ? undefined
          : {
              url: stated(secrets.get(pathId(['session', 'redis', 'url'])), 'session.redis.url'),
              caFile: session.redis.caFile === undefined ? undefined : resolve(folder, session.redis.caFile),
              outageGraceSeconds: session.redis.outageGraceSeconds,
            },
      keys: secretsAt(['session', 'keys'], session.keys?.length ?? 0, secrets),
      idleTimeoutSeconds: session.idleTimeoutSeconds,
      maxAgeSeconds: session.maxAgeSeconds,
      recheckSeconds: session.recheckSeconds,
      refreshGraceSeconds: session.refreshGraceSeconds,
      revokeAllBefore:
        session.revokeAllBefore === undefined ? undefined : (parseInstant(session.revokeAllBefore) ?? undefined),
    },
    endpoints: endpointsOf(file),
    workers: file.workers === 'auto' ? availableParallelism() : file.workers,
    shutdown,
    limits: { signInsPerMinutePerAddress: knowsClients(file) ? file.limits.signInsPerMinutePerAddress : null },
    log,
    assertion: {
      keys: secretsAt(['assertion', 'keys'], file.assertion.keys.length, secrets),
      albKeys: secretsAt(['assertion', 'albKeys'], file.assertion.albKeys.length, secrets),
    },
    applications: applications.map((application) =>
      applicationSettings(application, {
        ...outside,
        userPoolId: stated(file.pools[stated(application.pool, 'pool')]?.userPoolId, 'userPoolId'),
      }),
    ),
  })
}

function secretsAt(list: Path, length: number, secrets: Outside['secrets']): readonly Secret[] {
  return Array.from({ length }, (_, at) => stated(secrets.get(pathId([...list, at])), keyText(list)))
}

/** What the checks have made sure of. */
function stated<T>(value: T | undefined, name: string): T {
  if (value === undefined) throw new TypeError(`${name} is missing after every check`)
  return value
}

function poolSettings(
  name: string,
  pool: Draft['file']['pools'][string],
  clientSecret: Secret | undefined,
): Omit<PoolSettings, 'callback'> {
  const userPoolId = stated(pool.userPoolId, 'userPoolId')
  const [original, updated] = cognitoIssuers(userPoolId)
  return {
    name,
    userPoolId,
    issuer: pool.issuer ?? original,
    acceptedIssuers: pool.issuer === undefined ? [original, updated] : [pool.issuer],
    domain: pool.domain === undefined ? undefined : new URL(pool.domain).origin,
    clientId: stated(pool.clientId, 'clientId'),
    clientSecret,
    scopes: pool.scopes,
    bearerClients: pool.bearerClients,
    requestsPerSecond: pool.requestsPerSecond,
    trustEmailFrom: pool.trustEmailFrom,
    identityProviders: pool.identityProviders,
  }
}

/** Pools have one of two issuers, by a setting of theirs; both stand for the same pool. */
function cognitoIssuers(userPoolId: string): readonly [string, string] {
  const region = stated(USER_POOL_ID.exec(userPoolId)?.[1], 'region')
  const suffix = region.startsWith('eusc-') ? 'amazonaws.eu' : 'amazonaws.com'
  return [
    `https://cognito-idp.${region}.${suffix}/${userPoolId}`,
    `https://issuer-cognito-idp.${region}.${suffix}/${userPoolId}`,
  ]
}

interface Around extends Outside {
  /** Of the application's pool. */
  readonly userPoolId: string
}

function applicationSettings(application: DraftApplication, around: Around): ApplicationSettings {
  const { name, hosts, pool, path, own, routes } = application
  return {
    name,
    pool: stated(pool, 'pool'),
    hosts,
    path,
    branding: application.keys.branding,
    routes: [own, ...routes].flatMap((route) => routeSettings(route, application, around)),
  }
}

function routeSettings(route: DraftRoute, whole: DraftApplication, around: Around): readonly RouteSettings[] {
  const { hosts, pool } = whole
  const { paths, allowInPath, identityProvider, bindCookies, signOut } = whole.keys
  const { name, application, path, methods, access, keys } = route
  if (access === undefined) return []
  const { authorization, clientBasic, challenge } = keys
  const { onUnauthenticated, signInBy, allowedOrigins, cors, showMissing, methodOverride } = keys
  const { limits, webSocket, redirects, requestHeaders, responseHeaders, cookies } = keys
  const takesBasic = clientBasic && (authorization === 'auto' || authorization === 'gateway')
  return [
    {
      name,
      application,
      pool: stated(pool, 'pool'),
      hosts,
      path,
      hasWholeHost: whole.path === '/',
      methods,
      access,
      upstream: upstreamSettings(keys.upstream, around.folder),
      limits: { bodyBytes: orNull(limits.bodyBytes), clientBody: limits.clientBody },
      webSocket: { ...webSocket, idleSeconds: orNull(webSocket.idleSeconds) },
      prefixes: prefixesOf(keys),
      redirects,
      requestHeaders,
      responseHeaders,
      cookies,
      identity: identitySettings(route, around),
      authorization,
      clientBasic: takesBasic,
      challenge: takesBasic ? challenge : ['bearer'],
      onUnauthenticated: onUnauthenticated === 401 ? '401' : onUnauthenticated,
      signInBy,
      allowedOrigins: allowedOrigins.map((origin) => new URL(origin).origin),
      cors,
      showMissing,
      methodOverride,
      reportOnlyUntil: reportOnlyUntil(keys),
      paths,
      allowInPath,
      identityProvider,
      bindCookies,
      signOutPaths: signOut.paths.map(foldPath),
    },
  ]
}

const orNull = (value: number | 'off'): number | null => (value === 'off' ? null : value)

/** The day named is the last one. */
function reportOnlyUntil({ reportOnly }: DraftRoute['keys']): number | null {
  const start = reportOnly === 'off' || reportOnly.until === undefined ? null : dayStart(reportOnly.until)
  return start === null ? null : start + 86_400_000
}

function prefixesOf({ strip, replace = {} }: DraftRoute['keys']): RouteSettings['prefixes'] {
  const pairs = [...Object.entries(replace), ...(strip === undefined ? [] : [[strip, ''] as const])]
  const bare = (path: string): string => (path === '/' ? '' : path)
  return pairs
    .map(([from, to]) => ({ from: bare(from), to: bare(to) }))
    .toSorted((one, other) => other.from.length - one.from.length)
}

function upstreamSettings(upstream: DraftRoute['keys']['upstream'], folder: string): UpstreamSettings {
  if (upstream === undefined || typeof upstream === 'string') throw new TypeError('upstream is no map after merging')
  const { url, urls, health, breaker, insecureSkipVerify } = upstream
  const { host, serverName, connectSeconds, responseSeconds, idleSeconds, totalSeconds, connectionAuth } = upstream
  const { connections, queue, stick, resolve: addresses } = upstream
  const path = (file: string | undefined): string | undefined =>
    file === undefined ? undefined : resolve(folder, file)
  return {
    urls: urls ?? [stated(url, 'upstream.url')],
    host,
    serverName,
    caFile: path(upstream.caFile),
    certFile: path(upstream.certFile),
    keyFile: path(upstream.keyFile),
    insecureSkipVerify: insecureSkipVerify !== undefined,
    connectSeconds,
    responseSeconds,
    idleSeconds,
    totalSeconds: orNull(totalSeconds),
    connectionAuth,
    connections,
    queue,
    stick,
    resolve: addresses,
    health: health === 'off' ? null : { ...health, path: stated(health.path, 'upstream.health.path') },
    breaker: breaker === 'off' ? null : breaker,
  }
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const member of Object.values(value)) deepFreeze(member)
  return Object.freeze(value)
}
