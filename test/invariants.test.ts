import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { loadSettings, SettingsError } from '../src/config/load.ts'
import { decide } from '../src/domain/access.ts'
import type { IdentityHeaders } from '../src/domain/identity-headers.ts'
import { withIdentity, type Forwarding } from '../src/domain/request-headers.ts'
import { foldPath } from '../src/domain/request-target.ts'
import { alice } from './helpers/people.ts'
import { root } from './helpers/process.ts'
import { sendRaw } from './helpers/raw-http.ts'
import { noRedis, startRedis } from './helpers/redis.ts'
import { until } from './helpers/until.ts'
import { startWorld } from './helpers/world.ts'

const sources = (folder: string): ReadonlyMap<string, string> =>
  new Map(
    readdirSync(join(root, 'src', folder), { recursive: true })
      .map(String)
      .filter((file) => file.endsWith('.ts'))
      .map((file) => [join(folder, file), readFileSync(join(root, 'src', folder, file), 'utf8')]),
  )

t.test('1. No route exists that does not state its access', async (t) => {
  const { settingsFile } = await startWorld(t)
  const settings = JSON.parse(readFileSync(settingsFile, 'utf8'))
  delete settings.applications.sample.access
  settings.applications.sample.routes.silent = { path: '/silent/*' }
  const file = join(dirname(settingsFile), 'silent.yaml')
  writeFileSync(file, JSON.stringify(settings))
  t.throws(() => loadSettings({ file, environment: {} }), { message: /silent.*access/s })
  const matchers = [...sources('.')].filter(
    ([name, text]) => text.includes('matchRoute(') && !name.endsWith('route-table.ts'),
  )
  t.same(
    matchers.map(([name]) => name),
    ['config/check-sign-out.ts', 'domain/locate-request.ts'],
    'and whoever asks for one, at start or for a request, asks the one matcher',
  )
})

t.test('2. Nothing is forwarded without a permit, and only decide makes permits', async (t) => {
  const mints = [...sources('.')].filter(([, text]) => /\bas Permit\b/.test(text)).map(([name]) => name)
  t.same(mints, ['domain/access.ts'])
  const { port, application } = await startWorld(t)
  for (const path of ['/', '/admin/x', '/api/orders/1', '/anything'])
    await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  t.same(application.seen, [])
})

const rule: IdentityHeaders = {
  headers: ['forwarded'],
  user: 'sub',
  groups: { only: undefined, rename: {}, separator: ',', max: undefined },
  encoding: 'percent',
  custom: {},
}
const forwarding: Forwarding = {
  host: 'h',
  clientAddress: '192.0.2.1',
  proto: 'https',
  publicHost: 'h',
  publicPort: '443',
  requestId: 'r',
  traceparent: 't',
  hop: 1,
  proofs: [],
  dropAuthorization: false,
  changes: null,
  withheldCookies: null,
  ownConnection: false,
  methodOverride: false,
}

t.test('3. No header of a reserved family that a client sent reaches an application, in any spelling', async (t) => {
  const decision = decide({ access: 'signedIn', pool: 'staff' }, alice(), { address: '', now: 0 })
  if (decision.kind !== 'permit') throw new Error('no permit')
  const separator = fc.constantFrom('-', '_', '.', '~', '!', '`', '*', '+', '|', '^', '#', '$', '%', '&', "'")
  const family = fc.constantFrom(
    'x forwarded user',
    'x forwarded email',
    'x gateway new',
    'remote user',
    'x amzn oidc data',
    'x original url',
    'x real ip',
    'ssl client verify',
  )
  const spelling = fc
    .tuple(family, fc.infiniteStream(separator), fc.infiniteStream(fc.boolean()))
    .map(([words, separators, upper]) =>
      Array.from(words)
        .map((letter) =>
          letter === ' ' ? separators.next().value : upper.next().value ? letter.toUpperCase() : letter,
        )
        .join(''),
    )
  fc.assert(
    fc.property(fc.array(spelling, { minLength: 1, maxLength: 5 }), (names) => {
      const sent = names.flatMap((name) => [name, 'forged'])
      return !withIdentity(sent, decision.permit, rule, forwarding).includes('forged')
    }),
    { numRuns: 2_000 },
  )
  t.pass('2,000 sets of headers')
})

