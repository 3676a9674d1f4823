import t from 'tap'
import type { AskingProxy } from '../../src/domain/proxy-question.ts'
import { startHosts } from '../helpers/hosts.ts'
import { ask, askedBy, cookieLine, machineToken, PROXIES } from '../helpers/questions.ts'
import { startWorld, type World } from '../helpers/world.ts'

const PAGE = ['Sec-Fetch-Dest: document', 'Accept: text/html']
const HEADERS = ['user', 'preferred-username', 'email', 'groups'].map((name) => `x-forwarded-${name}`)

/** One gateway for each proxy, for the whole file. */
const worlds = new Map<AskingProxy, World>()
const keep = t
/** What a WebSocket's handshake shows where the proxy keeps `Upgrade` to itself. */
const SOCKET = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='] as const
const worldOf = (proxy: AskingProxy): World => {
  const world = worlds.get(proxy)
  if (world === undefined) throw new Error(`no gateway for ${proxy}`)
  return world
}

for (const proxy of PROXIES) {
  t.test(`${proxy} asks in its own words, and hears what the gateway itself would have done`, async (t) => {
    const world = await startWorld(keep, { settings: askedBy(proxy) })
    worlds.set(proxy, world)
    const alice = await cookieLine(world, 'alice', 'theme=dark')
    const bob = await cookieLine(world, 'bob')
    const permitted = proxy === 'envoy' ? 200 : 202

    const yes = await ask(world, proxy, { target: '/page?x=%20y', headers: [alice] })
    t.equal(yes.status, permitted, yes.text)
    t.match(yes.header('x-forwarded-user'), /^[\w-]{20,}$/)
    t.equal(yes.header('x-forwarded-email'), 'alice@example.com')
    t.equal(yes.header('x-forwarded-groups'), 'admins,ops')
    t.equal(yes.header('cookie'), 'theme=dark', 'the application gets no cookie of ours')
    t.equal(yes.header('authorization'), '')
    t.equal(yes.header('set-cookie'), undefined)

    const stranger = await ask(world, proxy, { target: '/public/x', headers: ['X-Forwarded-User: mallory'] })
    t.equal(stranger.status, permitted)
    for (const name of HEADERS) t.equal(stranger.header(name), '', `${name} is told to be empty`)

    const basic = 'Authorization: Basic YXBwOnNlY3JldA=='
    t.equal(
      (await ask(world, proxy, { target: '/public/x', headers: [basic] })).header('authorization'),
      'Basic YXBwOnNlY3JldA==',
      "the application's own",
    )

    const denied = await ask(world, proxy, { target: '/admin/x', headers: [bob] })
    t.equal(denied.status, 403)
    t.equal(denied.header('x-gateway-code'), 'GW_FORBIDDEN')

    const unknown = await ask(world, proxy, { target: '/api/orders/1', method: 'DELETE', headers: [alice] })
    t.equal(unknown.status, 403, 'another route for another method')

    const own = await ask(world, proxy, { target: '/oauth2/userinfo', headers: [alice] })
    t.equal(own.status, proxy === 'nginx' ? 403 : 404, "the gateway's own pages are at its public listener")
    t.equal(own.header('x-gateway-code'), 'GW_ROUTE_UNKNOWN')
  })

  t.test(`${proxy} is told where a page signs in, and programs get 401`, async (t) => {
    const world = worldOf(proxy)
    const signIn = `${world.url}/oauth2/start?rd=%2Fpage%3Fa%3D1%26b%3D2`

    const page = await ask(world, proxy, { target: '/page?a=1&b=2', headers: PAGE })
    t.equal(page.status, 401)
    t.equal(page.header('x-gateway-sign-in'), signIn)

    const redirected = await ask(world, proxy, { target: '/page?a=1&b=2', headers: PAGE, redirect: true })
    if (proxy === 'nginx') {
      t.equal(redirected.status, 404, 'nginx could pass no redirect on')
    } else {
      t.equal(redirected.status, 302)
      t.equal(redirected.header('location'), signIn, 'absolute: some proxies would complete it with our address')
    }

    const program = await ask(world, proxy, { target: '/api/orders/1', headers: ['Accept: */*'] })
    t.equal(program.status, 401)
    t.equal(program.header('x-gateway-sign-in'), undefined)
    t.match(program.header('www-authenticate'), 'Bearer')

    const posted = await ask(world, proxy, {
      target: '/form',
      method: 'POST',
      headers: [...PAGE, 'Content-Type: application/x-www-form-urlencoded'],
    })
    t.equal(posted.status, 401)
    t.notMatch(posted.body, 'sessionStorage', 'a form that never came here is not kept')
  })
}

