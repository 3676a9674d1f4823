import { randomBytes } from 'node:crypto'
import { connect as connectPlain } from 'node:net'
import t from 'tap'
import { ask, connectHttp2 } from '../helpers/http2.ts'
import { sendRaw, type RawAnswer } from '../helpers/raw-http.ts'
import {
  CONTINUATION,
  END_HEADERS,
  END_STREAM,
  fields,
  frame,
  GOAWAY,
  HEADERS,
  PING,
  RST_STREAM,
  sendRawHttp2,
  SETTINGS,
  WINDOW_UPDATE,
  type Frame,
} from '../helpers/raw-http2.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

const plain = await startWorld(t)
const secure = await startWorld(t, { tls: true, listen: { http2: true, headersTimeoutSeconds: 1 } })
const { port, application, url } = plain
const host = new URL(url).host

const refused = ({ status, closed }: RawAnswer): boolean => (status >= 400 && status < 500) || (status === 0 && closed)
const alive = async ({ client, url }: World): Promise<boolean> =>
  (await client().ask(`${url}/public/alive`)).status === 200
const post = async (headers: string, body: string | Buffer): Promise<RawAnswer> =>
  sendRaw(
    port,
    Buffer.concat([Buffer.from(`POST /public/x HTTP/1.1\r\nHost: ${host}\r\n${headers}\r\n`), Buffer.from(body)]),
  )

t.test('F12 an Expect that is not exactly 100-continue is refused', async (t) => {
  const before = application.seen.length
  for (const line of ['Expect: y 100-continue', ' Expect: 100-continue', 'Expect: 100-continue, x', 'Expect: x']) {
    const answer = await post(`${line}\r\nContent-Length: 3\r\n`, 'abc')
    // A line that begins with a space is no header at all.
    const [status, code] = line.startsWith(' ') ? [400, 'GW_REQUEST_REFUSED'] : [417, 'GW_EXPECTATION_FAILED']
    t.equal(answer.status, status, line)
    t.equal(answer.header('x-gateway-code'), code)
  }
  t.equal(application.seen.length, before)
})

t.test('F10 F12 an Expect that nobody knows is refused with a line in the log, over HTTP/2 too', async (t) => {
  const refusals = ({ log }: World): number => log.filter((line) => line.includes('"reason":"expect"')).length
  const [overHttp1, overHttp2] = [refusals(plain), refusals(secure)]
  await post('Expect: nonsense\r\nContent-Length: 3\r\n', 'abc')
  await until(() => refusals(plain) === overHttp1 + 1)
  t.match(await plain.metrics(), /requests_refused_total\{reason="expect"\} \d/)
  const session = await connectHttp2(t, secure.url, secure.certificate?.cert ?? '')
  const answer = await ask(session, { ':path': '/public/x', ':method': 'POST', expect: 'nonsense' }, 'abc')
  t.equal(answer.status, 417)
  t.equal(answer.headers['x-gateway-code'], 'GW_EXPECTATION_FAILED')
  await until(() => refusals(secure) === overHttp2 + 1)
  const waiting = { ':path': '/public/x', ':method': 'POST', expect: '100-continue' }
  t.equal((await ask(session, waiting, 'abc')).status, 200, 'the connection goes on, and 100-continue is as it was')
})

t.test(
  'F13 chunk extensions: a small one is dropped, a megabyte ends the connection, line ends in one are refused',
  async (t) => {
    const chunked = 'Transfer-Encoding: chunked\r\n'
    t.equal((await post(chunked, '3;a=b\r\nabc\r\n0\r\n\r\n')).status, 200)
    t.equal(application.last().body.toString(), 'abc')
    const before = application.seen.length
    t.ok(refused(await post(chunked, `3;${'a'.repeat(1_000_000)}\r\nabc\r\n0\r\n\r\n`)))
    t.ok(refused(await post(chunked, '3;a\nb\r\nabc\r\n0\r\n\r\n')))
    t.equal(application.seen.length, before)
  },
)

