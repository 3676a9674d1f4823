import { mkdirSync, rmSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { makeCertificate } from '../helpers/certificates.ts'
import { minimalWith, createWorkspace, withRoutes } from './workspace.ts'
import { loadSettings, SettingsError } from '../../src/config/load.ts'

t.test('the least settings load, with every default in place', async (t) => {
  const { settings, warnings } = createWorkspace(t).load(minimalWith({}))
  t.same(warnings, [])
  t.equal(settings.publicUrl, 'https://apps.example.com')
  t.same(settings.listen, {
    host: '0.0.0.0',
    port: 8080,
    tls: undefined,
    http2: false,
    maxHeaderBytes: 65_536,
    keepAliveTimeoutSeconds: 75,
    headersTimeoutSeconds: 15,
  })
  t.same(settings.admin, { host: '127.0.0.1', port: 9090 })
  t.same(settings.trustedProxies, [])
  t.same(settings.endpoints, {
    prefix: '/oauth2',
    callback: '/oauth2/callback',
    callbackOn: 'publicUrl',
    ping: '/oauth2/ping',
  })
  t.same(settings.shutdown, { drainDelaySeconds: 10, shutdownTimeoutSeconds: 30 })
  t.same(settings.log, { level: 'info', people: 'hash' })
  const { keys, ...times } = settings.session
  t.equal(keys.length, 1)
  t.same(times, {
    store: 'cookie',
    idleTimeoutSeconds: 28_800,
    maxAgeSeconds: 43_200,
    recheckSeconds: 300,
    refreshGraceSeconds: 300,
  })
  t.same(settings.pools[0]?.scopes, ['openid', 'email', 'profile'])
  t.equal(settings.pools[0]?.issuer, 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI')
  t.same(settings.pools[0]?.acceptedIssuers, [
    'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI',
    'https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI',
  ])
  t.same(settings.applications, [
    {
      name: 'wiki',
      pool: 'staff',
      hosts: ['apps.example.com'],
      path: '/',
      branding: {},
      routes: [
        {
          name: 'wiki',
          application: 'wiki',
          pool: 'staff',
          hosts: ['apps.example.com'],
          path: '/*',
          hasWholeHost: true,
          methods: null,
          access: 'signedIn',
          upstream: {
            urls: ['http://wiki.internal:8080'],
            host: 'preserve',
            serverName: undefined,
            caFile: undefined,
            certFile: undefined,
            keyFile: undefined,
            insecureSkipVerify: false,
            connectSeconds: 5,
            responseSeconds: 60,
            idleSeconds: 300,
            totalSeconds: null,
            connectionAuth: 'refuse',
            connections: 256,
            queue: 1024,
            stick: 'none',
            resolve: 'one',
            health: null,
            breaker: { failures: 10, openSeconds: 5 },
          },
          limits: { bodyBytes: null, clientBody: { idleSeconds: 60, minBytesPerSecond: 500 } },
          webSocket: { allow: true, idleSeconds: null, maxPerSession: 50 },
          prefixes: [],
          redirects: 'fix',
          requestHeaders: { set: {}, setIfAbsent: {}, remove: [] },
          responseHeaders: { set: {}, setIfAbsent: {}, remove: [] },
          cookies: { domain: 'keep', secure: false },
          identity: {
            headers: ['forwarded'],
            user: undefined,
            groups: { only: undefined, rename: {}, separator: ',', max: undefined },
            encoding: 'percent',
            custom: {},
            authorization: 'none',
            password: undefined,
            assertion: false,
            albSigner: undefined,
          },
          authorization: 'auto',
          clientBasic: false,
          challenge: ['bearer'],
          onUnauthenticated: 'auto',
          signInBy: 'redirect',
          allowedOrigins: [],
          cors: { preflight: 'refuse', credentials: false },
          showMissing: false,
          methodOverride: 'drop',
          reportOnlyUntil: null,
          paths: 'strict',
          allowInPath: [],
          identityProvider: undefined,
          bindCookies: [],
          signOutPaths: [],
        },
      ],
    },
  ])
})

t.test('settings are frozen to the last list', async (t) => {
  const { settings } = createWorkspace(t).load(minimalWith({}))
  const frozen = (value: unknown): boolean =>
    typeof value !== 'object' || value === null || (Object.isFrozen(value) && Object.values(value).every(frozen))
  t.ok(frozen(settings))
})

t.test('publicUrl is kept as an origin: host in lower case, without default port and final slash', async (t) => {
  const workspace = createWorkspace(t)
  const publicUrl = (text: string): string => workspace.load(minimalWith({ publicUrl: text })).settings.publicUrl
  t.equal(publicUrl('https://Apps.Example.com:443/'), 'https://apps.example.com')
  t.equal(publicUrl('https://apps.example.com:8443'), 'https://apps.example.com:8443')
  t.equal(publicUrl('http://localhost:8080'), 'http://localhost:8080')
})

t.test('an issuer that is given is the only one accepted', async (t) => {
  const issuer = 'http://127.0.0.1:9229/us-east-1_Local00001'
  const { settings } = createWorkspace(t).load(minimalWith({ 'pools.staff.issuer': issuer }))
  t.equal(settings.pools[0]?.issuer, issuer)
  t.same(settings.pools[0]?.acceptedIssuers, [issuer])
})

t.test('GET in methods includes HEAD', async (t) => {
  const { settings } = createWorkspace(t).load(withRoutes({ read: { path: '/r', methods: ['GET', 'POST'] } }))
  t.same(settings.applications[0]?.routes[1]?.methods, ['GET', 'HEAD', 'POST'])
})

t.test('an application without access contributes its routes only', async (t) => {
  const text = minimalWith({
    'applications.wiki': { upstream: 'http://wiki.internal', routes: { a: { path: '/a/*', access: 'public' } } },
  })
  t.same(
    createWorkspace(t)
      .load(text)
      .settings.applications[0]?.routes.map(({ name, path }) => [name, path]),
    [['wiki/a', '/a/*']],
  )
})

t.test('a route has the access of its application unless it states its own', async (t) => {
  const { settings } = createWorkspace(t).load(
    withRoutes({
      a: { path: '/a' },
      b: { path: '/b', access: [{ groups: ['ops'], claims: { email: ['x@example.com'] } }] },
    }),
  )
  t.same(
    settings.applications[0]?.routes.map(({ access }) => access),
    ['signedIn', 'signedIn', [{ groups: ['ops'], claims: { email: ['x@example.com'] } }]],
  )
})

t.test('defaults, application and route merge: maps by key, lists and single values as a whole', async (t) => {
  const { settings } = createWorkspace(t).load(
    minimalWith({
      defaults: {
        upstream: { connectSeconds: 2, responseSeconds: 20, idleSeconds: 200 },
        allowedOrigins: ['https://a.example.com'],
        identity: { groups: { rename: { a: '1', b: '1' }, only: ['x', 'y'] }, user: 'email' },
      },
      'applications.wiki': {
        upstream: 'http://wiki.internal',
        access: 'signedIn',
        identity: { groups: { rename: { b: '2' }, only: ['z'] } },
        routes: {
          slow: {
            path: '/slow',
            upstream: { responseSeconds: 600 },
            allowedOrigins: [],
            identity: { user: 'claim:custom:id' },
          },
        },
      },
    }),
  )
  const [own, slow] = settings.applications[0]?.routes ?? []
  t.match(own?.upstream, { urls: ['http://wiki.internal'], connectSeconds: 2, responseSeconds: 20, idleSeconds: 200 })
  t.match(slow?.upstream, { urls: ['http://wiki.internal'], connectSeconds: 2, responseSeconds: 600, idleSeconds: 200 })
  t.same(own?.identity.groups, { only: ['z'], rename: { a: '1', b: '2' }, separator: ',', max: undefined })
  t.same(own?.allowedOrigins, ['https://a.example.com'])
  t.same(slow?.allowedOrigins, [])
  t.equal(own?.identity.user, 'email')
  t.equal(slow?.identity.user, 'claim:custom:id')
})

t.test('headers: [none] tells the application nobody', async (t) => {
  const { settings } = createWorkspace(t).load(minimalWith({ 'applications.wiki.identity': { headers: ['none'] } }))
  t.same(settings.applications[0]?.routes[0]?.identity.headers, [])
})

t.test('onUnauthenticated: 401 may be written without quotes', async (t) => {
  const { settings } = createWorkspace(t).load(minimalWith({ 'applications.wiki.onUnauthenticated': 401 }))
  t.equal(settings.applications[0]?.routes[0]?.onUnauthenticated, '401')
})

t.test('callback and ping follow the prefix', async (t) => {
  const { settings } = createWorkspace(t).load(minimalWith({ endpoints: { prefix: '/auth' } }))
  t.same(settings.endpoints, {
    prefix: '/auth',
    callback: '/auth/callback',
    callbackOn: 'publicUrl',
    ping: '/auth/ping',
  })
})

t.test('workers are counted, or as many as Node may use processors', async (t) => {
  const workspace = createWorkspace(t)
  const workersOf = (more: Record<string, unknown>): number => workspace.load(minimalWith(more)).settings.workers
  t.equal(workersOf({}), 1)
  t.equal(workersOf({ workers: 4 }), 4)
  t.equal(workersOf({ workers: 'auto' }), availableParallelism())
  t.match(workspace.faults(minimalWith({ workers: 0 })), [/workers/])
  t.match(workspace.faults(minimalWith({ workers: 'many' })), [/workers/])
})

t.test('what is not built may be given with its default', async (t) => {
  const faults = createWorkspace(t).faults(
    minimalWith({
      'session.store': 'cookie',
      trustedProxies: [],
      'listen.http2': false,
      'applications.wiki.paths': 'strict',
      'applications.wiki.authorization': 'auto',
      'applications.wiki.identity': { assertion: false },
      'applications.wiki.hosts': ['APPS.example.com'],
    }),
  )
  t.same(faults, [])
})

t.test('what is not built is refused, never ignored', async (t) => {
  const workspace = createWorkspace(t)
  for (const [path, value] of Object.entries({
    outbound: { caFile: 'x' },
  })) {
    const faults = workspace.faults(minimalWith({ [path]: value }))
    t.equal(faults.length, 1, path)
    t.match(faults[0], new RegExp(`${path.split('.').at(-1)}.*: is not supported yet`), path)
  }
})

t.test('what Authorization and other origins may do is checked where it is written', async (t) => {
  const workspace = createWorkspace(t)
  const wiki = 'applications.wiki'
  const listed = { 'pools.staff.bearerClients': ['batch'] }
  const cases: readonly (readonly [Readonly<Record<string, unknown>>, RegExp])[] = [
    [{ [`${wiki}.clientBasic`]: true }, /wiki\.clientBasic: lets nobody in: list the app clients in pools\.staff/],
    [
      { ...listed, [`${wiki}.clientBasic`]: true, [`${wiki}.authorization`]: 'drop' },
      /clientBasic: needs authorization/,
    ],
    [{ [`${wiki}.challenge`]: ['bearer', 'basic'] }, /wiki\.challenge: must not offer basic without clientBasic/],
    [{ [`${wiki}.cors`]: { preflight: 'answer' } }, /wiki\.cors: needs allowedOrigins/],
    [{ 'defaults.cors': { credentials: true } }, /defaults\.cors: has credentials that nobody may send/],
  ]
  for (const [change, message] of cases) {
    const faults = workspace.faults(minimalWith(change))
    t.equal(faults.length, 1, faults.join('\n'))
    t.match(faults[0], message)
  }
  const inherited = workspace.load(
    minimalWith({
      ...listed,
      [`${wiki}.clientBasic`]: true,
      [`${wiki}.challenge`]: ['basic'],
      [`${wiki}.routes`]: { own: { path: '/own/*', authorization: 'application' } },
    }),
  )
  const [whole, own] = inherited.settings.applications[0]?.routes ?? []
  t.match(whole, { clientBasic: true, challenge: ['basic'] })
  t.match(own, { clientBasic: false, challenge: ['bearer'] }, 'what is only inherited does nothing')
})

t.test('what an application allows in its paths holds for all its routes, and may stand in defaults', async (t) => {
  const workspace = createWorkspace(t)
  const pathsOf = (text: string) =>
    workspace
      .load(text)
      .settings.applications[0]?.routes.map(({ name, paths, allowInPath }) => [name, paths, allowInPath])
  const routes = { assets: { path: '/assets/*', access: 'public' } }
  t.same(pathsOf(withRoutes(routes)), [
    ['wiki', 'strict', []],
    ['wiki/assets', 'strict', []],
  ])
  t.same(pathsOf(withRoutes(routes, { allowInPath: ['matrixParams', 'latin1'] })), [
    ['wiki', 'strict', ['matrixParams', 'latin1']],
    ['wiki/assets', 'strict', ['matrixParams', 'latin1']],
  ])
  t.same(pathsOf(minimalWith({ 'defaults.allowInPath': ['encodedSlash'] })), [['wiki', 'strict', ['encodedSlash']]])
  t.match(workspace.faults(minimalWith({ 'applications.wiki.allowInPath': ['semicolons'] })), [
    /allowInPath\[0\]: must be /,
  ])
})

t.test('cookies that are bound and paths of a sign-out hold for all routes of an application', async (t) => {
  const { settings } = createWorkspace(t).load(
    withRoutes(
      { assets: { path: '/assets/*', access: 'public' } },
      { bindCookies: ['JSESSIONID'], signOut: { paths: ['/Abmelden', '/user/logout'] } },
    ),
  )
  for (const route of settings.applications[0]?.routes ?? [])
    t.match(route, { bindCookies: ['JSESSIONID'], signOutPaths: ['/abmelden', '/user/logout'] }, route.name)
})

for (const [title, application, message] of [
  ['must not have a space', { bindCookies: ['JSESSION ID'] }, /bindCookies\[0\]: must be a cookie's name/],
  ["must not be the gateway's", { bindCookies: ['__Host-gateway'] }, /must not be a cookie of the gateway's own/],
] as const) {
  t.test(`a cookie to bind ${title}`, async (t) => {
    const faults = createWorkspace(t).faults(withRoutes({}, application))
    t.equal(faults.length, 1)
    t.match(faults[0], message)
  })
}

t.test('a sign-out of an application is refused where it could not sign out', async (t) => {
  const workspace = createWorkspace(t)
  const faultsOf = (path: string, more: Record<string, unknown> = {}) =>
    workspace.faults(
      withRoutes(
        { open: { path: '/wiki/open/*', access: 'public' }, bye: { path: '/wiki/open/bye', access: 'optional' } },
        { path: '/wiki', signOut: { paths: [path] }, ...more },
      ),
    )
  t.same(faultsOf('/wiki/logout'), [])
  t.same(faultsOf('/wiki/open/bye'), [])
  t.match(faultsOf('/logout'), [/signOut\.paths\[0\]: is served by no route: .* which lives at \/wiki/])
  t.match(faultsOf('/wiki/open/logout'), [/is public by wiki\/open, .* give it a route with access: optional/])
  t.match(faultsOf('/wiki/logout/*'), [/must be a plain prefix/])
  t.match(faultsOf('logout'), [/must begin with a slash/])
  t.match(faultsOf('/oauth2/sign_out'), [/is served by no route/])
})

t.test('opaque paths need routes that are all alike, and say which are not', async (t) => {
  const workspace = createWorkspace(t)
  const alike = { 'read-only': { path: '/x/*', methods: ['GET'] } }
  t.same(workspace.faults(withRoutes(alike, { paths: 'opaque' })), [])
  for (const [what, route] of Object.entries({
    access: { access: 'public' },
    upstream: { upstream: 'http://other.internal:8080' },
    identity: { identity: { user: 'email' } },
  })) {
    t.match(
      workspace.faults(withRoutes({ assets: { path: '/assets/*', ...route } }, { paths: 'opaque' })),
      [
        /applications\.wiki\.paths: must not be opaque where routes differ: give wiki and wiki\/assets the same access, identity and upstream/,
      ],
      what,
    )
  }
  t.match(workspace.faults(minimalWith({ 'defaults.paths': 'opaque', 'applications.wiki.allowInPath': ['latin1'] })), [
    /defaults\.paths: must not be opaque beside allowInPath/,
  ])
})

t.test('every fault is told at once, in the order of the file, each with line, column, key and remedy', async (t) => {
  const workspace = createWorkspace(t)
  const text = `publicUrl: http://apps.example.com
listn: { port: 8080 }
pools:
  staff:
    userPoolId: nowhere
    clientSecret: { file: missing }
session:
  maxAgeSeconds: 30s
  keys: [{ file: session-key }, { env: NO_SUCH_KEY }]
applications:
  wiki:
    upstream: http://wiki.internal:8080
    routes:
      assets: { path: assets, acces: public }
`
  t.same(workspace.faults(text, { COGNITO_GATEWAY__LOG__LEVEL: 'loud' }), [
    '1:12 publicUrl: must begin with https://: http is for localhost only',
    '2:1 listn: unknown key; did you mean listen?',
    "4:3 pools.staff.clientId: is missing: it must be an app client's id",
    "5:17 pools.staff.userPoolId: must be a user pool's id such as eu-west-1_AbCdEfGhI: the region, _, letters and digits",
    `6:19 pools.staff.clientSecret: file ${workspace.folder}/missing does not exist: check the path`,
    '8:18 session.maxAgeSeconds: must be seconds, a whole number from 1 to 31536000, not this text',
    '9:33 session.keys[1]: environment variable NO_SUCH_KEY is not set: set it to the secret',
    '14:23 applications.wiki.routes.assets.path: must begin with a slash',
    '14:31 applications.wiki.routes.assets.acces: unknown key; did you mean access?',
    'environment COGNITO_GATEWAY__LOG__LEVEL: must be one of debug, info, warn, error, not this text',
  ])
})

t.test('the message of a SettingsError has one line for each fault and no stack', async (t) => {
  const file = createWorkspace(t).write('broken.yaml', 'publicUrl: 5\nfoo: 1\n', 0o644)
  try {
    loadSettings({ file, environment: {} })
    t.fail('must throw')
  } catch (error) {
    t.ok(error instanceof SettingsError)
    const lines = (error as Error).message.split('\n')
    t.equal(lines.length, (error as SettingsError).faults.length)
    for (const line of lines) t.match(line, /^\S+broken\.yaml:\d+:\d+ \S+: /)
  }
})

const refusals: readonly (readonly [string, Record<string, unknown>, RegExp])[] = [
  [
    'K01 an unknown key at the top is refused with the closest known one',
    { sesion: {} },
    /sesion: unknown key; did you mean session\?/,
  ],
  [
    'K01 an unknown key far below is refused with the closest known one',
    { 'applications.wiki.upstream': { url: 'http://w', response_seconds: 5 } },
    /response_seconds: unknown key; did you mean responseSeconds\?/,
  ],
  [
    'K01 a misspelt condition is refused with the closest known one',
    { 'applications.wiki.access': [{ scope: ['a'] }] },
    /access\[0\]\.scope: unknown key; did you mean scopes\?/,
  ],
  [
    'K01 an unknown key that resembles nothing is refused with the known ones',
    { 'admin.certificate': 1 },
    /certificate: unknown key; known here: host, port/,
  ],
  [
    'K01 an unknown key that is a part of known ones is refused with those',
    { 'applications.wiki.upstream': { url: 'http://w', seconds: 5 } },
    /seconds: unknown key; did you mean connectSeconds or responseSeconds or idleSeconds/,
  ],
  [
    'K01 an unknown key in the place of many is refused with all of them',
    { 'applications.wiki.upstream': { url: 'http://w', retries: 5 } },
    /retries: unknown key; known here: url, urls, .*breaker/,
  ],
  [
    'K02 a text where a list belongs is refused with the way to write one',
    { 'pools.staff.scopes': 'openid email' },
    /scopes: must be a list, .*; write brackets around it: \[one\] or \[one, two\]/,
  ],
  [
    'K02 so it is in a rule',
    { 'applications.wiki.access': [{ groups: 'admins' }] },
    /groups: must be a list, .*; write brackets around it/,
  ],
  [
    'K10 a login domain without https:// is refused with the whole of one',
    { 'pools.staff.domain': 'my-company' },
    /domain: must be written with https:\/\/, such as https:\/\/my-company\.auth\.REGION\.amazoncognito\.com$/,
  ],
  [
    'K02 no is a text and no boolean',
    { 'applications.wiki.showMissing': 'no' },
    /showMissing: must be true or false, not this text/,
  ],
  [
    'K05 a wildcard host is refused',
    { 'applications.wiki.hosts': ['*.example.com'] },
    /hosts.*(wildcards|not supported yet)/,
  ],
  [
    'K05 a wildcard origin is refused',
    { 'applications.wiki.allowedOrigins': ['*'] },
    /allowedOrigins\[0\]: must begin with https/,
  ],
  [
    'K05 an origin with a path is refused',
    { 'applications.wiki.allowedOrigins': ['https://a.example.com/x'] },
    /must end after the host/,
  ],
  [
    'K06 a pool id without its region is refused',
    { 'pools.staff.userPoolId': 'AbCdEfGhI' },
    /userPoolId: must be a user pool's id/,
  ],
  [
    'K06 a pool id of no region is refused',
    { 'pools.staff.userPoolId': 'nowhere_AbCdEfGhI' },
    /userPoolId: must be a user pool's id/,
  ],
  ['K06 no user pool at all is refused', { pools: {} }, /pools: must name a user pool/],
  [
    'K06 a user pool without its app client is refused',
    { 'pools.staff': { userPoolId: 'eu-west-1_AbCdEfGhI' } },
    /staff\.clientId: is missing/,
  ],
  [
    'K06 a user pool without its id is refused',
    { 'pools.staff': { clientId: '4example23456789' } },
    /staff\.userPoolId: is missing/,
  ],
  [
    'K17 a secret in the file itself is refused',
    { 'pools.staff.clientSecret': 'in-clear' },
    /clientSecret: .*file.*env/,
  ],
  ['K07 clientId without a value is refused', { 'pools.staff.clientId': null }, /clientId: has no value/],
  ['K07 an empty list of scopes is refused', { 'pools.staff.scopes': [] }, /scopes: must not be an empty list/],
  ['A09 K07 an empty access is refused', { 'applications.wiki.access': [] }, /access: must not be an empty list/],
  [
    'A09 K07 an entry without a condition is refused',
    { 'applications.wiki.access': [{}] },
    /access\[0\]: must have a condition/,
  ],
  [
    'A09 K07 an entry with an empty list of groups is refused',
    { 'applications.wiki.access': [{ groups: [] }] },
    /groups: must not be an empty list/,
  ],
  [
    'K07 a claim without values is refused',
    { 'applications.wiki.access': [{ claims: { a: [] } }] },
    /claims\.a: must not be an empty list/,
  ],
  [
    'K07 an entry that names no claim is refused',
    { 'applications.wiki.access': [{ claims: {} }] },
    /claims: must name a claim/,
  ],
  [
    'A09 K07 a blank group is refused',
    { 'applications.wiki.access': [{ groups: [' '] }] },
    /groups\[0\]: must not be blank/,
  ],
  [
    "an application that is called as log and metrics call what is nobody's is refused",
    { 'applications.gateway': { path: '/gateway', upstream: 'http://w', access: 'signedIn' } },
    /applications\.gateway: must not be called gateway/,
  ],
  [
    'A09 a wildcard for a group is refused',
    { 'applications.wiki.access': [{ groups: ['ops', '*'] }] },
    /groups\[1\]: must be a name: there are no wildcards/,
  ],
  [
    'A09 a wildcard for the value of a claim is refused',
    { 'applications.wiki.access': [{ claims: { 'custom:tenant': ['*'] } }] },
    /custom:tenant\[0\]: must be a name/,
  ],
  ['A09 K07 an access without a value is refused', { 'applications.wiki.access': null }, /access: has no value/],
  [
    'K10 publicUrl as upstream is refused',
    { 'applications.wiki.upstream': 'https://apps.example.com' },
    /upstream\.url: must not be publicUrl/,
  ],
  [
    "K10 the gateway's own listener as upstream is refused",
    { 'applications.wiki.upstream': 'http://localhost:8080' },
    /upstream\.url: must not be the gateway's own listener/,
  ],
  [
    'K10 an upstream with credentials is refused',
    { 'applications.wiki.upstream': 'http://u:p@wiki.internal' },
    /upstream\.url: must not contain a user or password/,
  ],
  [
    'K10 an upstream with .. is refused',
    { 'applications.wiki.upstream': 'http://wiki.internal/a/../b' },
    /upstream\.url: must not contain \. or \.\. segments/,
  ],
  [
    'K10 an upstream with an encoded .. is refused',
    { 'applications.wiki.upstream': 'http://wiki.internal/%2e%2e/b' },
    /upstream\.url: must not contain \. or \.\. segments/,
  ],
  [
    'K10 an upstream with a fragment is refused',
    { 'applications.wiki.upstream': 'http://wiki.internal/#a' },
    /upstream\.url: must not have a fragment/,
  ],
  [
    'K10 an upstream with a query is refused',
    { 'applications.wiki.upstream': 'http://wiki.internal/?a' },
    /upstream\.url: must not have a query/,
  ],
  [
    'K10 an upstream of another scheme is refused',
    { 'applications.wiki.upstream': 'ftp://wiki.internal' },
    /upstream\.url: must begin with https:\/\/ or http:\/\//,
  ],
  [
    'K10 an application without upstream is refused',
    { 'applications.wiki': { access: 'signedIn' } },
    /applications\.wiki: has no upstream/,
  ],
  [
    'K11 a time of zero is refused',
    { 'applications.wiki.upstream': { url: 'http://w', responseSeconds: 0 } },
    /responseSeconds: must be seconds, a whole number from 1 to 3600/,
  ],
  ['K11 a negative time is refused', { 'session.idleTimeoutSeconds': -1 }, /idleTimeoutSeconds: must be seconds/],
  [
    'K11 a time with a unit is refused',
    { 'listen.headersTimeoutSeconds': '30s' },
    /headersTimeoutSeconds: must be seconds.*not this text/,
  ],
  [
    'K11 a time with a fraction is refused',
    { 'session.recheckSeconds': 1.5 },
    /recheckSeconds: must be seconds.*not a number with a fraction/,
  ],
  ['K11 a time that is no number is refused', { 'session.recheckSeconds': Number.NaN }, /recheckSeconds: must be/],
  ['K11 an endless time is refused', { 'session.recheckSeconds': Number.POSITIVE_INFINITY }, /recheckSeconds: must be/],
  [
    'K13 options of the server are unknown keys',
    { 'listen.insecureHTTPParser': true },
    /insecureHTTPParser: unknown key/,
  ],
  ['K14 publicUrl by http is refused', { publicUrl: 'http://apps.example.com' }, /publicUrl: must begin with https/],
  [
    'K14 publicUrl by http to a loopback address is refused',
    { publicUrl: 'http://127.0.0.1:8080' },
    /publicUrl: must begin with https/,
  ],
  [
    'K14 publicUrl with a path is refused',
    { publicUrl: 'https://apps.example.com/x' },
    /publicUrl: must end after the host/,
  ],
  [
    'K14 publicUrl with a query is refused',
    { publicUrl: 'https://apps.example.com?x' },
    /publicUrl: must not have a query/,
  ],
  [
    'K14 publicUrl with a trailing dot is refused',
    { publicUrl: 'https://apps.example.com.' },
    /publicUrl: must not have a dot after the host/,
  ],
  [
    'K14 publicUrl with a user is refused',
    { publicUrl: 'https://me@apps.example.com' },
    /publicUrl: must not contain a user/,
  ],
  [
    'K14 publicUrl with an impossible port is refused',
    { publicUrl: 'https://apps.example.com:99999' },
    /publicUrl: must have a valid host/,
  ],
  ['K14 a SameSite of the operator is an unknown key', { 'session.sameSite': 'none' }, /sameSite: unknown key/],
  ['K14 a cookie domain is an unknown key', { 'session.domain': 'example.com' }, /session\.domain: unknown key/],
  [
    'K15 an idle time over the age is refused',
    { 'session.idleTimeoutSeconds': 50_000 },
    /idleTimeoutSeconds: must not be longer than maxAgeSeconds \(43200\)/,
  ],
  [
    'K15 a grace of more than five minutes is refused',
    { 'session.refreshGraceSeconds': 301 },
    /refreshGraceSeconds: must be seconds, a whole number from 0 to 300/,
  ],
  [
    'an age under the default idle time is refused where it stands',
    { 'session.maxAgeSeconds': 60 },
    /maxAgeSeconds: must not be shorter than idleTimeoutSeconds \(28800\)/,
  ],
  [
    'an issuer by http elsewhere is refused',
    { 'pools.staff.issuer': 'http://idp.example.com/pool' },
    /issuer: must begin with https/,
  ],
  [
    'an issuer with a final slash is refused',
    { 'pools.staff.issuer': 'https://idp.example.com/pool/' },
    /issuer: must be an address/,
  ],
  [
    'a login domain by http elsewhere is refused',
    { 'pools.staff.domain': 'http://auth.example.com' },
    /domain: must begin with https/,
  ],
  [
    'a login domain with a path is refused',
    { 'pools.staff.domain': 'https://auth.example.com/login' },
    /domain: must end after the host/,
  ],
  ['scopes without openid are refused', { 'pools.staff.scopes': ['email'] }, /scopes: must contain openid/],
  [
    'offline_access is refused, which Cognito does not know',
    { 'pools.staff.scopes': ['openid', 'offline_access'] },
    /scopes: must not contain offline_access/,
  ],
  [
    'admin on the port of the public listener is refused',
    { 'admin.port': 8080 },
    /admin\.port: must not be the port of listen/,
  ],
  [
    'control on the port of the admin pages is refused',
    { 'control.port': 9090 },
    /control\.port: must not be the port of admin/,
  ],
  [
    'control on the port of the public listener is refused',
    { 'control.port': 8080 },
    /control\.port: must not be the port of listen/,
  ],
  [
    'a listener for proxies on the port of the public listener is refused',
    { forwardAuth: { proxy: 'nginx', port: 8080 }, trustedProxies: [{ cidr: '127.0.0.1/32', headers: ['for'] }] },
    /forwardAuth\.port: must not be the port of listen/,
  ],
  [
    'a listener for proxies that trusts none is refused',
    { forwardAuth: { proxy: 'nginx' } },
    /forwardAuth: would answer nobody: list the proxy that asks in trustedProxies/,
  ],
  [
    'a listener for proxies that trusts only those who announce connections is refused',
    { forwardAuth: { proxy: 'nginx' }, trustedProxies: [{ cidr: '127.0.0.1/32', proxyProtocol: true }] },
    /forwardAuth: would answer nobody/,
  ],
  [
    'a listener for proxies does not guess which proxy asks',
    { forwardAuth: { port: 9093 } },
    /forwardAuth\.proxy: .*one of nginx, traefik, caddy, haproxy, envoy/,
  ],
  [
    'control beyond this machine without a token is refused',
    { 'control.host': '0.0.0.0' },
    /control\.host: reaches beyond this machine: give control\.token too/,
  ],
  [
    'a callback outside the prefix is refused',
    { 'endpoints.callback': '/callback' },
    /callback: must begin with endpoints\.prefix/,
  ],
  ['a callback on another endpoint is refused', { 'endpoints.callback': '/oauth2/Start' }, /callback: must not be/],
  ['ping on the callback is refused', { 'endpoints.ping': '/oauth2/callback' }, /ping: must not be the callback/],
  [
    'a prefix with a final slash is refused',
    { 'endpoints.prefix': '/oauth2/' },
    /prefix: must be a path such as \/oauth2/,
  ],
  ['access in defaults is refused', { 'defaults.access': 'public' }, /defaults\.access: never comes from defaults/],
  [
    'a name in capitals is refused',
    { 'applications.Wiki': { upstream: 'http://w', access: 'public', path: '/w' } },
    /Wiki is no name here: it must be up to 63 lower-case letters/,
  ],
  [
    'a name of 64 characters is refused',
    { [`applications.${'a'.repeat(64)}`]: { upstream: 'http://w', access: 'public', path: '/w' } },
    /is no name here/,
  ],
  [
    'an unknown pool of an application is refused',
    { 'applications.wiki.pool': 'guests' },
    /pool: must be one of the pools: staff/,
  ],
  [
    'an application under the prefix of the gateway is refused',
    { 'applications.wiki.path': '/OAUTH2/x' },
    /path: is within endpoints\.prefix/,
  ],
  [
    'an application with a pattern as path is refused',
    { 'applications.wiki.path': '/wiki/*' },
    /path: must be a plain prefix/,
  ],
  [
    'an application with a final slash is refused',
    { 'applications.wiki.path': '/wiki/' },
    /path: must not end with a slash/,
  ],
  [
    'none beside another family of headers is refused',
    { 'applications.wiki.identity.headers': ['forwarded', 'none'] },
    /headers: must not have anything beside none/,
  ],
  [
    'a user that nobody knows is refused',
    { 'applications.wiki.identity.user': 'nickname' },
    /user: must be sub, email, username or claim:NAME/,
  ],
  [
    'a separator that could not be told from a group is refused',
    { 'applications.wiki.identity.groups.separator': '%' },
    /separator: must be one to three printable/,
  ],
  [
    'a client id that is a number is refused with the remedy',
    { 'pools.staff.clientId': 12345 },
    /clientId: must be an app client's id, not this number; put it in quotes/,
  ],
  ['no application at all is refused', { applications: {} }, /applications: must name an application/],
]
for (const [title, changes, message] of refusals) {
  t.test(title, async (t) => {
    const faults = createWorkspace(t).faults(minimalWith(changes))
    t.equal(faults.length, 1, faults.join('\n'))
    t.match(faults[0], message)
  })
}

const routePaths: readonly (readonly [string, string, RegExp])[] = [
  ['written with an escape', '/a%20b', /must be written decoded/],
  ['without a slash at its beginning', 'a', /must begin with a slash/],
  ['with two slashes', '/a//b', /must not contain \/\//],
  ['with a dot segment', '/a/../b', /must not contain \. or \.\. segments/],
  ['with a * in the middle', '/a/*/b', /may have \* only as a final \/\*/],
  ['with a * within a segment', '/a*', /may have \* only as a final \/\*/],
  ['with a parameter without a name', '/a/:/b', /must have a name/],
  ['with a query', '/a?b', /without \?, # and/],
  ['with a final slash', '/a/', /must not end with a slash/],
  ["under the gateway's own prefix", '/oauth2/x', /is within endpoints\.prefix/],
]
for (const [title, path, message] of routePaths) {
  t.test(`a route ${title} is refused`, async (t) => {
    const faults = createWorkspace(t).faults(withRoutes({ a: { path } }))
    t.equal(faults.length, 1, faults.join('\n'))
    t.match(faults[0], message)
  })
}

t.test('the paths of routes may be literal, with parameters, and everything below', async (t) => {
  const faults = createWorkspace(t).faults(
    withRoutes({
      a: { path: '/' },
      b: { path: '/b/:id/c/*' },
      c: { path: '/Großer Ordner/ü' },
      d: { path: '/d:e/~x' },
    }),
  )
  t.same(faults, [])
})

t.test("a route outside its application's path is refused with the right text", async (t) => {
  const faults = createWorkspace(t).faults(
    withRoutes({ a: { path: '/assets/*' }, b: { path: '/wikix' } }, { path: '/wiki' }),
  )
  t.match(faults, [
    /routes\.a\.path: must begin with the application's path \/wiki: write \/wiki\/assets\/\*/,
    /routes\.b\.path: must begin with the application's path \/wiki: write \/wiki\/wikix/,
  ])
})

t.test('admin may have the port of the public listener on another address', async (t) => {
  const faults = createWorkspace(t).faults(
    minimalWith({ listen: { host: '10.0.0.1', port: 9090 }, admin: { host: '127.0.0.1', port: 9090 } }),
  )
  t.same(faults, [])
})

t.test('K09 header names of the operator must be names, and none that carries the request itself', async (t) => {
  const workspace = createWorkspace(t)
  const withCustom = (name: string): string =>
    minimalWith({ 'applications.wiki.identity': { headers: ['custom'], custom: { [name]: 'user' } } })
  for (const name of ['Connection', 'host', 'Cookie', 'content_length', 'TE', 'X-Forwarded-For', 'Authorization'])
    t.match(workspace.faults(withCustom(name)), [/must not be a header that carries the request itself/], name)
  t.match(workspace.faults(withCustom('X User')), [/must be a header's name/])
  t.same(workspace.faults(withCustom('X-User')), [])
})

t.test("a route may be its application's path itself", async (t) => {
  t.same(createWorkspace(t).faults(withRoutes({ a: { path: '/wiki' } }, { path: '/wiki' })), [])
})

t.test('methods are known ones in capitals', async (t) => {
  const faults = createWorkspace(t).faults(withRoutes({ a: { path: '/a', methods: ['get', 'FETCH', 'CONNECT'] } }))
  t.match(faults, [
    /methods\[0\]: must be in capitals/,
    /methods\[1\]: must be a known method/,
    /methods\[2\]: must be a known/,
  ])
})

t.test('a route without access in an application without access is refused', async (t) => {
  const faults = createWorkspace(t).faults(
    minimalWith({ 'applications.wiki': { upstream: 'http://w', routes: { a: { path: '/a' } } } }),
  )
  t.match(faults, [/applications\.wiki\.routes\.a: states no access, and neither does its application/])
})

t.test('two applications with the same host and path are refused', async (t) => {
  const faults = createWorkspace(t).faults(
    minimalWith({ 'applications.other': { upstream: 'http://other.internal', access: 'public' } }),
  )
  t.match(faults, [/applications\.other: answers at the same host and path as wiki/])
})

t.test('two routes that cross are refused at the second one', async (t) => {
  const faults = createWorkspace(t).faults(
    withRoutes({ a: { path: '/:x/edit', access: 'public' }, b: { path: '/page/:y', access: [{ groups: ['ops'] }] } }),
  )
  t.equal(faults.length, 1)
  t.match(faults[0], /applications\.wiki\.routes\.b\.path: .*wiki\/a.*wiki\/b/)
})

t.test('K23 an empty file is refused, and so is one that cannot be read', async (t) => {
  const workspace = createWorkspace(t)
  t.match(workspace.faults(''), [/^1:1 : is empty/])
  t.match(workspace.faults('# nothing\n'), [/is empty/])
  t.match(workspace.faults('[]'), [/must be a map of settings/])
  t.match(workspace.faults('hello'), [/must be a map of settings/])
  t.throws(() => loadSettings({ file: `${workspace.folder}/none.yaml`, environment: {} }), {
    message: /none\.yaml:1:1: does not exist/,
  })
  t.throws(() => loadSettings({ file: workspace.folder, environment: {} }), { message: /is a directory/ })
  t.match(workspace.faults('{}').length, 4, 'each of the four that must be there')
})

t.test('K02 what two parsers could read differently is refused', async (t) => {
  const workspace = createWorkspace(t)
  t.match(workspace.faults('publicUrl: a\npublicUrl: b\n'), [/^2:1 : this key stands here twice/])
  t.match(workspace.faults('%YAML 1.1\n---\na: no\n'), [/must be YAML 1\.2/])
  t.match(workspace.faults(`${minimalWith({})}listen: { port: 0x1F90 }\n`), [
    /listen\.port: must be a plain decimal number/,
  ])
  t.match(workspace.faults(`${minimalWith({})}listen: { port: 08080 }\n`), [
    /listen\.port: must be a plain decimal number/,
  ])
  t.match(workspace.faults(`${minimalWith({})}listen: { port: 8e3 }\n`), [
    /listen\.port: must be a plain decimal number/,
  ])
  t.match(workspace.faults('a: !!js/function x\n'), [/tags such as !name are not known here/])
  t.match(workspace.faults('a: 1\n---\nb: 2\n'), [/more than one document/])
  t.match(workspace.faults('? [a]\n: 1\n'), [/a key must be a plain text/])
  t.match(workspace.faults('__proto__: { publicUrl: x }\n'), [/a key must be a plain text/])
  t.match(workspace.faults('a: *nobody\n'), [/alias of nothing/])
  t.match(workspace.faults('a: "x\n'), [/is not valid YAML/])
  const oneEach: readonly (readonly [string, RegExp])[] = [
    ['publicUrl:https://x\nlisten: { port: 1 }\n', /^1:1 : the colon after a key needs a space behind it/],
    ['publicUrl:https://x\n', /^1:1 : the colon after a key needs a space behind it/],
    ['listen: { port: 1 }\npublicUrl:https://x\n', /^2:1 : the colon after a key needs a space behind it/],
    ['pools:\n  staff:\n    domain:https://x\n    clientId: a\n', /^3:5 : the colon after a key needs a space/],
    ['a:\n  - b\n\t- c\n', /^3:1 : a tab cannot indent: use spaces/],
    ['listen:\n\tport: 1\n', /^2:1 : a tab cannot indent: use spaces/],
    ['a: 1\n b: 2\n', /^1:4 : .*: begin the keys of one map in one column/],
    ['a: @x\n', /^1:4 : a text that begins with @, ` or % must be in quotes/],
  ]
  for (const [text, says] of oneEach) {
    const [only, ...others] = workspace.faults(text)
    t.match(only, says, JSON.stringify(text))
    t.same(others, [], 'one sentence for one mistake')
  }
})

t.test('a file that only means to exhaust memory is refused', async (t) => {
  const workspace = createWorkspace(t)
  const bomb = [
    'a: &a [1,1,1,1,1,1,1,1,1,1]',
    ...'bcdefg'.split('').map((name, at) => `${name}: &${name} [${Array(10).fill(`*${'abcdef'[at]}`).join()}]`),
  ]
  t.match(workspace.faults(bomb.join('\n')), [/repeats too much/])
  t.match(workspace.faults('['.repeat(50_000)), [/nests brackets or lists/])
  t.match(workspace.faults('- '.repeat(50_000)), [/nests brackets or lists/])
  t.match(workspace.faults(`# ${'x'.repeat(1_100_000)}`), [/is larger than/])
})

t.test('K17 a file of settings that everybody can write is refused', async (t) => {
  const file = createWorkspace(t).write('open.yaml', minimalWith({}).replaceAll('internal', 'internal'), 0o666)
  t.throws(() => loadSettings({ file, environment: {} }), {
    message: /open\.yaml:1:1: this file can be written by everybody/,
  })
})

t.test('anchors and aliases work where they are few', async (t) => {
  const text = minimalWith({}).replace(
    'access: signedIn',
    'access: &rule [{ groups: [ops] }]\n    routes: { a: { path: /a, access: *rule } }',
  )
  t.same(createWorkspace(t).load(text).settings.applications[0]?.routes[1]?.access, [{ groups: ['ops'] }])
})

t.test('K15 A01 warnings say what is legal but unwise', async (t) => {
  const workspace = createWorkspace(t)
  const rule = (entry: object): string => minimalWith({ 'applications.wiki.access': [entry] })
  t.match(workspace.warnings(rule({ scopes: ['openid'] })), [/access\[0\]: lets every person of the pool in/])
  t.match(workspace.warnings(rule({ scopes: ['orders/read'] })), [
    /access\[0\]: lets every person in whose token has these scopes/,
  ])
  t.same(workspace.warnings(rule({ scopes: ['openid'], groups: ['ops'] })), [])
  t.match(workspace.warnings(rule({ claims: { 'custom:tenant': ['acme'] } })), [
    /claims\.custom:tenant: is an attribute that people may be able to change/,
  ])
  t.match(workspace.warnings(rule({ claims: { family_name: ['Doe'] } })), [/claims\.family_name: is an attribute/])
  t.same(workspace.warnings(rule({ claims: { email: ['x@example.com'] } })), [])
  t.match(
    workspace.warnings(minimalWith({ 'session.maxAgeSeconds': 2_592_001 })),
    [/maxAgeSeconds: is more than 30 days/],
    'K15 a session that outlives its refresh token',
  )
  t.match(workspace.warnings(minimalWith({ publicUrl: 'http://localhost:8080' })), [
    /publicUrl: is for this machine only/,
  ])
  t.match(workspace.warnings(minimalWith({ 'applications.wiki': { upstream: 'http://w' } })), [
    /nothing can be reached/,
  ])
  t.match(
    workspace.warnings(minimalWith({ 'applications.site': { path: '/site', upstream: 'http://w' } })),
    [/applications\.site: states no access and has no routes: nothing of it can be reached/],
    'A01',
  )
  const admin = (path: string, more: object = {}): string =>
    withRoutes({ admin: { path, access: 'signedIn', ...more } }, { access: undefined })
  const gaps = [/applications\.wiki: states no access: what none of its routes covers is 404/]
  t.match(workspace.warnings(admin('/admin/*')), gaps)
  t.match(workspace.warnings(admin('/*', { methods: ['GET'] })), gaps)
  t.same(workspace.warnings(admin('/*')), [])
  t.match(workspace.warnings(minimalWith({ 'pools.staff.refreshTokenRotation': { graceSeconds: 0 } })), [
    /graceSeconds: is short/,
  ])
})

t.test('a rule takes every condition, and refuses one that could hold for everybody or nobody', async (t) => {
  const workspace = createWorkspace(t)
  const faults = (entry: object): readonly string[] =>
    workspace.faults(minimalWith({ 'applications.wiki.access': [entry] }))
  const entry = {
    clients: ['7machine'],
    pools: ['staff'],
    identityProviders: ['CorpSaml'],
    emailDomains: ['Example.COM'],
    clientAddresses: ['10.0.0.0/8', '2001:db8::/32'],
    signedInWithinSeconds: 600,
  }
  const { settings } = workspace.load(minimalWith({ 'applications.wiki.access': [entry] }))
  t.same(settings.applications[0]?.routes[0]?.access, [{ ...entry, emailDomains: ['example.com'] }])
  t.match(faults({ pools: ['guests'] }), [/access\[0\]\.pools\[0\]: must be one of the pools: staff/])
  t.match(faults({ emailDomains: ['@example.com'] }), [/emailDomains\[0\]: must be written without the @/])
  t.match(faults({ emailDomains: ['*.example.com'] }), [/emailDomains\[0\]: .*wildcards/])
  t.match(faults({ emailDomains: ['b\u00fccher.example'] }), [/emailDomains\[0\]: must be a host name/])
  t.match(faults({ clientAddresses: ['0.0.0.0/0'] }), [/clientAddresses\[0\]: must not be everybody/])
  t.match(faults({ clientAddresses: ['10.0.0.1'] }), [/clientAddresses\[0\]: must end with the length/])
  t.match(faults({ signedInWithinSeconds: 5 }), [/signedInWithinSeconds: must be seconds, a whole number from 60/])
  for (const name of ['clients', 'pools', 'identityProviders', 'emailDomains', 'clientAddresses'])
    t.match(faults({ [name]: [] }), [/must not be an empty list/], `A09 ${name}`)
})

t.test('warnings of rules say who gets in that nobody may think of', async (t) => {
  const workspace = createWorkspace(t)
  const rule = (entry: object, more: object = {}): string =>
    minimalWith({ 'applications.wiki.access': [entry], ...more })
  t.match(workspace.warnings(rule({ clients: ['4example23456789'] })), [
    /access\[0\]: lets every person of the pool in/,
  ])
  t.same(workspace.warnings(rule({ clients: ['7machine'] })), [])
  t.match(workspace.warnings(rule({ groups: ['ops', 'eu-west-1_AbCdEfGhI_CorpSaml'] })), [
    /groups\[1\]: lets nobody in: .* write identityProviders/,
  ])
  t.match(workspace.warnings(rule({ clientAddresses: ['10.0.0.0/8'] })), [
    /clientAddresses: is asked of whoever speaks TLS in front/,
  ])
  const trustedProxies = [{ cidr: '10.0.0.0/8', headers: ['for'] }]
  t.same(workspace.warnings(rule({ clientAddresses: ['10.0.0.0/8'] }, { trustedProxies })), [])
  t.match(
    workspace.warnings(
      minimalWith({ 'applications.site': { path: '/site', upstream: 'http://site.internal', access: 'public' } }),
    ),
    [/applications\.site: has public pages on the host of wiki, which is not for everybody/],
  )
  t.same(workspace.warnings(minimalWith({ 'applications.wiki.publicFiles': ['/favicon.ico'] })), [])
})

t.test('reportOnly ends within ninety days, and its end is warned about', async (t) => {
  const workspace = createWorkspace(t)
  const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10)
  const report = (until: unknown): string => minimalWith({ 'applications.wiki.reportOnly': { until } })
  const untilOf = (text: string) =>
    workspace.load(text).settings.applications[0]?.routes.map((one) => one.reportOnlyUntil)
  t.same(untilOf(report(inDays(30))), [Date.parse(inDays(31))], 'the day named is the last one')
  t.same(untilOf(minimalWith({})), [null])
  const routes = { a: { path: '/a' }, b: { path: '/b', reportOnly: 'off' } }
  t.same(untilOf(withRoutes(routes, { reportOnly: { until: inDays(30) } })), [
    Date.parse(inDays(31)),
    Date.parse(inDays(31)),
    null,
  ])
  t.same(workspace.warnings(report(inDays(30))), [])
  t.match(workspace.warnings(report(inDays(3))), [/reportOnly\.until: is less than a week away/])
  t.match(workspace.warnings(report(inDays(-1))), [/reportOnly\.until: is over: the rule refuses again/])
  t.match(workspace.faults(report(inDays(92))), [/reportOnly\.until: is more than 90 days from now/])
  t.match(workspace.faults(report('2026-02-30')), [/reportOnly\.until: must be a date/])
  t.match(workspace.faults(report('tomorrow')), [/reportOnly\.until: must be a date/])
  t.match(workspace.faults(minimalWith({ 'applications.wiki.reportOnly': {} })), [/reportOnly: has no end/])
  t.match(workspace.faults(minimalWith({ 'defaults.reportOnly': { until: inDays(30) } })), [
    /defaults\.reportOnly: never comes from defaults/,
  ])
})

t.test('publicFiles are routes of their own, at paths of the application', async (t) => {
  const workspace = createWorkspace(t)
  const files = (paths: readonly string[], more: object = {}): string =>
    minimalWith({ 'applications.wiki': { upstream: 'http://wiki', access: 'signedIn', publicFiles: paths, ...more } })
  t.same(
    workspace
      .load(files(['/favicon.ico', '/a/b.json']))
      .settings.applications[0]?.routes.map(({ name, path, methods, access }) => [name, path, methods, access]),
    [
      ['wiki', '/*', null, 'signedIn'],
      ['wiki/publicFiles', '/favicon.ico', ['GET', 'HEAD'], 'public'],
      ['wiki/publicFiles', '/a/b.json', ['GET', 'HEAD'], 'public'],
    ],
  )
  t.match(workspace.faults(files(['/icons/*'])), [/publicFiles\[0\]: must be one file/])
  t.match(workspace.faults(files(['/'])), [/publicFiles\[0\]: must be one file/])
  t.match(workspace.faults(files(['/favicon.ico'], { path: '/wiki' })), [
    /publicFiles\[0\]: must begin with the application's path \/wiki/,
  ])
  t.match(workspace.faults(files(['/favicon.ico'], { routes: { icon: { path: '/favicon.ico', methods: ['GET'] } } })), [
    /publicFiles\[0\]: .*both answer/,
  ])
  t.match(workspace.faults(files(['/oauth2/x'])), [/publicFiles\[0\]: is within endpoints\.prefix/])
  t.match(
    workspace.faults(minimalWith({ 'defaults.publicFiles': ['/favicon.ico'], 'applications.wiki.path': '/wiki' })),
    [/defaults\.publicFiles\[0\]: must begin with/],
  )
})

t.test('RL15 check warns where replicas, store and rotation do not fit', async (t) => {
  const workspace = createWorkspace(t)
  workspace.write('redis-url', 'redis://127.0.0.1:6379')
  const settings = (graceSeconds?: number, redis = false): string =>
    minimalWith({
      ...(graceSeconds === undefined ? {} : { 'pools.staff.refreshTokenRotation': { graceSeconds } }),
      ...(redis ? { 'session.redis': { url: { file: 'redis-url' } } } : {}),
    })
  const unknown = /session: with 3 replicas and without redis a sign-out is known to one of them only/
  const short = /graceSeconds: is short: without session\.redis/
  t.same(workspace.warnings(settings(), 1), [])
  t.match(workspace.warnings(settings(), 3), [unknown])
  t.same(workspace.warnings(settings(undefined, true), 3), [])
  t.match(workspace.warnings(settings(0), 1), [short])
  t.same(workspace.warnings(settings(9), 1), [], 'one gateway refreshes a session once')
  t.match(workspace.warnings(settings(9), 3), [short, unknown])
  t.match(workspace.warnings(settings(10), 3), [unknown])
  t.same(workspace.warnings(settings(0, true), 3), [])
})

t.test('revokeAllBefore is a moment with its zone that has been', async (t) => {
  const workspace = createWorkspace(t)
  const before = (moment: unknown): string => minimalWith({ 'session.revokeAllBefore': moment })
  const { settings } = workspace.load(before('2025-01-31T03:00:00+01:00'))
  t.equal(settings.session.revokeAllBefore, Date.UTC(2025, 0, 31, 2))
  t.equal(workspace.load(minimalWith({})).settings.session.revokeAllBefore, undefined)
  for (const moment of ['2025-01-31T03:00:00', '2025-01-31', 'yesterday', 1_738_292_400])
    t.match(workspace.faults(before(moment)), [/revokeAllBefore: must be a moment with its zone/])
  t.match(workspace.faults(before('2999-01-01T00:00:00Z')), [/revokeAllBefore: must not be in the future/])
})

t.test('sign-ins are limited by address only where the addresses of clients are known', async (t) => {
  const workspace = createWorkspace(t)
  const limit = { 'limits.signInsPerMinutePerAddress': 5 }
  const limited = (changes: object) =>
    workspace.load(minimalWith({ ...limit, ...changes })).settings.limits.signInsPerMinutePerAddress
  t.equal(limited({}), null, 'somebody in front speaks TLS, and everybody has the address of that')
  t.match(workspace.warnings(minimalWith(limit)), [/signInsPerMinutePerAddress: limits nobody: .* trustedProxies/])
  t.equal(limited({ trustedProxies: [{ cidr: '10.0.0.0/8', headers: ['proto'] }] }), null)
  t.equal(limited({ trustedProxies: [{ cidr: '10.0.0.0/8', headers: ['for'] }] }), 5)
  t.equal(limited({ trustedProxies: [{ cidr: '10.0.0.0/8', proxyProtocol: true }] }), 5)
  t.equal(limited({ publicUrl: 'http://localhost:8080' }), 5)
})

t.test('a route that inherits a rule is not warned about again', async (t) => {
  const text = withRoutes({ a: { path: '/a' } }, { access: [{ scopes: ['openid'] }] })
  t.equal(createWorkspace(t).warnings(text).length, 1)
})

t.test('the certificate of the listener must be there, be PEM, and fit its key', async (t) => {
  const workspace = createWorkspace(t)
  const { cert, key } = makeCertificate(workspace.folder)
  const other = makeCertificate(workspace.folder, 'other')
  const withFiles = (certFile: string, keyFile: string): string => minimalWith({ 'listen.tls': { certFile, keyFile } })
  workspace.write('empty.crt', '')
  workspace.write('text.crt', 'a certificate\n')
  workspace.write('broken.crt', cert.replace(/[A-Za-z]{20}/, 'AAAAAAAAAAAAAAAAAAAA'))
  workspace.write('text.key', 'a key\n')
  workspace.write('open.key', key, 0o660)
  const cases: readonly (readonly [string, string, RegExp])[] = [
    ['none.crt', 'tls.key', /certFile: file .*none\.crt does not exist/],
    ['empty.crt', 'tls.key', /certFile: .*holds no certificate in PEM/],
    ['text.crt', 'tls.key', /certFile: .*holds no certificate in PEM/],
    ['tls.crt', 'none.key', /keyFile: file .*none\.key does not exist/],
    ['tls.crt', 'text.key', /keyFile: .*holds no private key in PEM/],
    ['tls.crt', 'tls.crt', /keyFile: .*holds no private key in PEM/],
    ['tls.crt', 'open.key', /keyFile: .*can be written by its group/],
    ['tls.crt', 'other.key', /keyFile: is not the key of the first certificate/],
  ]
  for (const [certFile, keyFile, expected] of cases) {
    const faults = workspace.faults(withFiles(certFile, keyFile))
    t.equal(faults.length, 1, faults.join('\n'))
    t.match(faults[0], expected)
    t.match(faults[0], /^\d+:\d+ listen\.tls\./)
    t.notMatch(faults[0], /BEGIN PRIVATE KEY-----\n/)
  }
  t.match(workspace.faults(minimalWith({ 'listen.tls': { certFile: 'tls.crt' } })), [/keyFile: is missing/])
  t.match(workspace.faults(minimalWith({ publicUrl: 'http://localhost:8080', 'listen.tls': tlsFiles })), [
    /publicUrl: must begin with https:/,
  ])
  t.match(workspace.faults(minimalWith({ 'listen.http2': true })), [/http2: needs listen\.tls/])
  const { settings } = workspace.load(withFiles('tls.crt', other.keyFile.replace('other', 'tls')))
  t.same(settings.listen.tls, { certFile: `${workspace.folder}/tls.crt`, keyFile: `${workspace.folder}/tls.key` })
  t.match(workspace.warnings(withFiles('tls.crt', 'tls.key')), [/is not for the host of publicUrl, apps\.example\.com/])
})

const tlsFiles = { certFile: 'tls.crt', keyFile: 'tls.key' }

t.test('a certificate that has expired is warned about, and the gateway starts', async (t) => {
  const workspace = createWorkspace(t)
  makeCertificate(workspace.folder, 'tls', -1)
  const warnings = workspace.warnings(minimalWith({ publicUrl: 'https://localhost', 'listen.tls': tlsFiles }))
  t.match(warnings, [/certFile: has expired/])
})

t.test('A20 trusted proxies are named as networks, and never everybody', async (t) => {
  const workspace = createWorkspace(t)
  const faults = (proxy: object): readonly string[] => workspace.faults(minimalWith({ trustedProxies: [proxy] }))
  for (const [cidr, expected] of [
    ['10.0.0.0/8', undefined],
    ['2001:db8::/32', undefined],
    ['192.0.2.1/32', undefined],
    ['0.0.0.0/0', /must not be everybody/],
    ['::/0', /must not be everybody/],
    ['10.0.0.1', /must end with the length of its prefix: \/32/],
    ['10.0.0.0/33', /from \/1 to \/32/],
    ['2001:db8::/129', /from \/1 to \/128/],
    ['10.0.0/8', /must be a network such as/],
    ['proxy.internal/8', /must be a network such as/],
    ['10.0.0.0/8/8', /must be a network such as/],
    ['10.1.2.3/8', /write 10\.0\.0\.0\/8 for the network, or \/32 for this one address/],
    ['10.1.2.3/32', undefined],
    ['192.0.2.129/25', /write 192\.0\.2\.128\/25 for/],
    ['2001:db8:0::/32', undefined],
    ['2001:db8::1/33', /write 2001:db8::\/33 for the network, or \/128/],
    ['fe80::1%eth0/64', /must be a network such as/],
    ['::ffff:10.0.0.0/104', /must be written as IPv4/],
  ] as const) {
    const found = faults({ cidr, headers: ['for'] })
    if (expected === undefined) t.same(found, [], cidr)
    else t.match(found, [expected], cidr)
  }
  t.match(faults({ cidr: '10.0.0.0/8' }), [/trustedProxies\[0\]: believes nothing/])
  t.match(faults({ cidr: '10.0.0.0/8', headers: ['uri'] }), [/headers\[0\]: must be one of for, proto, host, port/])
  t.match(faults({ cidr: '10.0.0.0/8', headers: ['for'], proxyProtocol: true }), [/headers: must not contain for/])
  t.same(faults({ cidr: '10.0.0.0/8', proxyProtocol: true }), [])
})

t.test('a pool per application, as long as a host serves the people of one', async (t) => {
  const workspace = createWorkspace(t)
  const partners = { userPoolId: 'eu-west-1_Partners1', clientId: 'partners' }
  const shop = { upstream: 'http://shop.internal', access: 'signedIn', pool: 'partners', path: '/shop' }
  const { settings } = workspace.load(
    minimalWith({ 'pools.partners': partners, 'applications.shop': { ...shop, hosts: ['shop.example.com'] } }),
  )
  t.same(
    settings.pools.map(({ name, callback }) => [name, callback]),
    [
      ['staff', '/oauth2/callback'],
      ['partners', '/oauth2/callback/partners'],
    ],
  )
  t.match(workspace.faults(minimalWith({ 'pools.partners': partners, 'applications.shop': shop })), [
    /applications\.shop: answers at a host of wiki, whose people are of pool staff and not of partners/,
  ])
  t.match(
    workspace.faults(minimalWith({ 'pools.partners': partners, 'endpoints.callback': '/oauth2/callback/partners' })),
    [/pools\.partners: must have another name/],
  )
})

t.test('what an application looks like is checked, and what nobody would see is warned of', async (t) => {
  const workspace = createWorkspace(t)
  const wiki = (branding: object, more: object = {}) => minimalWith({ 'applications.wiki.branding': branding, ...more })
  const faults = (branding: object) => workspace.faults(wiki(branding))
  t.match(faults({ logo: 'http://cdn.example.com/logo.svg' }), [/branding\.logo: must be a path or begin with https/])
  t.match(faults({ logo: 'https://a:b@cdn.example.com/x' }), [/branding\.logo: must not contain a user name/])
  t.match(faults({ logo: 'javascript:alert(1)' }), [/branding\.logo/])
  t.match(faults({ colour: 'red' }), [/branding\.colour: must be a colour such as/])
  t.match(faults({ colour: '#12345' }), [/branding\.colour/])
  t.match(faults({ name: 'x'.repeat(61) }), [/branding\.name: must be a name of 60 characters/])
  t.same(workspace.warnings(wiki({ name: 'Wiki', colour: '#abc', logo: 'https://cdn.example.com/logo.svg' })), [])
  t.match(workspace.warnings(wiki({ logo: '/logo.svg' })), [/wiki\.branding\.logo: is not public/])
  t.same(workspace.warnings(wiki({ logo: '/logo.svg' }, { 'applications.wiki.publicFiles': ['/logo.svg'] })), [])
})

t.test('warnings of pools say whose people or programs come to nothing', async (t) => {
  const workspace = createWorkspace(t)
  const partners = { userPoolId: 'eu-west-1_Partners1', clientId: 'partners' }
  t.match(workspace.warnings(minimalWith({ 'pools.partners': partners })), [
    /pools\.partners: is the pool of no application, and no rule names it/,
  ])
  const access = [{ groups: ['ops'], pools: ['staff', 'partners'] }]
  t.match(workspace.warnings(minimalWith({ 'pools.partners': partners, 'applications.wiki.access': access })), [
    /access\[0\]\.pools\[1\]: lets nobody in from another pool's application/,
  ])
  const withClients = { ...partners, bearerClients: ['batch'] }
  t.same(workspace.warnings(minimalWith({ 'pools.partners': withClients, 'applications.wiki.access': access })), [])
})

t.test('over http every host is one of this machine, because browsers keep no session at another', async (t) => {
  const workspace = createWorkspace(t)
  const at = (hosts: readonly string[]) =>
    workspace.faults(minimalWith({ publicUrl: 'http://localhost:8080', 'applications.wiki.hosts': hosts }))
  t.same(at(['localhost', 'wiki.localhost']), [])
  t.match(at(['wiki.example.com']), [/wiki\.hosts: must be localhost or end with \.localhost while publicUrl is http/])
})

t.test('applications may stand in files of their own', async (t) => {
  const workspace = createWorkspace(t)
  mkdirSync(join(workspace.folder, 'more.d'))
  const shop = { hosts: ['shop.example.com'], upstream: 'http://shop.internal', access: 'signedIn' }
  const write = (name: string, values: object) => workspace.write(`more.d/${name}`, stringify(values), 0o644)
  const including = (more: object = {}) => minimalWith({ include: ['more.d/*.yaml'], ...more })

  t.same(workspace.faults(including()), [], 'of which there may be none yet')
  write('shop.yaml', { applications: { shop } })
  write('notes.txt', { nothing: true })
  const loaded = workspace.load(including())
  t.same(
    loaded.settings.applications.map(({ name }) => name),
    ['wiki', 'shop'],
  )
  t.ok(loaded.files.includes(join(workspace.folder, 'more.d', 'shop.yaml')), 'which are looked at while it runs')
  t.ok(loaded.files.includes(join(workspace.folder, 'more.d')), 'and so is their folder')
  t.match(loaded.origin(['applications', 'shop', 'access']), /shop\.yaml:6$/)
  const { settings } = workspace.load(including(), { COGNITO_GATEWAY__APPLICATIONS__SHOP__ACCESS: 'public' })
  t.equal(settings.applications[1]?.routes[0]?.access, 'public')

  await t.test('faults name the file and the line', async (t) => {
    write('wrong.yaml', { applications: { stock: { ...shop, access: 'everybody' }, shop }, pools: {} })
    const faults = workspace.faults(including()).join('\n')
    t.match(faults, /wrong\.yaml:\d+:\d+ applications\.stock\.access: must be/)
    t.match(faults, /wrong\.yaml:\d+:\d+ applications\.shop: stands at \S*shop\.yaml:2 too: keep one of them/)
    t.match(faults, /wrong\.yaml:\d+:\d+ pools: an included file may have applications only/)
    workspace.write('more.d/wrong.yaml', 'applications: [', 0o644)
    t.match(workspace.faults(including()), [/^wrong\.yaml:\d+:\d+ : is not valid YAML/])
    rmSync(join(workspace.folder, 'more.d', 'wrong.yaml'))
  })

  t.match(workspace.faults(minimalWith({ include: ['none.d/*.yaml'] })), [
    /include\[0\]: is in a folder that does not exist/,
  ])
  t.match(workspace.faults(minimalWith({ include: ['none.yaml'] })), [/include\[0\]: names a file that does not exist/])
})
