import fc from 'fast-check'
import t from 'tap'
import { Pool } from 'undici'
import { createExplainer, type Asker, type Explainer } from '../../src/commands/explain/explainer.ts'
import { wordsOf } from '../../src/commands/explain/explanation-text.ts'
import { loadSettings } from '../../src/config/load.ts'
import { until } from '../helpers/until.ts'
import { CLIENT_ID, startWorld, type World } from '../helpers/world.ts'

/** How many requests are tried; `npm run nightly -- rules` tries more. */
const RUNS = Number(process.env['PROPERTY_RUNS'] ?? 1_000)
const ROUTES = 120
const AT_ONCE = 16
const HOUR = 3_600

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
      clientAddresses: some('10.0.0.0/8', '192.0.2.0/25', '2001:db8::/32', '127.0.0.0/8'),
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
const routeSettings = fc.record({
  access,
  methods: fc.constantFrom(undefined, ['GET'], ['POST', 'DELETE']),
  reportOnly: fc.constantFrom(undefined, undefined, undefined, { until: soon }),
})
const shapes = ['', '/*', '/:id/edit']

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
        routes: Object.fromEntries(
          fc
            .sample(routeSettings, { numRuns: ROUTES, seed })
            .map((route, at) => [`r${at}`, { ...route, path: `/r${at}${shapes[at % shapes.length]}` }]),
        ),
      },
    },
  }
  const world = await startWorld(t, {
    settings,
    answer: (asked, response) => {
      response.setHeader('x-request-id', asked.headers['x-request-id'] ?? '')
      response.end()
    },
  })
  const loaded = loadSettings({ file: world.settingsFile, environment: {}, rulesOnly: true })
  const explainer = createExplainer(loaded.settings, world.clock.now)
  const senders = await sendersOf(world, explainer)
  const hosts = ['localhost', 'LOCALHOST.', 'localhost:80', 'elsewhere.example', 'a b']
  const request = fc.record({
    sender: fc.constantFrom(...senders),
    method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'DELETE', 'PROPFIND'),
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
    ),
    host: fc.oneof(
      { weight: 12, arbitrary: fc.constant('localhost') },
      { weight: 1, arbitrary: fc.constantFrom(...hosts) },
    ),
    address: fc.constantFrom('10.1.2.3', '192.0.2.7', '192.0.2.200', '2001:db8::9', '::ffff:10.9.9.9', '203.0.113.1'),
  })
  const requests = fc.sample(request, { numRuns: RUNS, seed })

  const pool = new Pool(`http://127.0.0.1:${world.port}`, { connections: AT_ONCE })
  t.teardown(async () => pool.destroy())
  const queue = requests.entries()
  const asked: { readonly id: string; readonly expected: string; readonly what: string }[] = []
  const worker = async (): Promise<void> => {
    for (const [at, { sender, method, route, rest, host, address }] of queue) {
      const path = `/${at % 3 === 0 ? 'R' : 'r'}${route}${rest}`
      const headers = { ...sender.headers, host, 'x-forwarded-for': address }
      const answer = await pool.request({ path, method, headers })
      await answer.body.dump()
      const words = wordsOf(explainer.explain({ method, url: `http://${host}${path}`, address }, sender.asker))
      const what = `${method} ${host} ${path} from ${address} as ${sender.name}: ${words.join(' ')}`
      asked.push({ id: String(answer.headers['x-request-id']), expected: words.join(' '), what })
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))

  const lines = new Map<string, string>()
  let read = 0
  await until(() => {
    for (; read < world.log.length; read += 1) {
      const line = JSON.parse(world.log[read] ?? '{}')
      if (line.event === 'request') lines.set(line.requestId, wordsIn(line))
    }
    return asked.every(({ id }) => lines.has(id))
  })
  const differences = asked.filter(({ id, expected }) => lines.get(id) !== expected)
  t.same(
    differences.slice(0, 5).map(({ id, what }) => `${what}, but ${lines.get(id)}`),
    [],
  )
  const kinds = new Set(asked.map(({ expected }) => expected.replaceAll(/ ?sample\S*/g, '')))
  t.ok(kinds.size >= 15, `${kinds.size} different outcomes`)
})