t.test('F14 malformed chunks are refused', async (t) => {
  const before = application.seen.length
  for (const body of [
    '3\nabc\n0\n\n',
    '3 \r\nabc\r\n0\r\n\r\n',
    '3\r\r\nabc\r\n0\r\n\r\n',
    '-3\r\nabc\r\n0\r\n\r\n',
    '+3\r\nabc\r\n0\r\n\r\n',
    '0x3\r\nabc\r\n0\r\n\r\n',
    'fffffffffffffffff\r\nabc\r\n0\r\n\r\n',
    '3\r\nabcd\r\n0\r\n\r\n',
    '3\r\nabc0\r\n\r\n',
    '\r\nabc\r\n0\r\n\r\n',
    'x\r\nabc\r\n0\r\n\r\n',
  ]) {
    const answer = await post('Transfer-Encoding: chunked\r\n', body)
    t.ok(refused(answer), `${JSON.stringify(body)}: ${answer.status}`)
  }
  t.equal(application.seen.length, before, 'no such request was whole for the application')
})

t.test('F16 a body of GET, HEAD, DELETE or OPTIONS reaches the application with its own framing', async (t) => {
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS']) {
    for (const [framing, body] of [
      ['Content-Length: 3', 'abc'],
      ['Transfer-Encoding: chunked', '3\r\nabc\r\n0\r\n\r\n'],
    ]) {
      const answer = await sendRaw(
        port,
        `${method} /public/x HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${framing}\r\n\r\n${body}`,
        { waitForClose: true },
      )
      t.equal(answer.status, 200, `${method} ${framing}`)
      t.equal(application.last().method, method)
      t.equal(application.last().body.toString(), 'abc')
    }
  }
})

