// The commented example of every setting: values chosen here, sentences and defaults from the schema, so that the two cannot drift apart.

/** One value for every setting, in the order in which people read them. */
const values = {
  publicUrl: 'https://apps.example.com',
  listen: {
    host: '0.0.0.0',
    port: 8080,
    tls: { certFile: '/run/secrets/tls.crt', keyFile: '/run/secrets/tls.key' },
    http2: true,
    maxHeaderBytes: 65536,
    keepAliveTimeoutSeconds: 75,
    headersTimeoutSeconds: 15,
  },
  admin: { host: '127.0.0.1', port: 9090 },
  control: { host: '127.0.0.1', port: 9091, token: { file: '/run/secrets/control-token' } },
  forwardAuth: { host: '127.0.0.1', port: 9092, proxy: 'nginx' },
  trustedProxies: [{ cidr: '10.0.0.0/8', headers: ['for', 'proto'], proxyProtocol: false }],
  pools: {
    staff: {
      userPoolId: 'eu-west-1_AbCdEfGhI',
      issuer: 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI',
      domain: 'https://auth.example.com',
      clientId: '4example23456789',
      clientSecret: { env: 'CLIENT_SECRET' },
      scopes: ['openid', 'email', 'profile'],
      bearerClients: ['7machine23456789'],
      trustEmailFrom: ['CorpSaml'],
      identityProviders: ['CorpSaml', 'Google'],
      requestsPerSecond: 50,
      refreshTokenRotation: { graceSeconds: 30 },
    },
  },
  session: {
    store: 'redis',
    keys: [{ file: '/run/secrets/session-key' }],
    idleTimeoutSeconds: 28800,
    maxAgeSeconds: 43200,
    recheckSeconds: 300,
    refreshGraceSeconds: 300,
    redis: { url: { env: 'REDIS_URL' }, caFile: 'redis-ca.pem', outageGraceSeconds: 300 },
    revokeAllBefore: '2025-01-31T03:00:00Z',
  },
  endpoints: { prefix: '/oauth2', callback: '/oauth2/callback', callbackOn: 'publicUrl', ping: '/oauth2/ping' },
  outbound: { proxy: { env: 'HTTPS_PROXY' }, caFile: 'outbound-ca.pem' },
  workers: 'auto',
  shutdown: { drainDelaySeconds: 10, shutdownTimeoutSeconds: 30 },
  limits: { signInsPerMinutePerAddress: 60 },
  log: { level: 'info', people: 'hash' },
  assertion: { keys: [{ file: '/run/secrets/assertion-key' }], albKeys: [{ file: '/run/secrets/alb-key' }] },
  include: ['applications.d/*.yaml'],
  defaults: { upstream: { responseSeconds: 60 } },
  applications: {
    wiki: {
      hosts: ['apps.example.com'],
      path: '/wiki',
      pool: 'staff',
      access: [
        { scopes: ['orders/read'], groups: ['ops', 'finance'] },
        {
          claims: { email: ['head@example.com'] },
          clients: ['7machine23456789'],
          pools: ['staff'],
          identityProviders: ['CorpSaml'],
          emailDomains: ['example.com'],
          clientAddresses: ['10.0.0.0/8'],
          signedInWithinSeconds: 3600,
        },
      ],
      upstream: {
        url: 'https://wiki.internal:8443',
        host: 'preserve',
        serverName: 'wiki.internal',
        caFile: 'wiki-ca.pem',
        certFile: 'gateway.crt',
        keyFile: 'gateway.key',
        connectSeconds: 5,
        responseSeconds: 60,
        idleSeconds: 300,
        totalSeconds: 600,
        connections: 256,
        queue: 1024,
        stick: 'session',
        resolve: 'all',
        health: { path: '/health', everySeconds: 10, timeoutSeconds: 2 },
        breaker: { failures: 10, openSeconds: 5 },
        connectionAuth: 'pin',
      },
      identity: {
        headers: ['remote', 'alb', 'basic', 'custom'],
        user: 'sub',
        groups: { only: ['ops', 'finance'], rename: { ops: 'operators' }, separator: ',', max: 50 },
        encoding: 'percent',
        authorization: 'basic',
        assertion: true,
        custom: { 'X-WEBAUTH-USER': 'user', 'X-Tenant': 'claim:custom:tenant' },
        basic: { password: { file: '/run/secrets/wiki-password' } },
        alb: { signer: 'arn:aws:elasticloadbalancing:eu-west-1:123456789012:loadbalancer/app/web/0123456789abcdef' },
      },
      authorization: 'auto',
      clientBasic: true,
      challenge: ['bearer', 'basic'],
      onUnauthenticated: 'auto',
      signInBy: 'page',
      allowedOrigins: ['https://intranet.example.com'],
      cors: { preflight: 'answer', credentials: true },
      showMissing: false,
      methodOverride: 'both',
      reportOnly: { until: '2026-01-31' },
      limits: { bodyBytes: 10000000, clientBody: { idleSeconds: 60, minBytesPerSecond: 500 } },
      webSocket: { allow: true, idleSeconds: 3600, maxPerSession: 50 },
      strip: '/wiki',
      replace: { '/old': '/new' },
      redirects: 'fix',
      requestHeaders: { set: { 'X-Env': 'live' }, setIfAbsent: { 'X-Lang': 'en' }, remove: ['X-Debug'] },
      responseHeaders: {
        set: { 'X-Frame-Options': 'DENY' },
        setIfAbsent: { 'Referrer-Policy': 'same-origin' },
        remove: ['Server'],
      },
      cookies: { domain: 'drop', secure: true },
      paths: 'strict',
      allowInPath: ['matrixParams'],
      publicFiles: ['/wiki/favicon.ico'],
      identityProvider: 'CorpSaml',
      branding: { name: 'Wiki', logo: '/wiki/favicon.ico', colour: '#1d5fd1' },
      bindCookies: ['JSESSIONID'],
      signOut: { paths: ['/wiki/logout'] },
      routes: {
        assets: { path: '/wiki/assets/*', access: 'public' },
        'orders-read': {
          path: '/wiki/api/orders/:id',
          methods: ['GET'],
          access: [{ groups: ['ops'] }],
          upstream: { responseSeconds: 10 },
        },
      },
    },
    shop: {
      path: '/shop',
      access: 'signedIn',
      upstream: {
        urls: ['https://shop-1.internal', 'https://shop-2.internal'],
        insecureSkipVerify: 'i-accept-the-risk',
      },
    },
  },
}

