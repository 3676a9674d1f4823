import { isDeepStrictEqual } from 'node:util'
import { foldPath } from '../domain/request-target.ts'
import { checkRoutes } from '../domain/route-table.ts'
import { hostsOverlap, isLocal } from './addresses.ts'
import { checkAuthorization } from './check-authorization.ts'
import { checkIdentity } from './check-identity.ts'
import { checkRule } from './check-rule.ts'
import { checkSignOut } from './check-sign-out.ts'
import { checkUpstream } from './check-upstreams.ts'
import { given, type Draft, type DraftApplication, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import type { Settings } from './settings.ts'

/** What is wrong between settings that are each right by themselves. */
export function checkTogether(draft: Draft): readonly Finding[] {
  return [
    ...checkListeners(draft),
    ...checkPublicListener(draft),
    ...checkTrustedProxies(draft),
    ...checkPools(draft),
    ...checkSession(draft),
    ...checkEndpoints(draft),
    ...draft.applications.flatMap((application) => checkApplication(application, draft)),
    ...checkSamePlaces(draft),
    ...checkHostPools(draft),
    ...checkTable(draft),
    ...checkSignOut(draft),
    ...checkIdentity(draft),
  ]
}

function checkListeners(draft: Draft): readonly Finding[] {
  const { listen, admin, control, forwardAuth } = draft.file
  const listeners: readonly Listener[] = [
    ['listen', listen],
    ['admin', admin],
    ...(control === undefined ? [] : [['control', control] as const]),
    ...(forwardAuth === undefined ? [] : [['forwardAuth', forwardAuth] as const]),
  ]
  const findings = listeners.flatMap((one, at) =>
    listeners.slice(at + 1).flatMap((other) => checkPorts(draft, one, other)),
  )
  const isOpen = control !== undefined && !isLocal(control.host) && control.token === undefined
  if (isOpen && !draft.leftOut(['control', 'token']) && !draft.leftOut(['control', 'host']))
    findings.push(
      atValue(
        ['control', 'host'],
        'reaches beyond this machine: give control.token too (cognito-gateway keygen makes one), or write 127.0.0.1',
      ),
    )
  return findings
}

type Listener = readonly [name: string, address: { readonly host: string; readonly port: number }]

function checkPorts(draft: Draft, [name, one]: Listener, [otherName, other]: Listener): readonly Finding[] {
  if (one.port === 0 || one.port !== other.port || !hostsOverlap(one.host, other.host)) return []
  if ([name, otherName].some((listener) => draft.leftOut([listener, 'port']) || draft.leftOut([listener, 'host'])))
    return []
  const [wrong, right] = given(draft, [otherName, 'port']) ? [otherName, name] : [name, otherName]
  return [
    atValue(
      [wrong, 'port'],
      `must not be the port of ${right}, ${one.port}: the ${otherName} port is never shared with another listener`,
    ),
  ]
}

function checkPublicListener(draft: Draft): readonly Finding[] {
  const { listen, publicUrl } = draft.file
  const findings: Finding[] = []
  if (listen.http2 && listen.tls === undefined && !draft.leftOut(['listen', 'tls']))
    findings.push(atValue(['listen', 'http2'], 'needs listen.tls: browsers speak HTTP/2 only over TLS'))
  if (listen.tls !== undefined && publicUrl?.startsWith('http:') === true)
    findings.push(atValue(['publicUrl'], 'must begin with https:// because listen.tls serves https'))
  return findings
}

function checkTrustedProxies(draft: Draft): readonly Finding[] {
  const { trustedProxies, forwardAuth } = draft.file
  if (draft.leftOut(['trustedProxies'])) return []
  if (forwardAuth !== undefined && trustedProxies.every(({ headers }) => headers.length === 0))
    return [
      atKey(
        ['forwardAuth'],
        'would answer nobody: list the proxy that asks in trustedProxies, such as { cidr: 127.0.0.1/32, headers: [for] }',
      ),
    ]
  return trustedProxies.flatMap(({ headers, proxyProtocol }, at) => {
    const path = ['trustedProxies', at]
    if (headers.length === 0 && !proxyProtocol)
      return [atValue(path, 'believes nothing: write headers: [for, proto], or proxyProtocol: true')]
    return proxyProtocol && headers.includes('for')
      ? [
          atValue(
            [...path, 'headers'],
            'must not contain for: the PROXY protocol header tells the address of the client',
          ),
        ]
      : []
  })
}

function checkPools(draft: Draft): readonly Finding[] {
  return Object.entries(draft.file.pools).flatMap(([name, { scopes }]) => {
    const findings: Finding[] = []
    const path = ['pools', name, 'scopes']
    if (draft.leftOut(path)) return findings
    if (!scopes.includes('openid'))
      findings.push(atValue(path, 'must contain openid: without it sign-in gets no ID token'))
    if (scopes.includes('offline_access'))
      findings.push(
        atValue(path, 'must not contain offline_access: Cognito does not know it and refuses the whole sign-in'),
      )
    return findings
  })
}

function checkSession(draft: Draft): readonly Finding[] {
  return [...checkStore(draft), ...checkSessionTimes(draft)]
}

function checkStore(draft: Draft): readonly Finding[] {
  const { store, redis } = draft.file.session
  if (store === 'cookie' || redis !== undefined || draft.leftOut(['session', 'redis'])) return []
  return [atValue(['session', 'store'], 'needs session.redis with the url of the server: { url: { env: REDIS_URL } }')]
}

function checkSessionTimes(draft: Draft): readonly Finding[] {
  const { session } = draft.file
  const [idle, age] = [
    ['session', 'idleTimeoutSeconds'],
    ['session', 'maxAgeSeconds'],
  ] as const
  if (session.idleTimeoutSeconds <= session.maxAgeSeconds || draft.leftOut(idle) || draft.leftOut(age)) return []
  return [
    atValue(
      given(draft, idle) ? idle : age,
      given(draft, idle)
        ? `must not be longer than maxAgeSeconds (${session.maxAgeSeconds}): a session never lasts longer than that`
        : `must not be shorter than idleTimeoutSeconds (${session.idleTimeoutSeconds}): set that too`,
    ),
  ]
}

const OWN_ENDPOINTS = [
  'start',
  'sign_up',
  'forgot_password',
  'sign_in',
  'sign_out',
  'signed_out',
  'userinfo',
  'diagnose',
  'handover',
  'jwks.json',
  'keys',
  'auth',
]

/** Whether the gateway sees who asks: by itself, or because those in front are trusted to say so. */
export function knowsClients({ listen, publicUrl, trustedProxies }: Draft['file']): boolean {
  const isTold = trustedProxies.some(({ headers, proxyProtocol }) => proxyProtocol || headers.includes('for'))
  return isTold || listen.tls !== undefined || publicUrl?.startsWith('http:') === true
}

/** The paths of the gateway's own, with the defaults that follow from the prefix. */
export function endpointsOf({ endpoints }: Draft['file']): Settings['endpoints'] {
  const { prefix, callback = `${prefix}/callback`, callbackOn, ping = `${prefix}/ping` } = endpoints
  return { prefix, callback, callbackOn, ping }
}

/** The callback of a pool that is not the first. */
export function callbackOf(pool: string, { endpoints }: Draft['file']): string {
  return `${endpoints.prefix}/callback/${pool}`
}

function checkEndpoints({ file }: Draft): readonly Finding[] {
  const { prefix, callback, ping } = endpointsOf(file)
  const findings: Finding[] = []
  for (const [key, path] of [
    ['callback', callback],
    ['ping', ping],
  ] as const) {
    const taken = OWN_ENDPOINTS.find((name) => foldPath(path) === foldPath(`${prefix}/${name}`))
    if (!path.startsWith(`${prefix}/`))
      findings.push(atValue(['endpoints', key], `must begin with endpoints.prefix: ${prefix}/…`))
    else if (taken !== undefined)
      findings.push(atValue(['endpoints', key], `must not be ${path}: that has another use`))
  }
  const [, ...others] = Object.keys(file.pools)
  const owner = others.find((name) =>
    [callback, ping].some((path) => foldPath(path) === foldPath(callbackOf(name, file))),
  )
  if (owner !== undefined)
    findings.push(atKey(['pools', owner], 'must have another name: its callback is a path of endpoints'))
  if (foldPath(callback) === foldPath(ping)) findings.push(atValue(['endpoints', 'ping'], 'must not be the callback'))
  return findings
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
