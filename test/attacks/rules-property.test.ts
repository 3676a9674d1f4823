import fc from 'fast-check'
import t from 'tap'
import { Pool } from 'undici'
import { wordsOf } from '../../src/commands/explain/explanation-text.ts'
import { loadSettings } from '../../src/config/load.ts'
import { parseAddress } from '../../src/domain/client-address.ts'
import { createExplainer, type AskedRequest } from '../../src/explainer.ts'
import { until } from '../helpers/until.ts'
import { CLIENT_ID, startWorld } from '../helpers/world.ts'
import { sendersOf } from './rules-senders.ts'

/** How many requests are tried; `npm run nightly -- rules` tries more. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 5_000)
const ROUTES = 120
const AT_ONCE = 16
const HOUR = 3_600
const FRIEND = 'https://friend.example'
const EVIL = 'https://evil.example'

const some = (...values: readonly string[]) =>
  fc.uniqueArray(fc.constantFrom(...values), { minLength: 1, maxLength: 2 })
const entry = fc
  .record(
    {
      scopes: some('openid', 'orders/read', 'orders/write'),
      groups: some('admins', 'ops', 'nobody'),
      claims: fc.record({ 'custom:tenant': some('acme', 'umbrella') }),
      clients: some(CLIENT_ID, 'orders-batch', 'another'),
      pools: fc.constant(['local']),
      identityProviders: some('COGNITO', 'Okta', 'Google'),
      emailDomains: some('example.com', 'partner.example'),
      clientAddresses: some('10.0.0.0/8', '172.16.0.0/13', '2001:db8::/32', '127.0.0.0/8'),
      signedInWithinSeconds: fc.constantFrom(60, HOUR, 24 * HOUR),
    },
    { requiredKeys: [] },
  )
  .filter((one) => Object.keys(one).length > 0 && Object.keys(one).length < 4)
const access = fc.oneof(
  { weight: 1, arbitrary: fc.constantFrom('public', 'optional') },
  { weight: 2, arbitrary: fc.constant('signedIn') },
  { weight: 8, arbitrary: fc.array(entry, { minLength: 1, maxLength: 3 }) },
)
const soon = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10)
const routeSettings = fc
  .record({
    access,
    methods: fc.constantFrom(undefined, ['GET'], ['POST', 'DELETE']),
    reportOnly: fc.constantFrom(undefined, undefined, undefined, { until: soon }),
    authorization: fc.constantFrom(undefined, undefined, 'gateway', 'application', 'drop'),
    clientBasic: fc.boolean(),
    allowedOrigins: fc.constantFrom(undefined, [FRIEND]),
    cors: fc.constantFrom(undefined, 'answer', 'application'),
    methodOverride: fc.constantFrom(undefined, undefined, 'both'),
  })
  .map(({ cors, ...route }) => ({
    ...route,
    ...(cors === undefined ? {} : { cors: { preflight: cors } }),
    ...(cors === 'answer' ? { allowedOrigins: [FRIEND] } : {}),
    clientBasic: route.clientBasic && (route.authorization ?? 'gateway') === 'gateway',
  }))
const shapes = ['', '/*', '/:id/edit']

/** An address of each network of its own for every request: the log tells them apart by it. */
const ADDRESSES: readonly ((at: string) => string)[] = [
  (at) => `10.1.${at}`,
  (at) => `172.17.${at}`,
  (at) => `172.25.${at}`,
  (at) => `203.0.${at}`,
  (at) => `::ffff:10.9.${at}`,
  (at) => `2001:db8::${at.replace('.', ':')}`,
]
const headers = (own: string) =>
  fc.record(
    {
      origin: fc.constantFrom(own, own, FRIEND, EVIL, 'null'),
      'sec-fetch-site': fc.constantFrom('same-origin', 'same-origin', 'none', 'cross-site'),
      'sec-fetch-dest': fc.constantFrom('document', 'iframe', 'empty'),
      'sec-purpose': fc.constant('prefetch'),
      'access-control-request-method': fc.constantFrom('GET', 'POST', 'DELETE', 'get'),
      'x-http-method-override': fc.constantFrom('GET', 'delete', 'POST', 'GET, DELETE'),
      x_method_override: fc.constantFrom('DELETE', 'GET'),
      'x-gateway-hop': fc.constantFrom('1', '2', '3', '4', '5'),
    },
    { requiredKeys: [] },
  )

/** Names below the gateway's own prefix, and what there is not. */
const OWN = [
  'userinfo',
  'signed_out',
  'jwks.json',
  'keep.js',
  'nowhere',
  '',
  'USERINFO',
  'user%69nfo',
  'userinfo/',
  'userinfo;x',
]
/** Whether these go well depends on more than on who may ask: here they are asked in a way that they do not take. */
const OWN_STEPS = ['start', 'sign_out', 'resume', 'handover', 'callback', 'diagnose', 'keys/none']
/** Headers that come twice. */
const TWICE: Readonly<Record<string, readonly string[]>> = {
  origin: [FRIEND, FRIEND],
  'content-type': ['text/plain', 'text/html'],
  'sec-fetch-site': ['same-origin', 'cross-site'],
  'x-http-method-override': ['GET', 'DELETE'],
}