const WIDTH = 120

/** The example file's text, from what `describeSettings` says. Throws where a setting has no value here. */
export function exampleFile(descriptions) {
  const writer = createWriter(descriptions)
  const lines = writer.map(values, { at: '', depth: 0, off: false })
  const missing = descriptions.filter(({ path }) => !writer.written.has(path))
  if (missing.length > 0)
    throw new Error(`scripts/example.mjs has no value for ${missing.map(({ path }) => path).join(', ')}`)
  return `${[...head, ...lines]
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .replace(/:\n\n/g, ':\n')}\n`
}

const head = [
  '# yaml-language-server: $schema=./gateway.schema.json',
  '#',
  '# Every setting of Cognito Gateway, in order. What is commented out is not supported yet, and refused when it is given.',
  '# Files are relative to the folder of this file. A secret is { file: PATH } or { env: NAME }, never the secret itself.',
  '# Any single value can also come from the environment: COGNITO_GATEWAY__SESSION__IDLETIMEOUTSECONDS=3600. Made by: npm run generate',
]

function createWriter(descriptions) {
  const known = new Map(descriptions.map((description) => [description.path, description]))
  const written = new Set()

  function sentences(path, indent) {
    const description = known.get(path)
    if (description === undefined || written.has(path)) return []
    written.add(path)
    const byDefault = [undefined, '[]'].includes(description.default) ? '' : ` Default: ${description.default}.`
    return wrap(`${description.sentence}${byDefault}`, indent)
  }

  function setting(key, value, { at, depth, off }) {
    const path = at === '' ? key : `${at}.${key}`
    const described = known.get(path)
    // Where the schema lets the operator choose the names, they are all NAME there.
    const general = described === undefined && known.has(at) && isMap(value) ? `${at}.NAME` : path
    const unsupported = off || described?.supported === false
    const indent = '  '.repeat(depth) + (unsupported ? '#' : '')
    const inner = { at: general, depth: depth + 1, off: unsupported }
    const comment = sentences(path, '  '.repeat(depth))
    const gap = depth === 0 || comment.length > 0 ? [''] : []
    if (isMap(value) && hasSettings(general)) return [...gap, ...comment, `${indent}${key}:`, ...map(value, inner)]
    if (Array.isArray(value) && value.some(isMap) && hasSettings(`${general}[]`) && unsupported)
      return [
        ...gap,
        ...comment,
        ...partSentences(`${general}[].`, '  '.repeat(depth)),
        `${indent}${key}: ${flow(value)}`,
      ]
    if (Array.isArray(value) && value.some(isMap) && hasSettings(`${general}[]`))
      return [
        ...gap,
        ...comment,
        `${indent}${key}:`,
        ...value.flatMap((entry) => item(entry, { ...inner, at: `${general}[]` })),
      ]
    return [...gap, ...comment, `${indent}${key}: ${flow(value)}`]
  }

  /** A list that is commented out stands on one line, after what its parts are. */
  function partSentences(start, indent) {
    const parts = descriptions.filter(({ path }) => path.startsWith(start))
    return parts.flatMap(({ path, sentence }) => {
      written.add(path)
      return wrap(`${path.slice(start.length)}: ${sentence}`, indent)
    })
  }

  function map(value, place) {
    return Object.entries(value).flatMap(([key, member]) => setting(key, member, place))
  }

  function item(entry, place) {
    const lines = map(entry, { ...place, depth: place.depth + 1 }).filter((line) => line !== '')
    const at = lines.findIndex((line) => !line.trimStart().startsWith('#'))
    const dash = '  '.repeat(place.depth)
    const before = lines.slice(0, at).map((line) => `${dash}${line.trimStart()}`)
    return [...before, `${dash}- ${lines[at].trimStart()}`, ...lines.slice(at + 1)]
  }

  const hasSettings = (path) => descriptions.some(({ path: other }) => other.startsWith(`${path}.`)) || knownLevel(path)
  const knownLevel = (path) => path === 'defaults' || path.startsWith('defaults.') || path.includes('.routes.NAME')
  return { map, written }
}

const isMap = (value) => typeof value === 'object' && value !== null && !Array.isArray(value)

function wrap(text, indent) {
  const lines = []
  let line = `${indent}#`
  for (const word of text.split(' ')) {
    if (`${line} ${word}`.length > WIDTH) {
      lines.push(line)
      line = `${indent}#`
    }
    line += ` ${word}`
  }
  return [...lines, line]
}

function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`
  if (isMap(value))
    return `{ ${Object.entries(value)
      .map(([key, member]) => `${scalar(key)}: ${flow(member)}`)
      .join(', ')} }`
  return scalar(value)
}

const scalar = (value) =>
  typeof value === 'string' && !/^[A-Za-z/][\w./:*@-]*$|^\d[\w.]*[A-Za-z]\w*$/.test(value)
    ? JSON.stringify(value)
    : String(value)