/** What the log tells of a request, as a case would expect it. */
function wordsIn(line: Readonly<Record<string, unknown>>): string {
  const { code, reason, route, wouldDeny } = line as Readonly<Record<string, string | undefined>>
  const found = route === 'none' ? null : route
  const words = [code === undefined ? 'allowed' : 'denied', code, code === undefined ? null : reason, found]
  return [...words, ...(wouldDeny === undefined ? [] : ['would_deny', wouldDeny])]
    .filter((word) => word !== null && word !== undefined)
    .join(' ')
}

interface Sender {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  readonly asker: Asker
}

interface PersonShape {
  readonly groups: readonly string[]
  readonly attributes: Readonly<Record<string, string>>
  readonly provider?: string
}

const PEOPLE: Readonly<Record<string, PersonShape>> = {
  alice: {
    groups: ['admins', 'ops'],
    attributes: { email: 'alice@example.com', email_verified: 'true', 'custom:tenant': 'acme' },
  },
  bob: { groups: [], attributes: { email: 'bob@example.com', email_verified: 'true' } },
  carol: { groups: ['ops'], attributes: { email: 'carol@partner.example', email_verified: 'false' }, provider: 'Okta' },
  dave: {
    groups: ['admins'],
    attributes: { email: 'dave@PARTNER.example', email_verified: 'true', 'custom:tenant': 'umbrella' },
    provider: 'Google',
  },
}

/** Nobody, people with sessions that are two hours, half an hour and no time old, and bearers of all kinds. */
async function sendersOf(world: World, explainer: Explainer): Promise<readonly Sender[]> {
  const { pool, clock, url } = world
  const { host } = new URL(url)
  for (const [name, { groups, attributes }] of Object.entries(PEOPLE))
    pool.setUser(name, { password: 'Passw0rd!', groups: [...groups], attributes })
  const expired = (await pool.issueTokens({ clientId: CLIENT_ID, username: 'alice' })).access_token
  const browsers = new Map<string, ReturnType<World['client']>>()
  const claims = new Map<string, { access: Record<string, unknown>; id: Record<string, unknown> }>()
  const visit = async (name: string): Promise<void> => {
    const known = { access: {}, id: {} }
    const { provider } = PEOPLE[name] ?? {}
    pool.tamper = (kind, plain) => {
      const told =
        kind === 'id' && provider !== undefined ? { ...plain, identities: [{ providerName: provider }] } : plain
      known[kind] = told
      claims.set(name, known)
      return { claims: told }
    }
    const browser = browsers.get(name) ?? world.client()
    if (browsers.has(name)) await browser.ask(`${url}/any`)
    else await browser.signIn(`${url}/any`, name)
    browsers.set(name, browser)
    pool.tamper = undefined
  }
  await visit('carol')
  clock.advance(1.5 * HOUR)
  await visit('dave')
  clock.advance(0.5 * HOUR)
  for (const name of ['alice', 'bob', 'carol', 'dave']) await visit(name)

  const sessions = Object.keys(PEOPLE).map((name): Sender => {
    const cookie = `__Host-gateway=${browsers.get(name)?.jarOf(host).get('__Host-gateway')}`
    return { name, headers: { cookie }, asker: explainer.byClaims(claims.get(name) ?? { access: {} }) }
  })
  const bearer = (name: string, token: unknown): Sender => ({
    name: `bearer ${name}`,
    headers: { authorization: `Bearer ${String(token)}` },
    asker: explainer.byToken(String(token)),
  })
  const now = Math.floor(clock.now() / 1000)
  const alice = { clientId: CLIENT_ID, username: 'alice' }
  const own = await pool.issueTokens(alice)
  const old = await pool.issueTokens({ ...alice, authTime: now - 2 * HOUR, scopes: ['openid', 'orders/write'] })
  const dave = await pool.issueTokens({ clientId: CLIENT_ID, username: 'dave', scopes: ['orders/read'] })
  const batch = await pool.issueTokens({ clientId: 'orders-batch' })
  pool.tamper = (_kind, plain) => ({ claims: { ...plain, client_id: 'stranger' } })
  const stranger = await pool.issueTokens({ clientId: 'orders-batch' })
  pool.tamper = undefined
  return [
    { name: 'nobody', headers: {}, asker: explainer.nobody },
    ...sessions,
    bearer('alice', own.access_token),
    bearer('alice of old', old.access_token),
    bearer('dave', dave.access_token),
    bearer('batch', batch.access_token),
    bearer('stranger', stranger.access_token),
    bearer('ID token', own.id_token),
    bearer('expired', expired),
  ]
}