t.test('explain and the running gateway say the same of every rule, token and request', async (t) => {
  const seed = Number(process.env['PROPERTY_SEED'] ?? Date.now() % 1_000_000)
  t.comment(`PROPERTY_SEED=${seed}`)
  const settings = {
    trustedProxies: [{ cidr: '127.0.0.0/8', headers: ['for'] }],
    pools: { local: { bearerClients: [CLIENT_ID, 'orders-batch'] } },
    applications: {
      sample: {
        upstream: '%UPSTREAM%',
        allowInPath: ['matrixParams'],
        access: 'signedIn',
        publicFiles: ['/favicon.ico', '/r1/favicon.ico'],
        routes: Object.fromEntries(
          fc
            .sample(routeSettings, { numRuns: ROUTES, seed })
            .map((route, at) => [`r${at}`, { ...route, path: `/r${at}${shapes[at % shapes.length]}` }]),
        ),
      },
    },
  }
  const world = await startWorld(t, { settings })
  const loaded = loadSettings({ file: world.settingsFile, environment: {}, rulesOnly: true })
  const explainer = createExplainer(loaded.settings, world.clock.now)
  const senders = await sendersOf(world, explainer)
  const hosts = ['localhost', 'LOCALHOST.', 'localhost:80', 'elsewhere.example', 'a b']
  const request = fc.record({
    sender: fc.constantFrom(...senders),
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'DELETE', 'PROPFIND', 'OPTIONS'),
    route: fc.nat(ROUTES),
    rest: fc.constantFrom(
      '',
      '',
      '',
      '/',
      '/7/edit',
      '/7/EDIT',
      '/7',
      ';v=1',
      '/%37/edit',
      '/../x',
      '%2f',
      '?a=b',
      '/a%20b',
      '/favicon.ico',
    ),
    host: fc.oneof(
      { weight: 12, arbitrary: fc.constant('localhost') },
      { weight: 1, arbitrary: fc.constantFrom(...hosts) },
    ),
    addressOf: fc.constantFrom(...ADDRESSES),
    own: fc.option(fc.constantFrom(...OWN, ...OWN_STEPS), { freq: 8, nil: null }),
    once: headers(world.url),
    twice: fc.option(fc.constantFrom(...Object.keys(TWICE)), { freq: 12, nil: null }),
  })
  const requests = fc.sample(request, { numRuns: RUNS, seed })

  const pool = new Pool(`http://127.0.0.1:${world.port}`, { connections: AT_ONCE })
  t.teardown(async () => pool.destroy())
  const queue = requests.entries()
  const asked: { readonly client: string; readonly expected: string; readonly what: string }[] = []
  const worker = async (): Promise<void> => {
    for (const [at, { sender, route, rest, host, addressOf, own, once, twice, ...more }] of queue) {
      const path = own === null ? `/${at % 3 === 0 ? 'R' : 'r'}${route}${rest}` : `/oauth2/${own}`
      const method = own !== null && OWN_STEPS.includes(own) && more.method !== 'HEAD' ? 'DELETE' : more.method
      const address = addressOf(`${at >> 8}.${at & 255}`)
      const sent: AskedRequest['headers'] = { ...once, ...(twice === null ? {} : { [twice]: TWICE[twice] ?? [] }) }
      const headers = linesOf({ ...sender.headers, ...sent, host, 'x-forwarded-for': address })
      const answer = await pool.request({ path, method, headers })
      await answer.body.dump()
      const question = { method, url: `http://${host}${path}`, address, headers: sent }
      const expected = wordsOf(explainer.explain(question, sender.asker)).join(' ')
      const what = `${method} ${host} ${path} from ${address} as ${sender.name} ${JSON.stringify(sent)}: ${expected}`
      asked.push({ client: parseAddress(address) ?? '', expected, what })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))

  const lines = new Map<string, string>()
  let read = 0
  await until(() => {
    for (; read < world.log.length; read += 1) {
      const line = JSON.parse(world.log[read] ?? '{}')
      if (line.event === 'request') lines.set(line.client, wordsIn(line))
    }
    return asked.every(({ client }) => lines.has(client))
  })
  const differences = asked.filter(({ client, expected }) => lines.get(client) !== expected)
  t.same(
    differences.slice(0, 5).map(({ client, what }) => `${what}, but ${lines.get(client)}`),
    [],
  )
  const kinds = new Set(asked.map(({ expected }) => expected.replaceAll(/ ?sample\S*/g, '')))
  t.ok(kinds.size >= 15, `${kinds.size} different outcomes`)
})

/** Names and values in turn. */
function linesOf(headers: AskedRequest['headers']): string[] {
  return Object.entries(headers).flatMap(([name, values]) => [values].flat().flatMap((value) => [name, value]))
}

/** What the log tells of a request, as a case would expect it. */
function wordsIn(line: Readonly<Record<string, unknown>>): string {
  const { code, reason, route, wouldDeny } = line as Readonly<Record<string, string | undefined>>
  const found = route === 'none' ? null : route
  const words = [code === undefined ? 'allowed' : 'denied', code, code === undefined ? null : reason, found]
  return [...words, ...(wouldDeny === undefined ? [] : ['would_deny', wouldDeny])]
    .filter((word) => word !== null && word !== undefined)
    .join(' ')
}
