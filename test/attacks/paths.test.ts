import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { OWN_NAMES, ownEndpoints } from '../../src/domain/own-endpoints.ts'
import { readingsOf } from '../../src/domain/path-readings.ts'
import { parseTarget } from '../../src/domain/request-target.ts'
import { createWorkspace, withRoutes } from '../config/workspace.ts'
import { root } from '../helpers/process.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'
import { corpusFor, type Verdict } from './corpus.ts'

const world = await startWorld(t)
const { url, port, application } = world
const browser = world.client()
await browser.signIn(`${url}/`, 'bob')
const session = `__Host-gateway=${browser.jarOf(new URL(url).host).get('__Host-gateway')}`
const host = new URL(url).host

/** Sends a target as raw bytes, anonymous or as bob (who is in no group), and says what came of it. */
async function send(target: string, { as = '', more = '' } = {}) {
  const before = application.seen.length
  const cookie = as === '' ? '' : `Cookie: ${as}\r\n`
  const answer = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\n${cookie}${more}\r\n`)
  return { status: answer.status, answer, reached: application.seen.slice(before).map((request) => request.url) }
}

const statuses: Readonly<Record<Verdict, { readonly anonymous: number; readonly bob: number }>> = {
  refused: { anonymous: 400, bob: 400 },
  tooLong: { anonymous: 414, bob: 414 },
  public: { anonymous: 200, bob: 200 },
  signedIn: { anonymous: 401, bob: 200 },
  admin: { anonymous: 401, bob: 403 },
  own: { anonymous: 404, bob: 404 },
}
const saysOf: Readonly<Record<Verdict, string>> = {
  refused: 'is refused before any rule is asked, and the application sees nothing',
  tooLong: 'is refused for its length alone',
  public: 'passes as sent, without a sign-in',
  signedIn: 'passes as sent after a sign-in',
  admin: 'is ruled as the path that it is',
  own: 'stays with the gateway, and reaches no application',
}
const corpus = corpusFor(host)

for (const { id, about, verdict, targets } of corpus) {
  t.test(`${id}: ${about}: ${saysOf[verdict]}`, async (t) => {
    for (const target of targets) {
      for (const as of ['', session]) {
        const expected = statuses[verdict][as === '' ? 'anonymous' : 'bob']
        const { status, reached } = await send(target, { as })
        const who = `${JSON.stringify(target).slice(0, 60)} ${as === '' ? 'anonymous' : 'as bob'}`
        t.equal(status, expected, who)
        t.same(reached, expected === 200 ? [target] : [], 'what reached the application')
      }
    }
  })
}

t.test('a refusal has one fixed body, the code and a reason in the log, and echoes nothing', async (t) => {
  const { answer } = await send('/public/%252e%252e/canary-in-the-path')
  t.equal(answer.header('x-gateway-code'), 'GW_REQUEST_REFUSED')
  t.equal(answer.header('cache-control'), 'no-store')
  t.notMatch(answer.text, 'canary-in-the-path')
  t.match(JSON.parse(answer.body), {
    code: 'GW_REQUEST_REFUSED',
    message: 'The request is ambiguous or malformed',
    requestId: String,
  })
  t.match(world.log.at(-1), '"reason":"encoded_percent"')
})

t.test('P30: headers that name another path change no verdict and do not reach the application', async (t) => {
  const names = [
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Original-Uri',
    'X-Forwarded-Uri',
    'X-Override-URL',
    'X-Envoy-Original-Path',
    'X-Forwarded-Path',
  ]
  for (const name of names) {
    t.equal((await send('/admin/x', { as: session, more: `${name}: /public/x\r\n` })).status, 403, name)
    await send('/public/x', { more: `${name}: /admin/x\r\n` })
    t.equal(application.last().headers[name.toLowerCase()], undefined, name)
  }
})

t.test('P32: no user agent gets special treatment', async (t) => {
  for (const agent of ['GoogleHC/1.0', 'kube-probe/1.29', 'ELB-HealthChecker/2.0']) {
    t.equal((await send('/admin/x', { more: `User-Agent: ${agent}\r\n` })).status, 401, agent)
  }
})

t.test('P29: only hosts that are named are served, in any letter case, with a final dot or a port', async (t) => {
  const as = async (value: string) => (await sendRaw(port, `GET /public/x HTTP/1.1\r\nHost: ${value}\r\n\r\n`)).status
  for (const value of ['localhost', 'LOCALHOST', 'localhost.', `localhost:${port}`, 'localhost:80', 'LocalHost.:443'])
    t.equal(await as(value), 200, value)
  for (const value of ['evil.example', 'localhost.evil.example', '127.0.0.1', 'localhos'])
    t.equal(await as(value), 421, value)
  for (const value of [
    'user@localhost',
    'localhost#x',
    'localhost, evil',
    'local host',
    '',
    'x'.repeat(300),
    '[::1%25eth0]',
    'localhost:99999999',
  ]) {
    t.equal(await as(value), 400, value.slice(0, 30))
  }
})

const upgrade =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

t.test(
  'P42: an upgrade gets the verdict of any other request, and reaches the application as it was sent',
  async (t) => {
    const more = `${upgrade}Origin: ${url}\r\n`
    for (const { id, verdict, targets } of corpus) {
      for (const target of targets) {
        for (const as of ['', session]) {
          const expected = statuses[verdict][as === '' ? 'anonymous' : 'bob']
          const { status, reached } = await send(target, { as, more })
          t.equal(status, expected, `${id} ${JSON.stringify(target).slice(0, 60)}`)
          t.same(reached, expected === 200 ? [target] : [])
        }
      }
    }
  },
)

t.test('P38: a hostile size costs no more than a few milliseconds', async (t) => {
  const hostile = corpus.filter(({ id }) => id === 'P38').flatMap(({ targets }) => targets)
  const all = [
    ...hostile,
    `/${'%252Fa%3Bx//a%20/%3Fq'.repeat(370)}`,
    `/${'.......x;'.repeat(890)}`,
    `/${'\xe9;'.repeat(4_000)}`,
  ]
  for (const target of all) {
    const spent = (): number => {
      const before = process.cpuUsage()
      if (!parseTarget(target).ok) readingsOf(target)
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1000
    }
    // The least of several: the first ones pay for the compiler.
    const milliseconds = Math.min(...Array.from({ length: 20 }, spent))
    t.ok(milliseconds < 5, `${target.slice(0, 20)}… took ${milliseconds} ms`)
  }
})

t.test('P36: an address and a path are always joined by a slash, so neither can change the other', async (t) => {
  const workspace = createWorkspace(t)
  t.match(workspace.faults(withRoutes({ joined: { path: '1/private' } })), [/joined\.path: must begin with a slash/])
  t.equal((await send('1/private')).status, 400, 'a target without a slash')
  const { port, application } = await startWorld(t, {
    settings: { applications: { sample: { upstream: '%UPSTREAM%/base', access: 'public' } } },
  })
  for (const target of ['/1/private', '/:1/private', '/@evil.example/', '/.evil.example/'])
    await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  t.same(
    application.seen.map((request) => request.url),
    ['/base/1/private', '/base/:1/private', '/base/@evil.example/', '/base/.evil.example/'],
  )
})

t.test('A21 P37: no part of a request ever chooses the application', async (t) => {
  const workspace = createWorkspace(t)
  for (const upstream of [
    'http://{tenant}.svc',
    'http://:tenant.svc',
    'http://$1.svc:8080',
    'http://*.svc',
    'http://%74enant.svc',
    'http://evil.example#.svc',
    'http://user@evil.example',
  ]) {
    t.match(
      workspace.faults(withRoutes({ tenants: { path: '/t/:tenant', upstream } })),
      [/tenants\.upstream.*: must/],
      upstream,
    )
  }
  for (const target of ['/t/@evil.example', '/t/:80', '/t/evil.example', '/t/a@b:1'])
    t.same((await send(target, { as: session })).reached, [target], 'a name in the path is only a name')
})

/** `app.get` of an address below the prefix. */
const REGISTERED = /app\.\w+(?:<[^(]*>)?\(\s*`\$\{ownPrefix\}\/([\w.]+)/g

t.test("the gateway's own addresses take their own methods only, and explain knows all of them", async (t) => {
  const at = ownEndpoints({ prefix: '/oauth2', ping: '/oauth2/ping', callbacks: ['/oauth2/callback'] })
  const elsewhere = new Set(['keys', 'auth'])
  for (const name of [...OWN_NAMES.filter((one) => !elsewhere.has(one)), 'ping', 'callback']) {
    const wrong = await sendRaw(port, `PROPFIND /oauth2/${name} HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
    t.equal(wrong.status, 405, name)
    t.equal(wrong.header('allow'), at(`/oauth2/${name}`, 'PROPFIND')?.methods.join(', '), name)
  }
  const registered = readdirSync(join(root, 'src/routes'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .flatMap((file) => [...readFileSync(join(root, 'src/routes', file), 'utf8').matchAll(REGISTERED)])
    .map(([, name = '']) => name)
  t.ok(registered.length > 5)
  t.same(
    registered.filter((name) => !OWN_NAMES.includes(name)),
    [],
  )
})

t.test('F24: an upgrade to anything but WebSocket is an ordinary request', async (t) => {
  const { status, reached } = await send('/public/x', {
    more: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
  })
  t.equal(status, 200)
  t.same(reached, ['/public/x'])
  t.equal(application.last().headers.upgrade, undefined)
})
