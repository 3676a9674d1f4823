import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

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

const refused: Readonly<Record<string, readonly string[]>> = {
  'P01 dot segments': ['/public/../admin/x', '/public/..', '/..', '/public/x/../../admin/x'],
  'P02 encoded dot segments': ['/public/%2e%2e/admin/x', '/public/%2E./admin', '/public/.%2e/admin'],
  'P04 double and triple encoding': [
    '/public/%252e%252e/admin',
    '/public/%25%32%65%25%32%65/admin',
    '/public/%252fadmin',
    '/%2561dmin',
  ],
  'P05 dot segments that only the forwarder would resolve': ['/./admin/x', '/admin/./x', '/x/./../', '/.'],
  'P06 the same encoded': ['/%2e/admin/x', '/%2E/admin/x'],
  'P08 backslashes': ['/public\\..\\admin', '/\\admin'],
  'P09 encoded backslashes': ['/%5cadmin', '/public/%5c..%5cadmin', '/public/%5C..%5Cadmin', '/%255cadmin'],
  'P10 empty segments': ['//admin/x', '///admin', '/public//../admin', '/public//x', '/admin//'],
  'P12 matrix parameters': ['/admin;x=1/y', '/admin;/x', '/public/..;/admin', '/;/admin', '/public/x;jsessionid=1'],
  'P13 encoded matrix parameters': ['/admin%3bx=1', '/admin%3Bx'],
  'P14 names that Windows shortens': ['/admin.', '/admin./x', '/admin..', '/admin%20', '/admin%20/', '/admin::$DATA'],
  'P16 null bytes': ['/admin%00', '/admin%00/x', '/public/%00'],
  'P17 encoded control bytes': ['/a%0d%0aX: y', '/a%0d%0ax', '/a%09b', '/a%0bb', '/a%7fb', '/a%c2%85b'],
  'P18 invalid UTF-8': ['/%c0%ae', '/%e0%80%ae', '/%ff', '/%ed%a0%80', '/b%FCcher'],
  'P20 raw bytes': ['/\xe4', '/a\x7fb'],
  'P21 fragments': [
    '/admin#/x',
    '/public#/../admin',
    '/public/x%23/../../admin',
    '/foo/secret#/bar',
    '/public/x%23y',
    '/public/x?y#z',
  ],
  'P24 encoded question marks': ['/public/x%3fy', '/public/x%3Fy'],
  'P25 absolute form': [`http://${host}/admin`, `http://${host}/public/x`, `http://${host}/oauth2/ping`],
  'P26 absolute form with another authority': [
    'http://evil.example/admin',
    'https://evil.example/',
    `HTTP://${host}/`,
    `http://user@${host}/`,
  ],
  'P28 no path at all': ['admin', '?x', '*'],
  'P44 aliases of the own endpoints': [
    '/%2e/oauth2/start',
    '/oauth2/start/../../admin',
    '/oauth2/callback;x',
    '/oauth2//start',
    '/oauth2/%73tart%2f',
  ],
}
for (const [title, targets] of Object.entries(refused)) {
  t.test(`${title} are refused before any rule is asked, and the application sees nothing`, async (t) => {
    for (const target of targets) {
      for (const as of ['', session]) {
        const { status, reached } = await send(target, { as })
        t.equal(status, 400, `${JSON.stringify(target)} ${as === '' ? 'anonymous' : 'as bob'}`)
        t.same(reached, [], 'not a byte reached the application')
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

t.test('P40 addresses that are merely unusual reach the application byte for byte', async (t) => {
  const targets = [
    '/[...slug]',
    '/a..b',
    '/..x',
    '/a:b',
    '/%E6%97%A5',
    '/a+b',
    '/a%20b',
    '/@scope/x',
    '/~u/',
    "/a'b(c)!*",
    '/A%20Mixed%2DCase',
    '/x?q=%2F..%2F&r={}|^`"<>\\',
  ]
  for (const target of targets) t.same((await send(target, { as: session })).reached, [target], target)
})

t.test('letter case and encoded letters do not change the verdict', async (t) => {
  for (const target of ['/ADMIN/x', '/Admin/x', '/%61dmin/x', '/%41DMIN/x', '/adm%69n', '/admın/x'.replace('ı', 'i')]) {
    const { status, reached } = await send(target, { as: session })
    t.equal(status, 403, target)
    t.same(reached, [])
  }
})

t.test('P22 the rule looks at the path only, never into the query', async (t) => {
  for (const target of ['/admin?/public', '/admin?x=/public/y', '/admin/?public'])
    t.equal((await send(target, { as: session })).status, 403, target)
})

t.test('P33 a prefix ends at a whole segment', async (t) => {
  for (const target of ['/adminx', '/admin-old', '/publicity']) {
    t.equal((await send(target)).status, 401, `${target} is neither public nor admin`)
    t.equal((await send(target, { as: session })).status, 200)
  }
})

t.test('P34 a final slash does not change the rule', async (t) => {
  for (const target of ['/admin', '/admin/']) t.equal((await send(target, { as: session })).status, 403, target)
  for (const target of ['/public', '/public/']) t.equal((await send(target)).status, 200, target)
})

t.test('P30 headers that name another path change no verdict and do not reach the application', async (t) => {
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

t.test('P32 no user agent gets special treatment', async (t) => {
  for (const agent of ['GoogleHC/1.0', 'kube-probe/1.29', 'ELB-HealthChecker/2.0']) {
    t.equal((await send('/admin/x', { more: `User-Agent: ${agent}\r\n` })).status, 401, agent)
  }
})

t.test('P29 only hosts that are named are served, in any letter case, with a final dot or a port', async (t) => {
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

t.test('P38 hostile sizes are refused at once', async (t) => {
  t.equal((await send(`/${'a'.repeat(9_000)}`)).status, 414)
  t.equal((await send(`/${'%25'.repeat(2_500)}`)).status, 400)
  t.equal((await send('/a'.repeat(4_000), { as: session })).status, 200, 'many segments are only many segments')
  t.equal((await send('/..'.repeat(2_000))).status, 400)
})

t.test('P42 an upgrade gets the verdict of any other request, and never hangs', async (t) => {
  const upgrade =
    'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  t.equal((await send('/ws/./secret', { more: upgrade })).status, 400)
  t.equal((await send('/ws', { more: upgrade })).status, 401)
  t.equal((await send('/admin/ws', { as: session, more: `${upgrade}Origin: ${url}\r\n` })).status, 403)
  const { answer, reached } = await send('/ws', { as: session, more: `${upgrade}Origin: ${url}\r\n` })
  t.equal(answer.status, 501)
  t.equal(answer.header('x-gateway-code'), 'GW_UPGRADE_UNSUPPORTED')
  t.same(reached, [])
})

t.test("the gateway's own addresses are matched exactly, and no spelling of them reaches an application", async (t) => {
  for (const target of [
    '/oauth2',
    '/OAuth2/start',
    '/oauth2/START',
    '/oauth2/unknown',
    '/oauth2/callback/',
    '/%6Fauth2/start',
    '/oauth2/ping/x',
  ]) {
    const { status, reached } = await send(target, { as: session })
    t.equal(status, 404, target)
    t.same(reached, [])
  }
  const wrong = await sendRaw(port, `POST /oauth2/start HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 0\r\n\r\n`)
  t.equal(wrong.status, 405)
  t.equal(wrong.header('allow'), 'GET')
})

t.test('F24 an upgrade to anything but WebSocket is an ordinary request', async (t) => {
  const { status, reached } = await send('/public/x', {
    more: 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n',
  })
  t.equal(status, 200)
  t.same(reached, ['/public/x'])
  t.equal(application.last().headers.upgrade, undefined)
})