t.test('4. Hooks throw or set; only the error handler and routes answer', async (t) => {
  for (const [name, text] of sources('plugins')) {
    if (name.endsWith('error-handler.ts')) continue
    t.notMatch(text, /reply\.(?:send|redirect|code|hijack)\(|\.writeHead\(/, name)
  }
})

t.test(
  "5. The path is parsed once, the rule is decided on that parse, and the client's own bytes are forwarded",
  async (t) => {
    const { url, port, application, client } = await startWorld(t)
    const browser = client()
    await browser.signIn(`${url}/`, 'bob')
    const cookie = `__Host-gateway=${browser.jarOf(new URL(url).host).get('__Host-gateway')}`
    const pieces = fc.constantFrom(
      '/',
      'admin',
      'ADMIN',
      '%61dmin',
      'public',
      '.',
      '%2e',
      '..',
      ';',
      '%2f',
      '%5c',
      '%20',
      'x',
      '%C3%84',
      '//',
      '%25',
      ':',
      '~',
    )
    const target = fc.array(pieces, { minLength: 1, maxLength: 6 }).map((parts) => `/${parts.join('')}`)
    await fc.assert(
      fc.asyncProperty(target, async (sent) => {
        const before = application.seen.length
        const answer = await sendRaw(port, `GET ${sent} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`)
        const [reached] = application.seen.slice(before)
        if (reached === undefined) return answer.status === 400 || answer.status === 403
        const path = foldPath(decodeURIComponent(sent))
        // Bob is in no group: whatever any reader could take for the admin pages must not have got through.
        return reached.url === sent && path !== '/admin' && !path.startsWith('/admin/')
      }),
      { numRuns: 400 },
    )
    t.ok(application.seen.length > 20, 'some of them got through')
  },
)

t.test('6. No token, cookie or secret stands in a log line, a metric or an answer', async (t) => {
  const world = await startWorld(t)
  const browser = world.client()
  const landed = await browser.signIn(`${world.url}/`)
  const cookie = browser.jarOf(new URL(world.url).host).get('__Host-gateway') ?? ''
  const userinfo = await browser.ask(`${world.url}/oauth2/userinfo`)
  for (const text of [world.log.join(''), await world.metrics(), landed.text, userinfo.text]) {
    t.notOk(text.includes(cookie))
    t.notMatch(text, /eyJ[\w-]{20}|web\+secret/)
  }
})

t.test('7. Everything that can be wrong with the settings is said at start, all at once', async (t) => {
  const { settingsFile } = await startWorld(t)
  const file = join(dirname(settingsFile), 'wrong.yaml')
  writeFileSync(
    file,
    'publicUrl: ftp://x\nlisten: { prot: 1 }\nsession: { keys: [] }\napplications: { a: { acess: public } }\n',
  )
  try {
    loadSettings({ file, environment: {} })
    t.fail('it was accepted')
  } catch (error) {
    t.ok(error instanceof SettingsError && error.faults.length >= 4)
    t.same(
      [...new Set(error instanceof SettingsError ? error.faults.map(({ line }) => line) : [])].toSorted().slice(0, 4),
      [1, 2, 3, 4],
    )
  }
})

t.test(
  '8. A fault of Cognito or of the session store never signs a person out',
  { skip: noRedis ?? false },
  async (t) => {
    const { url, pool, clock, client } = await startWorld(t)
    const browser = client()
    await browser.signIn(`${url}/`)
    const { host } = new URL(url)
    for (const fault of [{ status: 500 }, { status: 429 }, { reset: true }, { status: 200, rawBody: 'garbage' }]) {
      pool.faults.push({ on: 'token', times: 3, ...fault })
      clock.advance(310)
      const answer = await browser.ask(`${url}/page`)
      t.equal(answer.status, 200, JSON.stringify(fault))
      t.ok(browser.jarOf(host).has('__Host-gateway'))
      pool.faults.length = 0
    }

    const redis = await startRedis(t)
    const other = await startWorld(t, { redisUrl: redis.url, session: { store: 'redis' } })
    const person = other.client()
    await until(async () => (await person.signIn(`${other.url}/`)).status === 200)
    redis.freeze()
    for (const away of [6, 600]) {
      other.clock.advance(away)
      t.equal((await person.ask(`${other.url}/page`)).status, away < 300 ? 200 : 503)
      t.ok(person.jarOf(new URL(other.url).host).has('__Host-gateway'))
    }
    redis.thaw()
    await until(async () => (await person.ask(`${other.url}/page`)).status === 200)
  },
)
