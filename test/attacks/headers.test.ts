import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const world = await startWorld(t)
const { url, port, application } = world
const host = new URL(url).host
const browser = world.client()
await browser.signIn(`${url}/`)
const session = browser.jarOf(new URL(url).host).get('__Host-gateway') ?? ''

const get = async (headers: string, target = '/page') =>
  sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nCookie: __Host-gateway=${session}\r\n${headers}\r\n`)
const values = (name: string): string[] => {
  const { rawHeaders } = application.last()
  return rawHeaders.flatMap((value, at) => (at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name ? [value] : []))
}
const names = (): string[] =>
  application
    .last()
    .rawHeaders.filter((_, at) => at % 2 === 0)
    .map((name) => name.toLowerCase())

t.test('H01 H02 H03 H05 H15 no spelling of an identity header gets past the gateway', async (t) => {
  for (const name of [
    'X-Forwarded-Email',
    'x-forwarded-email',
    'X_Forwarded_Email',
    'x_forwarded-email',
    'x.forwarded.email',
    'x~forwarded~email',
    'x!forwarded!email',
    'x`forwarded`email',
  ]) {
    await get(`${name}: mallory@x\r\n${name}: root@x\r\n`)
    t.same(values('x-forwarded-email'), ['alice@example.com'], name)
    t.notMatch(application.last().rawHeaders.join('\n'), /mallory|root@x/, name)
  }
})

t.test('H07 on a public route a forged identity does not reach the application either', async (t) => {
  await get('X-Forwarded-User: mallory\r\nX_Forwarded_Email: m@x\r\nRemote-User: m\r\n', '/public/x')
  t.notMatch(names().join(' '), /x.forwarded.(?:user|email|groups)|remote-user/)
})

t.test('H10 H11 naming identity headers in Connection does not take them away', async (t) => {
  await get(
    'Connection: close, X-Forwarded-User\r\nconnection:\t,, x-forwarded-EMAIL ,\r\nX-Foo: 1\r\nConnection: X-Foo\r\n',
  )
  t.equal(values('x-forwarded-user').length, 1)
  t.same(values('x-forwarded-email'), ['alice@example.com'])
  t.same(values('x-foo'), [], 'H13 what it names is dropped')
})

t.test('H14 headers for one hop are dropped and never an error', async (t) => {
  const lines = [
    'Keep-Alive: 5',
    'Proxy-Connection: keep-alive',
    'TE: gzip',
    'Trailer: X-T',
    'Proxy-Authorization: Basic x',
    'Proxy-Authenticate: x',
    'Upgrade: h2c',
    'Expect: 100-continue',
  ]
  for (const line of lines) {
    const answer = await get(`${line}\r\n`)
    t.match(answer.text, /HTTP\/1\.1 200/, line)
    t.notOk(names().includes((line.split(':')[0] ?? '').toLowerCase()), line)
  }
})

t.test('H17 H18 H19 folded lines, bare line ends and odd names are refused', async (t) => {
  const before = application.seen.length
  for (const bytes of [
    'X-A: b\r\n X-Forwarded-User: mallory\r\n',
    'X-A: b\nX-Forwarded-User: mallory\r\n',
    'X-A: b\rX-Forwarded-User: m\r\n',
    'X-A: b\0c\r\n',
    ':path: /admin\r\n',
    ': x\r\n',
    'X A: 1\r\n',
    'X\xe4: 1\r\n',
  ]) {
    const answer = await get(bytes)
    t.equal(answer.status, 400, JSON.stringify(bytes))
    t.ok(answer.closed || answer.header('connection') === 'close')
  }
  t.equal(application.seen.length, before)
})

t.test('H21 too many headers are refused, never read in part', async (t) => {
  const before = application.seen.length
  const many = Array.from({ length: 3_000 }, (_, at) => `a${at}: 1\r\n`).join('')
  const answer = await sendRaw(
    port,
    `GET /page HTTP/1.1\r\nHost: ${host}\r\n${many}Cookie: __Host-gateway=${session}\r\nAuthorization: x\r\n\r\n`,
  )
  t.equal(answer.status, 431)
  t.equal(answer.header('x-gateway-code'), 'GW_HEADERS_TOO_LARGE')
  t.equal(application.seen.length, before)
})

t.test('F17 headers beyond the size limit get 431, and twice our largest cookies fit', async (t) => {
  t.equal((await get(`X-Large: ${'x'.repeat(70_000)}\r\n`)).status, 431)
  t.equal((await get(`X-Large: ${'x'.repeat(16_000)}\r\n`)).status, 200)
})

t.test('H22 doubled Host, Authorization, Content-Type and Origin are refused, cookies are joined', async (t) => {
  for (const lines of [
    `Host: ${host}\r\n`,
    'Host: evil.example\r\n',
    'Authorization: a\r\nAuthorization: b\r\n',
    'Content-Type: a/b\r\nContent-Type: c/d\r\n',
    `Origin: ${url}\r\nOrigin: https://evil.example\r\n`,
  ]) {
    t.equal((await get(lines)).status, 400, lines)
  }
  await get('Cookie: app=1\r\nCookie: other=2\r\n')
  t.same(values('cookie'), ['app=1; other=2'])
})