t.test('every header that any route tells is told on every route, so that the proxy writes over it', async (t) => {
  const applications = {
    sample: {
      upstream: 'http://127.0.0.1:9',
      access: 'signedIn',
      identity: { headers: ['remote'] },
      requestHeaders: { set: { 'X-Env': 'live' } },
      routes: {
        public: { path: '/public/*', access: 'public' },
        other: {
          path: '/other/*',
          identity: { headers: ['custom'], custom: { 'X-Tenant': 'claim:custom:tenant' } },
          requestHeaders: { set: { 'X-Env': 'other' } },
        },
      },
    },
  }
  const world = await startWorld(t, { settings: { ...askedBy('traefik'), applications } })
  const headers = [await cookieLine(world), 'Remote-User: mallory', 'X-Tenant: evil', 'X-Env: forged']
  const told = async (target: string) => {
    const answer = await ask(world, 'traefik', { target, headers })
    return ['remote-user', 'remote-email', 'x-tenant', 'x-env'].map((name) => answer.header(name))
  }
  t.same(await told('/page'), ['alice', 'alice@example.com', '', 'live'])
  t.same(await told('/other/x'), ['', '', 'acme', 'other'])
  t.same(await told('/public/x'), ['', '', '', 'live'])
})

t.test('a bearer token decides alone, and goes no further', async (t) => {
  const world = worldOf('traefik')
  const token = await machineToken(world)
  const cookie = await cookieLine(world)
  const read = { target: '/api/orders/1', headers: [`Authorization: Bearer ${token}`, cookie] }
  const yes = await ask(world, 'traefik', read)
  t.equal(yes.status, 202)
  t.equal(yes.header('authorization'), '')
  t.equal(yes.header('x-forwarded-user'), 'orders-batch')
  t.equal((await ask(world, 'traefik', { ...read, method: 'POST' })).status, 403, 'the scope is for reading')
  const broken = await ask(world, 'traefik', { ...read, headers: [`Authorization: Bearer ${token}x`, cookie] })
  t.equal(broken.status, 401, 'the session does not step in')
  t.match(broken.header('www-authenticate'), 'Bearer')
})

t.test('a renewed session comes back in the way that each proxy can carry it', async (t) => {
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    const cookie = await cookieLine(world)
    world.clock.advance(310)
    const renewed = await ask(world, proxy, { target: '/page', headers: [cookie] })
    t.ok(renewed.status < 300, proxy)
    const numbered = proxy === 'nginx' || proxy === 'caddy'
    t.match(renewed.header(numbered ? 'x-gateway-set-cookie-1' : 'set-cookie'), /^__Host-gateway=[^;]+; .*HttpOnly/i)
    t.equal(renewed.header(numbered ? 'set-cookie' : 'x-gateway-set-cookie-1'), undefined)

    const bad = await ask(world, proxy, { target: '/page', headers: ['Cookie: __Host-gateway=nonsense'] })
    t.equal(bad.status, 401)
    t.match(bad.header(proxy === 'nginx' ? 'x-gateway-set-cookie-1' : 'set-cookie'), /^__Host-gateway=; /)
  }
})

t.test('a session that only tells its last use is not written with what everybody may keep', async (t) => {
  const world = await startWorld(t, { settings: askedBy('nginx'), session: { recheckSeconds: 3_000 } })
  const cookie = await cookieLine(world)
  world.clock.advance(301)
  const written = async (destination: string) => {
    const answer = await ask(world, 'nginx', { target: '/x', headers: [cookie, `Sec-Fetch-Dest: ${destination}`] })
    t.equal(answer.status, 202)
    return answer.header('x-gateway-set-cookie-1') !== undefined
  }
  t.same(await Promise.all(['image', 'script', 'document', 'empty'].map(written)), [false, false, true, true])
})

