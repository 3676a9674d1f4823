import t from 'tap'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

const DAY_MS = 86_400_000
const inDays = (days: number): string => new Date(Date.now() + days * DAY_MS).toISOString().slice(0, 10)

const reporting = async (t: Parameters<typeof startWorld>[0], days = 30): Promise<World> =>
  startWorld(t, {
    session: { maxAgeSeconds: 100 * 86_400, idleTimeoutSeconds: 100 * 86_400 },
    settings: {
      applications: {
        sample: {
          upstream: '%UPSTREAM%',
          access: 'signedIn',
          routes: {
            admin: {
              path: '/admin',
              access: [{ groups: ['admins'] }],
              reportOnly: { until: inDays(days) },
              methods: ['GET', 'POST'],
            },
            orders: { path: '/orders', access: [{ scopes: ['orders/write'] }], reportOnly: { until: inDays(days) } },
          },
        },
      },
    },
  })

const linesOf = ({ log }: World, path: string): readonly Record<string, unknown>[] =>
  log.map((line) => JSON.parse(line)).filter((line) => line.event === 'request' && line.path === path)

t.test('a route that only reports lets its person through, and writes down what it would have refused', async (t) => {
  const world = await reporting(t)
  const before = await world.metrics()
  t.match(
    before,
    /would_deny_total\{route="sample\/admin",reason="group_missing"\} 0/,
    'a rate shows the first one too',
  )
  t.match(before, /would_deny_total\{route="sample\/orders",reason="scope_missing"\} 0/)
  t.notMatch(before, /would_deny_total\{route="sample"/, 'of routes that only report')
  const browser = world.client()
  t.equal((await browser.signIn(`${world.url}/admin`, 'bob')).status, 200)
  t.equal(
    world.application.last().headers['x-forwarded-email'],
    'bob@example.com',
    'and tells the application who it is',
  )
  await until(() => linesOf(world, '/admin').some(({ status }) => status === 200))
  t.equal(linesOf(world, '/admin').at(-1)?.['wouldDeny'], 'group_missing')
  const metrics = await world.metrics()
  t.match(metrics, /would_deny_total\{route="sample\/admin",reason="group_missing"\} 1/)
  t.match(metrics, /decisions_total\{route="sample\/admin",result="permit",reason=""\} 1/)
  const alice = world.client()
  await alice.signIn(`${world.url}/admin`)
  await until(() => linesOf(world, '/admin').length >= 4)
  t.equal(linesOf(world, '/admin').at(-1)?.['wouldDeny'], undefined)
})

t.test('sign-in, token, method, host, guard and origin refuse on a route that only reports as anywhere', async (t) => {
  const world = await reporting(t)
  const browser = world.client()
  await browser.signIn(`${world.url}/`, 'bob')
  const ask = async (path: string, options: { method?: string; headers?: Record<string, string> } = {}) =>
    browser.ask(world.url + path, options)
  t.equal((await world.client().ask(`${world.url}/admin`)).status, 401, 'sign-in')
  const { access_token: own } = await world.pool.issueTokens({ clientId: 'orders-batch' })
  const headers = { authorization: `Bearer ${own.slice(0, -4)}AAAA` }
  t.equal((await ask('/orders', { headers })).status, 401, 'token')
  t.equal((await ask('/admin', { method: 'DELETE' })).status, 405, 'method')
  t.equal((await ask('/admin', { headers: { host: 'other.example' } })).status, 421, 'host')
  t.equal((await ask('/%61dmin%2f')).status, 400, 'guard')
  t.equal((await ask('/admin', { method: 'POST', headers: { origin: 'https://evil.example' } })).status, 403, 'origin')
  t.equal((await ask('/admin', { method: 'POST', headers: { origin: world.url } })).status, 200)
  t.equal(
    (await ask('/orders', { headers: { authorization: `Bearer ${own}` } })).status,
    200,
    'while the rule is lifted',
  )
})

t.test('after its last day it refuses again, without a restart', async (t) => {
  const world = await reporting(t, 1)
  const browser = world.client()
  await browser.signIn(`${world.url}/admin`, 'bob')
  const end = Date.parse(`${inDays(1)}T00:00:00Z`) + DAY_MS
  world.clock.advance(Math.floor((end - world.clock.now()) / 1000) - 1)
  t.equal((await browser.ask(`${world.url}/admin`)).status, 200)
  world.clock.advance(2)
  t.equal((await browser.ask(`${world.url}/admin`)).status, 403)
})