t.test('H25 H26 what a client says about its address and the public address is dropped', async (t) => {
  const lines = [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X_Forwarded_Proto',
    'Forwarded',
    'X-Real-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Client-IP',
    'X-Cluster-Client-IP',
    'Via',
    'X-Request-Id',
    'traceparent',
    'baggage',
  ]
  await get(lines.map((name) => `${name}: 6.6.6.6\r\n`).join(''))
  t.notMatch(application.last().rawHeaders.join('\n'), '6.6.6.6')
  t.same(values('x-forwarded-for'), ['127.0.0.1'])
  t.same(values('x-forwarded-proto'), ['http'])
  t.same(values('x-forwarded-host'), [host])
  t.same(values('x-forwarded-port'), [String(port)])
  t.match(values('traceparent')[0], /^00-[\da-f]{32}-[\da-f]{16}-00$/)
})

t.test('H27 identity headers of other products are dropped', async (t) => {
  const lines = [
    'X-Auth-Request-User',
    'X-Authenticated-User',
    'Remote-User',
    'X-Remote-User',
    'X-Amzn-Oidc-Identity',
    'Cf-Access-Authenticated-User-Email',
    'X-Goog-Iap-Jwt-Assertion',
    'X-Authentik-Username',
    'X-Pomerium-Jwt-Assertion',
    'X-Ms-Client-Principal',
    'SSL-Client-Cert',
    'X-SSL-Client-DN',
    'X-Client-Cert',
  ]
  await get(lines.map((name) => `${name}: mallory\r\n`).join(''))
  t.notMatch(application.last().rawHeaders.join('\n'), 'mallory')
})

t.test('H31 an Authorization of the application passes through and proves nothing here', async (t) => {
  await get('Authorization: Bearer some-token-of-the-application\r\n')
  t.same(values('authorization'), ['Bearer some-token-of-the-application'])
  t.same(values('x-forwarded-email'), ['alice@example.com'])
  const anonymous = await sendRaw(
    port,
    `GET /page HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer some-token\r\n\r\n`,
  )
  t.equal(anonymous.status, 401)
})

t.test('H33 odd Cookie headers do no harm, and only our cookies are taken out', async (t) => {
  for (const line of [
    '',
    ';;;',
    '=',
    '"',
    'a',
    '__Host-gateway2=keep',
    'x__Host-gateway=keep',
    Array.from({ length: 1000 }, (_, at) => `c${at}=1`).join('; '),
  ]) {
    const answer = await sendRaw(port, `GET /public/x HTTP/1.1\r\nHost: ${host}\r\nCookie: ${line}\r\n\r\n`)
    t.equal(answer.status, 200, line.slice(0, 30))
  }
  await sendRaw(
    port,
    `GET /public/x HTTP/1.1\r\nHost: ${host}\r\nCookie: __Host-gateway2=keep; __Host-gateway=secret; x__Host-gateway=keep\r\n\r\n`,
  )
  t.same(values('cookie'), ['__Host-gateway2=keep; x__Host-gateway=keep'])
})