t.test('F24 a question about anything but HTTP and a sound WebSocket is answered with no', async (t) => {
  for (const proxy of PROXIES) {
    const world = worldOf(proxy)
    const status = async (...headers: string[]) =>
      (await ask(world, proxy, { target: '/public/x', headers: [...headers] })).status
    for (const header of ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABk', 'Upgrade: websocket, h2c', 'Upgrade: tunnel'])
      t.ok((await status(header, ...SOCKET)) >= 400, `${proxy}: ${header}`)
    const refused = proxy === 'nginx' ? 403 : 400
    t.equal(await status('Upgrade: websocket'), refused, `${proxy}: without a key`)
    t.equal(await status(SOCKET[1]), refused, `${proxy}: without a version`)
    t.equal(await status('Upgrade: WebSocket', ...SOCKET), proxy === 'envoy' ? 200 : 202, proxy)
  }
})

t.test(
  'a method that a header names must be permitted too: no proxy keeps that header from the application',
  async (t) => {
    for (const proxy of PROXIES) {
      const world = worldOf(proxy)
      const status = async (method: string, headers: readonly string[]) =>
        (await ask(world, proxy, { method, target: '/api/orders/1', headers })).status
      const machine = `Authorization: Bearer ${await machineToken(world)}`
      const permit = proxy === 'envoy' ? 200 : 202
      t.equal(await status('GET', [machine]), permit, proxy)
      t.equal(await status('POST', [machine]), 403, proxy)
      for (const name of ['X-HTTP-Method-Override', 'X-Method-Override', 'X-HTTP-Method', 'X_HTTP_Method_Override'])
        t.equal(await status('GET', [machine, `${name}: POST`]), 403, `${proxy}: ${name}`)
      const preflight = ['Origin: https://evil.example', 'Access-Control-Request-Method: GET']
      t.ok((await status('OPTIONS', [...preflight, 'X-HTTP-Method-Override: POST'])) >= 400, `${proxy}: a preflight`)
    }
  },
)

t.test('what another site sends with a person’s cookie is refused, a WebSocket too', async (t) => {
  const world = worldOf('caddy')
  const cookie = await cookieLine(world)
  const evil = 'Origin: https://evil.example'
  const own = `Origin: ${world.url}`
  const status = async (method: string, ...headers: string[]) =>
    (await ask(world, 'caddy', { method, target: '/x', headers: [cookie, ...headers] })).status
  t.equal(await status('POST', evil), 403)
  t.equal(await status('POST', 'Sec-Fetch-Site: cross-site'), 403)
  t.equal(await status('POST', own), 202)
  t.equal(await status('GET', evil), 202)
  t.equal(await status('GET', evil, ...SOCKET), 403, 'no proxy passes Upgrade on, but browsers send this')
  t.equal(await status('GET', ...SOCKET), 403)
  t.equal(await status('GET', own, ...SOCKET), 202)
})

t.test(
  'A04 what the gateway would not pass on it does not permit: its own preflights, and WebSockets that are off',
  async (t) => {
    const allowedOrigins = ['https://intranet.example']
    const rest = { upstream: 'http://127.0.0.1:9', access: 'signedIn', webSocket: { allow: false }, allowedOrigins }
    const routes = { own: { path: '/own/*', cors: { preflight: 'application' } } }
    const applications = { sample: { ...rest, cors: { preflight: 'answer' }, routes } }
    const world = await startWorld(t, { settings: { ...askedBy('nginx'), applications } })
    const preflight = ['Origin: https://intranet.example', 'Access-Control-Request-Method: PUT']
    const asked = { method: 'OPTIONS', headers: preflight }
    t.equal((await ask(world, 'nginx', { target: '/x', ...asked })).status, 403)
    const passed = await ask(world, 'nginx', { target: '/own/x', ...asked })
    t.equal(passed.status, 202, 'the application judges them')
    t.equal(passed.header('x-forwarded-user'), '')
    t.equal((await ask(world, 'nginx', { target: '/own/x', headers: preflight })).status, 401)
    const socket = { target: '/ws', headers: [await cookieLine(world), ...SOCKET, `Origin: ${world.url}`] }
    const off = await ask(world, 'nginx', socket)
    t.equal(off.status, 403)
    t.equal(off.header('x-gateway-code'), 'GW_UPGRADE_UNSUPPORTED')
  },
)

t.test('a question is written down and counted as the request that it is about', async (t) => {
  const world = worldOf('haproxy')
  await ask(world, 'haproxy', { target: '/public/counted?secret=1', method: 'HEAD' })
  const lines = world.log.map((text) => JSON.parse(text) as Record<string, unknown>)
  const line = lines.find(({ event, path }) => event === 'request' && path === '/public/counted')
  t.match(line, { method: 'HEAD', status: 202, route: 'sample/public', client: '192.0.2.7', forwardAuth: true })
  const metrics = await world.metrics()
  t.match(metrics, 'requests_total{route="sample/public",method="HEAD",status="202"} 1')
  t.match(metrics, /cognito_gateway_requests_in_flight 0/)
  await world.client().ask(`${world.url}/public/y`)
  t.notMatch(world.log.at(-1), 'forwardAuth', 'a request of our own is not')
})

t.test('A10 while the user pool is away, nobody is let in by that', async (t) => {
  const world = worldOf('nginx')
  const cookie = await cookieLine(world)
  world.pool.faults.push({ on: 'token', times: 100, status: 500 })
  world.clock.advance(3_600 + 310)
  const answer = await ask(world, 'nginx', { target: '/page', headers: [cookie] })
  t.equal(answer.status, 503)
  t.equal(answer.header('x-gateway-code'), 'GW_POOL_UNAVAILABLE')
})

t.test(
  'an application on another host signs in at its own address, and is asked about by the session it has there',
  async (t) => {
    const world = await startHosts(t, 2, { settings: askedBy('traefik') })
    const host = `app1.localhost:${world.port}`
    const page = { target: '/page', host, headers: PAGE, redirect: true }
    const stranger = await ask(world, 'traefik', page)
    t.equal(stranger.status, 302)
    t.equal(stranger.header('location'), world.at(1, '/oauth2/start?rd=%2Fpage'))

    const browser = world.client()
    await browser.signIn(world.at(1), 'bob')
    await browser.visit(world.at(2, '/page'))
    const cookieAt = (number: number): string =>
      [...browser.jarOf(new URL(world.at(number)).host)].map(([name, value]) => `${name}=${value}`).join('; ')
    const asked = async (number: number, cookie: string) =>
      (
        await ask(world, 'traefik', {
          ...page,
          host: `app${number}.localhost:${world.port}`,
          headers: [...PAGE, `Cookie: ${cookie}`],
        })
      ).status
    t.equal(await asked(1, cookieAt(1)), 202)
    t.equal(await asked(2, cookieAt(2)), 403, 'the second is for admins')
    t.equal(await asked(1, cookieAt(2)), 302, 'a cookie of another host is none')
  },
)
