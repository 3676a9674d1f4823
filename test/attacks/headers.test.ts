import t from 'tap'
import { foldHeaderName } from '../../src/domain/reserved-headers.ts'
import { ask, connectHttp2 } from '../helpers/http2.ts'
import { startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import {
  END_HEADERS,
  END_STREAM,
  fields,
  frame,
  GOAWAY,
  HEADERS,
  RST_STREAM,
  sendRawHttp2,
} from '../helpers/raw-http2.ts'
import type { RecordedRequest } from '../helpers/recording-application.ts'
import { until } from '../helpers/until.ts'
import { handshake, openBytes } from '../helpers/web-socket.ts'
import { startWorld, type World } from '../helpers/world.ts'
import { headerCases, type CarrierName, type Line, type Place } from './header-cases.ts'

const pool = {
  users: {
    alice: {
      password: 'Passw0rd!',
      groups: ['admins', 'ops'],
      attributes: { email: 'alice@example.com', email_verified: 'true' },
    },
    carol: { password: 'Passw0rd!', groups: [], attributes: { email: 'carol@example.com', email_verified: 'false' } },
  },
}
const world = await startWorld(t, { pool })
const { url, port, application } = world
const secure = await startWorld(t, { pool, tls: true, listen: { http2: true } })
const { host } = new URL(url)

/** The session cookie of each person, as a pair. */
async function cookiesOf({ client, url }: World): Promise<Readonly<Record<'alice' | 'carol' | 'nobody', string>>> {
  const signedIn = async (name: string): Promise<string> => {
    const browser = client()
    await browser.signIn(`${url}/`, name)
    return `__Host-gateway=${browser.jarOf(new URL(url).host).get('__Host-gateway')}`
  }
  return { alice: await signedIn('alice'), carol: await signedIn('carol'), nobody: '' }
}
const cookies = await cookiesOf(world)
const secureCookies = await cookiesOf(secure)
const session = cookies.alice

const placeOf = ({ url }: World): Place => {
  const { host, port, protocol } = new URL(url)
  return { host, port, proto: protocol.slice(0, -1) }
}

interface Carrier {
  readonly world: World
  readonly cookies: Readonly<Record<'alice' | 'carol' | 'nobody', string>>
  /** The status of the answer; 400 also stands for a stream that was reset. */
  send(path: string, lines: readonly Line[]): Promise<number>
}

const textOf = (lines: readonly Line[]): string => lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')

const carriers: Readonly<Record<CarrierName, Carrier>> = {
  'HTTP/1.1': {
    world,
    cookies,
    send: async (path, lines) =>
      (await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${textOf(lines)}\r\n`)).status,
  },
  'HTTP/2': {
    world: secure,
    cookies: secureCookies,
    async send(path, lines) {
      const block = fields([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', new URL(secure.url).host],
        [':path', path],
        ...lines.map(([name, value]) => [name.toLowerCase(), value] as const),
      ])
      const { frames } = await sendRawHttp2(secure.port, frame(HEADERS, END_HEADERS | END_STREAM, 1, block), (got) =>
        got.some(({ type, stream }) => type === GOAWAY || (stream === 1 && (type === HEADERS || type === RST_STREAM))),
      )
      const answer = frames.find(({ type, stream }) => type === HEADERS && stream === 1)
      // Indexed 8 is :status 200 (RFC 7541 A).
      return answer?.payload[0] === 0x88 ? 200 : 400
    },
  },
  'an upgrade': {
    world,
    cookies,
    async send(path, lines) {
      const origin: Line = ['Origin', url]
      const isSignedIn = lines.some(([name, value]) => name === 'Cookie' && value.includes('__Host-gateway='))
      const more = textOf(isSignedIn ? [...lines, origin] : lines)
      return (await sendRaw(port, handshake(path, host, more), { waitForClose: true })).status
    },
  },
}

const valuesOf = ({ rawHeaders }: RecordedRequest, folded: string): string[] =>
  rawHeaders.filter((_, at) => at % 2 === 1 && foldHeaderName(rawHeaders[at - 1] ?? '') === folded)

for (const { id, about, requests, only, as = 'alice', path = '/page', told, never, refused } of headerCases) {
  for (const [name, carrier] of Object.entries(carriers) as [CarrierName, Carrier][]) {
    if (only?.includes(name) === false) continue
    t.test(`${id} over ${name}: ${about}`, async (t) => {
      const { application } = carrier.world
      const cookie: readonly Line[] = as === 'nobody' ? [] : [['Cookie', carrier.cookies[as]]]
      for (const lines of requests) {
        const what = JSON.stringify(lines).slice(0, 120)
        const before = application.seen.length
        const status = await carrier.send(path, [...cookie, ...lines])
        t.equal(status === 200, refused !== true, `${what}: ${status}`)
        t.equal(application.seen.length - before, refused === true ? 0 : 1, `${what} reached the application`)
        if (refused === true) continue
        const request = application.last()
        if (name === 'an upgrade') t.equal(request.headers.upgrade, 'websocket', 'it is one at the application too')
        for (const [header, values] of Object.entries(told?.(placeOf(carrier.world)) ?? {}))
          t.same(valuesOf(request, header), values, `${what}: ${header}`)
        if (never !== undefined) t.notMatch(request.rawHeaders.join('\n'), never, what)
      }
    })
  }
}

t.test('H25 the trace that an application is told is one of ours', async (t) => {
  await get('')
  t.match(application.last().headers['traceparent'], /^00-[\da-f]{32}-[\da-f]{16}-00$/)
})

const get = async (headers: string, target = '/page') =>
  sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${session}\r\n${headers}\r\n`)

const upgrade = async (headers: string) =>
  sendRaw(port, handshake('/page', host, `Cookie: ${session}\r\nOrigin: ${url}\r\n${headers}`), { waitForClose: true })

t.test('H14 an offer of another protocol and an Expect are for one hop too', async (t) => {
  const lines = ['Upgrade: h2c', 'Expect: 100-continue']
  for (const line of lines) {
    const answer = await get(`${line}\r\n`)
    t.match(answer.text, /HTTP\/1\.1 200/, line)
    t.notOk(valuesOf(application.last(), foldHeaderName(line.split(':')[0] ?? '')).length > 0, line)
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
    for (const answer of [await get(bytes), await upgrade(bytes)]) {
      t.equal(answer.status, 400, JSON.stringify(bytes))
      t.ok(answer.closed || answer.header('connection') === 'close')
    }
  }
  t.equal(application.seen.length, before)
})

t.test('H21 too many headers are refused, never read in part', async (t) => {
  const before = application.seen.length
  const many = Array.from({ length: 3_000 }, (_, at) => `a${at}: 1\r\n`).join('')
  const answer = await sendRaw(
    port,
    `GET /page HTTP/1.1\r\nHost: ${host}\r\n${many}Cookie: ${session}\r\nAuthorization: x\r\n\r\n`,
  )
  for (const refused of [answer, await upgrade(many)]) {
    t.equal(refused.status, 431)
    t.equal(refused.header('x-gateway-code'), 'GW_HEADERS_TOO_LARGE')
  }
  t.equal(application.seen.length, before)
})

t.test('F17 headers beyond the size limit get 431, and twice our largest cookies fit', async (t) => {
  t.equal((await get(`X-Large: ${'x'.repeat(70_000)}\r\n`)).status, 431)
  t.equal((await get(`X-Large: ${'x'.repeat(16_000)}\r\n`)).status, 200)
})

/** What an application says that is none of its business, and cookies of its own. */
const impostor = [
  ['Set-Cookie', '__Host-gateway=stolen; Path=/; Secure'],
  ['Set-Cookie', '__host-gateway.1=x; Path=/; Secure'],
  ['Set-Cookie', '=__Host-gateway=stolen; Path=/; Secure'],
  ['Set-Cookie', ' = \t__HOST-gateway.1=x; Path=/; Secure'],
  ['Set-Cookie', '==__Host-gateway-left=x; Path=/; Secure'],
  ['Set-Cookie', '__Host-gateway; Path=/; Secure'],
  ['Set-Cookie', '__Host-gateway;x=1; Secure'],
  ['Set-Cookie', '=__Host-gateway'],
  ['Set-Cookie', 'own=1'],
  ['Set-Cookie', 'two=2'],
  ['Set-Cookie', '=three'],
  ['Set-Cookie', 'four=__Host-gateway=x'],
  ['X-Gateway-Code', 'GW_FORGED'],
  ['X-Gateway-Anything', 'forged'],
  ['Connection', 'X-Hop'],
  ['X-Hop', '1'],
  ['Keep-Alive', 'timeout=99'],
  ['Trailer', 'X-T'],
  ['Proxy-Authenticate', 'x'],
].flat()
const OWN_COOKIES = ['own=1', 'two=2', '=three', 'four=__Host-gateway=x']
const NOT_RELAYED = ['x-gateway-code', 'x-gateway-anything', 'x-hop', 'trailer', 'proxy-authenticate']

t.test('H30 an application can neither set our cookies nor speak in our name', async (t) => {
  const evil = await startWorld(t, { answer: (_request, response) => response.writeHead(200, impostor).end('ok') })
  const answer = await evil.client().ask(`${evil.url}/public/x`)
  t.same(answer.headers['set-cookie'], OWN_COOKIES)
  for (const name of NOT_RELAYED) t.equal(answer.header(name), undefined, name)
  t.not(answer.header('keep-alive'), 'timeout=99')
})

t.test('H30 over HTTP/2 it cannot either', async (t) => {
  const evil = await startWorld(t, {
    tls: true,
    listen: { http2: true },
    answer: (_request, response) => response.writeHead(200, impostor).end('ok'),
  })
  const connection = await connectHttp2(t, evil.url, evil.certificate?.cert ?? '')
  const { headers } = await ask(connection, { ':path': '/public/x' })
  t.same(headers['set-cookie'], OWN_COOKIES)
  for (const name of [...NOT_RELAYED, 'keep-alive', 'connection']) t.equal(headers[name], undefined, name)
})

t.test('H30 nor can it with its yes to an upgrade', async (t) => {
  const lines = impostor.map((part, at) => (at % 2 === 0 ? `${part}: ` : `${part}\r\n`)).join('')
  const evil = await startRawApplication(t, (socket) =>
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${lines}\r\n`),
  )
  const { port } = await startWorld(t, { upstream: evil.url })
  const { socket, received } = openBytes(t, port)
  socket.write(handshake('/public/ws', 'localhost'))
  await until(() => received().endsWith('\r\n\r\n'))
  t.match(received(), /^HTTP\/1\.1 101 /)
  t.same(
    [...received().matchAll(/^set-cookie: (.*)\r$/gim)].map(([, value]) => value),
    OWN_COOKIES,
  )
  for (const name of NOT_RELAYED) t.notMatch(received(), new RegExp(`^${name}:`, 'im'), name)
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
    t.same(valuesOf(application.last(), 'content-type'), [type.trim()])
  }
})