t.test('H30 an application can neither set our cookies nor speak in our name', async (t) => {
  const evil = await startWorld(t, {
    answer: (_request, response) => {
      response.writeHead(
        200,
        [
          'Set-Cookie',
          '__Host-gateway=stolen; Path=/; Secure',
          'Set-Cookie',
          '__host-gateway.1=x; Path=/; Secure',
          'Set-Cookie',
          'own=1',
          'Set-Cookie',
          'two=2',
          'X-Gateway-Code',
          'GW_FORGED',
          'Connection',
          'X-Hop',
          'X-Hop',
          '1',
          'Keep-Alive',
          'timeout=99',
          'Trailer',
          'X-T',
          'Proxy-Authenticate',
          'x',
        ].flat(),
      )
      response.end('ok')
    },
  })
  const answer = await evil.client().ask(`${evil.url}/public/x`)
  t.same(answer.headers['set-cookie'], ['own=1', 'two=2'])
  for (const name of ['x-gateway-code', 'x-hop', 'trailer', 'proxy-authenticate'])
    t.equal(answer.header(name), undefined, name)
  t.not(answer.header('keep-alive'), 'timeout=99')
})

t.test('F01 F02 F04 F05 F06 F20 framing that two readers could understand differently is refused', async (t) => {
  const before = application.seen.length
  const post = async (headers: string, body = '', version = '1.1') =>
    sendRaw(port, `POST /public/x HTTP/${version}\r\n${headers}\r\n${body}`)
  const withHost = `Host: ${host}\r\n`
  const cases: readonly (readonly [string, string, string?, string?])[] = [
    ['F01 both lengths', `${withHost}Content-Length: 6\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'],
    ['F02 two lengths', `${withHost}Content-Length: 3\r\nContent-Length: 3\r\n`, 'abc'],
    ['F02 two different lengths', `${withHost}Content-Length: 3\r\nContent-Length: 5\r\n`, 'abc'],
    ['F02 a list of lengths', `${withHost}Content-Length: 3, 3\r\n`, 'abc'],
    ['F04 an unknown coding', `${withHost}Transfer-Encoding: xchunked\r\n`, '0\r\n\r\n'],
    ['F04 identity', `${withHost}Transfer-Encoding: identity\r\n`],
    ['F04 identity last', `${withHost}Transfer-Encoding: chunked, identity\r\n`, '0\r\n\r\n'],
    ['F05 gzip', `${withHost}Transfer-Encoding: gzip, chunked\r\n`, '0\r\n\r\n'],
    ['F06 a space before the colon', `${withHost}Transfer-Encoding : chunked\r\n`, '0\r\n\r\n'],
    ['F06 two codings', `${withHost}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`, '0\r\n\r\n'],
    ['F05 a coding in HTTP/1.0', `${withHost}Transfer-Encoding: chunked\r\n`, '0\r\n\r\n', '1.0'],
    ['F20 no Host', ''],
    ['F20 no Host in HTTP/1.0', '', '', '1.0'],
    ['an HTTP version that is none', withHost, '', '2.0'],
  ]
  for (const [what, headers, body, version] of cases) {
    const answer = await post(headers, body, version)
    t.ok([400, 501].includes(answer.status), `${what}: ${answer.status}`)
  }
  t.equal(application.seen.length, before, 'nothing of it reached the application')
})

t.test('F22 a tunnel to anywhere is never opened', async (t) => {
  for (const target of ['evil.example:443', '/']) {
    const answer = await sendRaw(port, `CONNECT ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
    t.notMatch(answer.text, /HTTP\/1\.1 2\d\d/)
    t.ok(answer.closed || answer.status >= 400)
  }
})

t.test('F34 content types are the affair of the application', async (t) => {
  for (const type of ['application/json garbage', 'application/json\tx', 'text/plain; charset=latin1', 'a', '']) {
    const answer = await sendRaw(
      port,
      `POST /public/x HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${type}\r\nContent-Length: 3\r\n\r\n\xe4\xf6\xfc`,
    )
    t.equal(answer.status, 200, type)
    t.same(application.last().body, Buffer.from([0xe4, 0xf6, 0xfc]), 'byte for byte')
    t.same(values('content-type'), [type.trim()])
  }
})