t.test('F18 an address that is too long is refused, and so are headers that are', async (t) => {
  const before = application.seen.length
  const line = async (length: number): Promise<number> =>
    (await sendRaw(port, `GET /public/${'x'.repeat(length)} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status
  t.equal(await line(9_000), 414)
  t.ok([414, 431].includes(await line(70_000)))
  t.equal(application.seen.length, before)
})

t.test('F20 a request without a Host is refused in every version', async (t) => {
  for (const version of ['1.1', '1.0'])
    t.equal((await sendRaw(port, `GET /public/x HTTP/${version}\r\n\r\n`)).status, 400, version)
  t.ok(refused(await sendRaw(port, 'GET /public/x\r\n\r\n')), 'HTTP/0.9')
})

t.test('F21 what is no HTTP is refused with one log line, and the gateway lives on', async (t) => {
  const before = application.seen.length
  const clientHello = Buffer.from('16030100050100000100', 'hex')
  const cases: Readonly<Record<string, Buffer>> = {
    'leading spaces': Buffer.from(`  GET /public/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
    'a lone CR': Buffer.from(`GET /public/x HTTP/1.1\rHost: ${host}\r\r`),
    'binary garbage': Buffer.concat([Buffer.from([0xff, 0x00, 0x80]), randomBytes(500)]),
    'TLS bytes': Buffer.concat([clientHello, randomBytes(200)]),
    'a PROXY header, version 1': Buffer.from(
      `PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET /public/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    ),
    'a PROXY header, version 2': Buffer.from('0d0a0d0a000d0a515549540a2111000ccb007107c0000201126701bb', 'hex'),
    'the preface of HTTP/2': Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  }
  for (const [what, bytes] of Object.entries(cases)) {
    const lines = plain.log.length
    const answer = await sendRaw(port, bytes, { waitForClose: true })
    t.ok(refused(answer) && answer.closed, `${what}: ${answer.status}`)
    t.ok(plain.log.length - lines <= 1, 'one line at most')
  }
  t.equal(application.seen.length, before)
  // Empty lines before a request are to be ignored (RFC 9112 2.2).
  t.equal((await sendRaw(port, `\r\n\r\nGET /public/x HTTP/1.1\r\nHost: ${host}\r\n\r\n`)).status, 200)
  t.match(await plain.metrics(), /connections_refused_total\{reason="malformed"\} \d+/)
})

t.test(
  'F32 D25 odd TLS, a slow handshake, and no TLS at all, at a TLS port end that connection and nothing else',
  async (t) => {
    const before = secure.application.seen.length
    const cases: Readonly<Record<string, Buffer>> = {
      'plain HTTP': Buffer.from('GET /public/x HTTP/1.1\r\nHost: localhost\r\n\r\n'),
      garbage: Buffer.concat([Buffer.from([0x80]), randomBytes(500)]),
      'an empty name': clientHello(Buffer.alloc(0)),
      'a name of 300 bytes': clientHello(Buffer.alloc(300, 0x61)),
      'a name with a zero byte': clientHello(Buffer.from('local\0host')),
      'half a hello': clientHello(Buffer.from('localhost')).subarray(0, 40),
    }
    for (const [what, bytes] of Object.entries(cases)) {
      const lines = secure.log.length
      const socket = connectPlain(secure.port, '127.0.0.1')
      socket.on('error', () => undefined)
      const closed = new Promise<void>((resolve) => {
        socket.on('close', () => resolve())
        socket.once('data', () => socket.destroy())
      })
      socket.end(bytes)
      await closed
      t.ok(secure.log.length - lines <= 1, what)
    }
    const slowly = connectPlain(secure.port, '127.0.0.1')
    slowly.setNoDelay(true)
    for (const byte of clientHello(Buffer.from('localhost'))) {
      slowly.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    const [type] = await new Promise<Buffer>((resolve) => slowly.once('data', resolve))
    slowly.destroy()
    t.ok(type === 0x16 || type === 0x15, 'a hello in single bytes gets its answer')
    t.equal(secure.application.seen.length, before)
    t.ok(await alive(secure))
  },
)

t.test('F33 a client that ends its side early has sent a whole request only if the framing says so', async (t) => {
  const before = application.seen.length
  const half = async (bytes: string): Promise<string> =>
    new Promise((resolve) => {
      const socket = connectPlain(port, '127.0.0.1')
      let text = ''
      socket.on('data', (data: Buffer) => (text += data.toString()))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve(text))
      socket.end(bytes)
    })
  const head = `POST /public/x HTTP/1.1\r\nHost: ${host}\r\n`
  for (const bytes of [
    `${head}Content-Length: 10\r\n\r\nabc`,
    `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n`,
    `${head}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n`,
    head,
  ]) {
    t.notMatch(await half(bytes), /^HTTP\/1\.1 [25]/, JSON.stringify(bytes.slice(head.length)))
  }
  t.equal(application.seen.length, before)
  // Who ends its side before the answer counts as gone: nothing else tells a client that left from one that waits.
  t.equal(await half(`${head}Content-Length: 3\r\n\r\nabc`), '')
  t.ok(await alive(plain))
})

t.test('F36 bodies that no endpoint of ours reads do no harm there', async (t) => {
  for (const [type, body] of [
    ['application/json', '['.repeat(100_000)],
    ['application/json', '{"__proto__":{"admin":true}}'],
    ['application/x-www-form-urlencoded', '__proto__[admin]=1&constructor.prototype.admin=1'],
    ['application/x-www-form-urlencoded', 'a[b]'.repeat(10_000)],
  ]) {
    for (const path of ['/oauth2/sign_out', '/oauth2/start', '/oauth2/userinfo', '/oauth2/callback']) {
      const answer = await plain
        .client()
        .ask(url + path, { method: 'POST', body: body ?? '', headers: { 'content-type': type ?? '' } })
      t.ok(answer.status >= 300 && answer.status < 500, `${path} ${type}: ${answer.status}`)
    }
  }
})

const request = (...more: readonly (readonly [string, string])[]): Buffer =>
  fields([
    [':method', 'GET'],
    [':scheme', 'https'],
    [':authority', new URL(secure.url).host],
    [':path', '/public/x'],
    ...more,
  ])
const openStream = (id: number, block: Buffer, flags = END_STREAM): Buffer =>
  frame(HEADERS, END_HEADERS | flags, id, block)
const hasAnswer = (frames: readonly Frame[]): boolean =>
  frames.some(({ type, stream }) => stream === 1 && (type === HEADERS || type === RST_STREAM)) || hasGoaway(frames)
const hasGoaway = (frames: readonly Frame[]): boolean => frames.some(({ type }) => type === GOAWAY)

t.test('F30 over HTTP/2 headers of a connection, upper case and doubled or misplaced fields are refused', async (t) => {
  const before = secure.application.seen.length
  const cases: readonly (readonly [string, Buffer])[] = [
    ['connection', request(['connection', 'keep-alive'])],
    ['transfer-encoding', request(['transfer-encoding', 'chunked'])],
    ['upgrade', request(['upgrade', 'websocket'])],
    ['te: gzip', request(['te', 'gzip'])],
    ['an upper-case name', request(['X-Upper', '1'])],
    [
      'a line end in a path',
      fields([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'localhost'],
        [':path', '/public/x HTTP/1.1\r\nX: y'],
      ]),
    ],
    ['a pseudo header after another', request(['x-a', '1'], [':path', '/admin'])],
    [
      'a pseudo header twice',
      fields([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'localhost'],
        [':path', '/public/x'],
        [':path', '/admin'],
      ]),
    ],
    ['an unknown pseudo header', request([':x', '1'])],
    [
      'no path',
      fields([
        [':method', 'GET'],
        [':scheme', 'https'],
        [':authority', 'localhost'],
      ]),
    ],
    [
      'CONNECT',
      fields([
        [':method', 'CONNECT'],
        [':authority', 'evil.example:443'],
      ]),
    ],
    [
      'an extended CONNECT',
      fields([
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        [':scheme', 'https'],
        [':authority', 'localhost'],
        [':path', '/public/x'],
      ]),
    ],
    ['two lengths', request(['content-length', '3'], ['content-length', '5'])],
    ['a length that is not true', request(['content-length', '3'])],
    ['two authorizations', request(['authorization', 'a'], ['authorization', 'b'])],
  ]
  for (const [what, block] of cases) {
    const { frames } = await sendRawHttp2(secure.port, openStream(1, block), hasAnswer)
    const answered = frames.find(({ type, stream }) => type === HEADERS && stream === 1)
    // Indexed 8 is :status 200 (RFC 7541 A).
    t.ok(answered === undefined || answered.payload[0] !== 0x88, what)
    t.ok(hasAnswer(frames), `${what}: told`)
  }
  t.equal(secure.application.seen.length, before)
  t.ok(await alive(secure))
})

t.test('F30 over HTTP/2 a header with a control byte in its value never reaches the application', async (t) => {
  for (const value of ['b\r\nx-forwarded-user: root', 'b\0c', 'b\nc', 'b\rc', '\x7f']) {
    await sendRawHttp2(secure.port, openStream(1, request(['x-a', value], ['x-b', '1'])), hasAnswer)
    t.equal(secure.application.last().headers['x-a'], undefined, JSON.stringify(value))
    t.equal(secure.application.last().headers['x-forwarded-user'], undefined)
  }
})

t.test('F30 over HTTP/2 the authority decides the host; a Host that says another thing is refused', async (t) => {
  const session = await connectHttp2(t, secure.url, secure.certificate?.cert ?? '')
  const authority = new URL(secure.url).host
  const before = secure.application.seen.length
  const split = await ask(session, { ':path': '/public/x', ':authority': authority, host: 'evil.example' })
  t.equal(split.status, 400)
  t.equal(secure.application.seen.length, before)
  t.equal((await ask(session, { ':path': '/public/x', ':authority': authority, host: authority })).status, 200)
  t.equal(secure.application.last().headers.host, authority)
})

t.test('F30 a cookie split into fields is one again, and its session is found', async (t) => {
  const browser = secure.client()
  await browser.signIn(`${secure.url}/`)
  const text = browser.jarOf(new URL(secure.url).host).get('__Host-gateway') ?? ''
  const block = Buffer.concat([
    fields([
      [':method', 'GET'],
      [':scheme', 'https'],
      [':authority', new URL(secure.url).host],
      [':path', '/page'],
    ]),
    fields([
      ['cookie', 'app=1'],
      ['cookie', `__Host-gateway=${text}`],
      ['cookie', 'other=2'],
    ]),
  ])
  const { frames } = await sendRawHttp2(secure.port, openStream(1, block), hasAnswer)
  t.equal(frames.find(({ type }) => type === HEADERS)?.payload[0], 0x88)
  const { rawHeaders, headers } = secure.application.last()
  t.equal(rawHeaders.filter((name, at) => at % 2 === 0 && name.toLowerCase() === 'cookie').length, 1)
  t.equal(headers.cookie, 'app=1; other=2')
  t.equal(headers['x-forwarded-email'], 'alice@example.com')
})

t.test('F29 a client that opens and resets streams without end loses its connection, others are served', async (t) => {
  const before = secure.application.seen.length
  const cancel = Buffer.from([0, 0, 0, 8])
  const opened = (count: number): Buffer[] =>
    Array.from({ length: count }, (_, at) =>
      Buffer.concat([openStream(2 * at + 1, request()), frame(RST_STREAM, 0, 2 * at + 1, cancel)]),
    )
  t.ok((await sendRawHttp2(secure.port, Buffer.concat(opened(5_000)))).closed, 'all at once')
  const { frames, closed } = await sendRawHttp2(secure.port, opened(500))
  t.ok(closed, 'one by one')
  t.equal(frames.find(({ type }) => type === GOAWAY)?.payload.readUInt32BE(4), 11, 'and is told to calm down')
  t.ok(secure.application.seen.length - before < 1_000)
  t.ok(await alive(secure))
  t.match(await secure.metrics(), /connections_refused_total\{reason="http2"\} \d+/)
})

t.test(
  'F29 floods of CONTINUATION, SETTINGS, PING and window updates end that connection, and memory stays flat',
  async (t) => {
    const settings = frame(SETTINGS, 0, 0, Buffer.from('000300000064', 'hex'))
    const floods: Readonly<Record<string, Buffer>> = {
      CONTINUATION: Buffer.concat([
        frame(HEADERS, END_STREAM, 1, request()),
        ...Array.from({ length: 20_000 }, () => frame(CONTINUATION, 0, 1, fields([['x-a', 'b'.repeat(100)]]))),
      ]),
      SETTINGS: Buffer.concat(Array.from({ length: 200_000 }, () => settings)),
      PING: Buffer.concat(Array.from({ length: 200_000 }, () => frame(PING, 0, 0, Buffer.alloc(8)))),
      'WINDOW_UPDATE of stream 0 beyond its largest': Buffer.concat(
        Array.from({ length: 1_000 }, () => frame(WINDOW_UPDATE, 0, 0, Buffer.from('7fffffff', 'hex'))),
      ),
      'streams beyond the limit': Buffer.concat(
        Array.from({ length: 10_000 }, (_, at) => openStream(2 * at + 1, request(), 0)),
      ),
    }
    const before = process.memoryUsage().rss
    for (const [what, bytes] of Object.entries(floods)) {
      t.ok((await sendRawHttp2(secure.port, bytes)).closed, what)
      t.ok(await alive(secure), 'others are served')
    }
    t.ok(process.memoryUsage().rss - before < 200_000_000)
  },
)

t.test('F17 over HTTP/2 headers beyond the size limit, or too many, reset their stream', async (t) => {
  const before = secure.application.seen.length
  const large = fields(Array.from({ length: 30 }, () => ['x-a', 'b'.repeat(500)] as const))
  const many = fields(Array.from({ length: 300 }, (_, at) => [`x-${at}`, '1'] as const))
  for (const more of [Array.from({ length: 5 }, () => large), [many]]) {
    const rest = more.map((block, at) => frame(CONTINUATION, at === more.length - 1 ? END_HEADERS : 0, 1, block))
    const bytes = Buffer.concat([frame(HEADERS, END_STREAM, 1, request()), ...rest])
    const { frames } = await sendRawHttp2(secure.port, bytes, hasAnswer)
    t.notOk(frames.some(({ type, stream, payload }) => type === HEADERS && stream === 1 && payload[0] === 0x88))
  }
  t.equal(secure.application.seen.length, before)
})

/** A ClientHello of TLS 1.2 that asks for a server of this name. */
function clientHello(name: Buffer): Buffer {
  const sized = (bytes: number, content: Buffer): Buffer => {
    const size = Buffer.alloc(bytes)
    size.writeUIntBE(content.length, 0, bytes)
    return Buffer.concat([size, content])
  }
  const entry = Buffer.concat([Buffer.from([0]), sized(2, name)])
  const extension = Buffer.concat([Buffer.from([0, 0]), sized(2, sized(2, entry))])
  const body = Buffer.concat([
    Buffer.from([3, 3]),
    randomBytes(32),
    Buffer.from([0]),
    sized(2, Buffer.from('c02bc02f', 'hex')),
    sized(1, Buffer.from([0])),
    sized(2, extension),
  ])
  const handshake = Buffer.concat([Buffer.from([1]), sized(3, body)])
  return Buffer.concat([Buffer.from([0x16, 3, 1]), sized(2, handshake)])
}
