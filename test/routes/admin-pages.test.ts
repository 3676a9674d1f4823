import { readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { listApplications, type ListedApplication } from '../../src/domain/route-listing.ts'
import { routesPage } from '../../src/pages/routes-page.ts'
import { HOSTILE, LAST_DAY, startOperatorWorld } from '../helpers/operator-world.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { CLIENT_SECRET, CONTROL_TOKEN, startWorld } from '../helpers/world.ts'

const world = await startOperatorWorld(t)
const { adminUrl } = world

interface Listing {
  readonly hash: string
  readonly since: string
  readonly waiting: readonly string[]
  readonly applications: readonly ListedApplication[]
}
const listing = async (query = '', from = adminUrl): Promise<Listing> =>
  (await (await fetch(`${from}/routes.json${query}`)).json()) as Listing
const page = async (query = ''): Promise<string> => (await fetch(`${adminUrl}/routes${query}`)).text()
const routesOf = ({ applications }: Listing) => applications.flatMap(({ routes }) => routes)

t.test('the admin port begins with a page that leads to all that is on it', async (t) => {
  const index = await fetch(adminUrl)
  t.equal(index.status, 200)
  const paths = [...(await index.text()).matchAll(/href="([^"]+)"/g)].map(([, path = '']) => path)
  t.same(paths.toSorted(), ['/livez', '/metrics', '/readyz', '/routes', '/routes.json'])
  for (const path of paths) t.equal((await fetch(adminUrl + path)).status, 200, path)
  for (const path of ['/', '/routes', '/routes.json'])
    t.equal((await fetch(adminUrl + path, { method: 'POST' })).status, 404, `${path} is there to be read only`)
})

t.test('the route table shows each application with its routes in the order in which they win', async (t) => {
  const { applications } = await listing()
  const [wiki, orders] = applications
  t.match(wiki, {
    name: 'wiki',
    hosts: ['localhost'],
    path: '/',
    pools: ['local'],
    upstreams: [world.application.url],
    identity: ['forwarded', 'remote'],
  })
  t.same(
    wiki?.routes.map(({ name }) => name),
    ['admin', 'assets', 'publicFiles', 'lab', 'pages', 'page', 'pilot'].map((name) => `wiki/${name}`).concat('wiki'),
  )
  t.same(
    orders?.routes.map(({ name, methods, othersOnly }) => [name, methods, othersOnly]),
    [
      ['orders/read', ['GET', 'HEAD'], false],
      ['orders/write', null, true],
      ['orders/office', null, false],
      ['orders', null, false],
    ],
  )
  t.same(orders?.upstreams, ['https://orders.internal:8443'], 'an origin, without the path')
})

t.test('the route table says every rule in plain words', async (t) => {
  const rules = Object.fromEntries(routesOf(await listing()).map(({ name, rule }) => [name, rule]))
  t.match(rules, {
    wiki: ['every person who is signed in'],
    'wiki/assets': ['everybody'],
    'wiki/publicFiles': ['everybody'],
    'wiki/page': ['everybody; who is signed in is told to the application'],
    'wiki/pages': ['groups ops or finance'],
    'wiki/admin': [
      'groups ops or finance AND claim custom:tenant is acme',
      'scopes orders/read and orders/write AND client orders-batch',
    ],
    'orders/office': [
      'identity providers COGNITO or Okta AND a verified e-mail address in example.com AND from 10.0.0.0/8 or 127.0.0.0/8 AND password given in the last 600 seconds',
    ],
  })
})

t.test('the route table marks what is less strict than it would be by itself', async (t) => {
  const { applications } = await listing()
  const marks = (name: string) =>
    routesOf({ ...({} as Listing), applications })
      .find((route) => route.name === name)
      ?.loosened.map(({ setting, says }) => `${setting} ${says}`)
  t.same(marks('wiki/pilot'), [`reportOnly the rule refuses nobody through ${LAST_DAY}`])
  t.same(marks('wiki/admin'), [])
  const ofOrders = [
    'allowInPath matrixParams, encodedSlash',
    'allowedOrigins https://partner.example',
    'cors.preflight answer',
    'methodOverride both',
    'insecureSkipVerify the certificate of upstream is not checked',
  ]
  t.same(marks('orders/read'), ofOrders)
  t.same(
    applications[1]?.loosened.map(({ setting, says }) => `${setting} ${says}`),
    ofOrders,
    'what all routes have in common is told once',
  )
  t.match(await page(), /In all its routes: <strong>allowInPath/)
})

t.test('the route table is filtered by application, path, rule and method, without a script', async (t) => {
  const names = async (query: string) => routesOf(await listing(`?q=${query}`)).map(({ name }) => name)
  t.same(await names('FINANCE'), ['wiki/admin', 'wiki/pages'])
  t.equal((await names('orders')).length, 5, 'the application, and the rule that asks for its scopes')
  t.same(await names('/pages/:'), ['wiki/page'])
  t.same(await names('reportOnly'), ['wiki/pilot'])
  t.same(await names('nothing-like-this'), [])
  const filtered = await page('?q=finance')
  t.match(filtered, /value="finance"/)
  t.equal(filtered.match(/<tr>/g)?.length, 3, 'a head and two routes')
  t.notMatch(await page(), /<script|<style [^>]*>|style="|onclick/i)
})

t.test('whoever prefers JSON gets the route table as JSON at the address of the page', async (t) => {
  const json = await fetch(`${adminUrl}/routes`, { headers: { accept: 'application/json' } })
  t.match(json.headers.get('content-type'), 'application/json')
  t.same(await json.json(), await listing())
  const html = await fetch(`${adminUrl}/routes`, { headers: { accept: 'text/html,application/json;q=0.5' } })
  t.match(html.headers.get('content-type'), 'text/html')
})

t.test('no secret stands in the route table, and nothing in it is more than text', async (t) => {
  const told = `${await page()}${JSON.stringify(await listing())}${await world.metrics()}`
  for (const secret of [CLIENT_SECRET, CONTROL_TOKEN, 'do-not-show-this']) t.notOk(told.includes(secret), secret)
  const hostile = await page(`?q=${encodeURIComponent(HOSTILE)}`)
  t.notMatch(hostile, /<img|<script/, 'neither of the settings nor of the filter')
  t.match(hostile, /group &#34;&#62;&#60;img src=x/)
  for (const path of ['/', '/routes']) {
    const { headers } = await fetch(adminUrl + path)
    t.match(
      headers.get('content-security-policy'),
      /^default-src 'none'; style-src 'sha256-[\w+/]{43}='; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    )
    t.equal(headers.get('x-content-type-options'), 'nosniff')
    t.equal(headers.get('x-frame-options'), 'DENY')
    t.equal(headers.get('cache-control'), 'no-store')
  }
  const port = Number(new URL(adminUrl).port)
  for (const path of ['/', '/routes', '/routes.json'])
    t.equal(
      (await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n`)).status,
      421,
    )
})

t.test('the route table shows what is in force after a change of the file, and since when', async (t) => {
  const { adminUrl, gateway, settingsFile, clock, metrics } = await startWorld(t)
  const before = await listing('', adminUrl)
  t.match(before, { hash: /^[\da-f]{12}$/, since: new Date(clock.now()).toISOString(), waiting: [] })
  t.match(await metrics(), `cognito_gateway_config_info{hash="${before.hash}"} 1`)

  const settings = JSON.parse(readFileSync(settingsFile, 'utf8'))
  settings.applications.sample.routes.later = { path: '/later', access: 'public' }
  writeFileSync(settingsFile, JSON.stringify(settings))
  clock.advance(60)
  await gateway.reload()
  const waiting = await listing('', adminUrl)
  t.same(waiting, { ...before, waiting: ['applications.sample.routes.later'] }, 'a new route waits for the next start')
  t.match(
    await (await fetch(`${adminUrl}/routes`)).text(),
    /not in force before the next start: <code>applications\.sample/,
  )

  writeFileSync(settingsFile, JSON.stringify({ ...settings, log: { level: 'warn' } }))
  await gateway.reload()
  const after = await listing('', adminUrl)
  t.not(after.hash, before.hash)
  t.equal(after.since, new Date(clock.now()).toISOString(), 'what holds at once counts from then on')
  t.match(await metrics(), `config_info{hash="${after.hash}"} 1`)
  t.notMatch(await metrics(), before.hash)
})

t.test('a table of 10,000 routes comes in pages that a browser can show', async (t) => {
  const applications = listApplications(
    Array.from({ length: 50 }, (_, app) => ({
      name: `app${app}`,
      hosts: [`app${app}.example`],
      path: '/',
      routes: Array.from({ length: 200 }, (_, at) => ({
        name: `app${app}/r${at}`,
        application: `app${app}`,
        hosts: [`app${app}.example`],
        path: `/r${at}/:id/*`,
        methods: null,
        access: [{ groups: [`group-${at}`, 'ops'], claims: { 'custom:tenant': ['acme'] } }],
        pool: 'staff',
        upstream: { urls: ['http://app.internal'], insecureSkipVerify: false },
        identity: { headers: ['forwarded'], assertion: false },
        paths: 'strict' as const,
        allowInPath: [],
        allowedOrigins: [],
        cors: { preflight: 'refuse' as const },
        methodOverride: 'drop' as const,
        reportOnlyUntil: null,
      })),
    })),
    0,
  )
  const state = { hash: 'h', since: 0, waiting: [], version: 'v' }
  const show = (page: number): string => routesPage({ applications, filter: '', page, state })
  const pages = Array.from({ length: 25 }, (_, at) => show(at + 1))
  const names = pages.flatMap((one) => [...one.matchAll(/<small>(app\d+\/r\d+)</g)].map(([, name]) => name))
  t.equal(new Set(names).size, 10_000, 'every route stands on one of them')
  t.equal(names.length, 10_000)
  for (const one of pages) t.ok(one.length < 300_000, `${one.length} characters`)
  t.match(show(1), /10000 routes of 50 applications/)
  t.match(show(1), /Page 1 of 25 <a href="\/routes\?page=2">Next/)
  t.match(show(2), /<a href="\/routes\?page=1#app-app0">/, 'an application leads to the page where it begins')
  t.equal(show(99), show(25), 'there is no page after the last')
})
