import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { ask } from '../helpers/http2.ts'
import { connect as connectHttp2 } from 'node:http2'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

const proxied = async (
  t: { teardown(fn: () => unknown): unknown },
  headers: readonly string[],
  more: readonly object[] = [{ cidr: '10.0.0.0/8', headers: ['for'] }],
): Promise<World> => startWorld(t, { settings: { trustedProxies: [{ cidr: '127.0.0.0/8', headers }, ...more] } })

/** What the application was told of the client and the address it asked for. */
const told = (world: World): readonly (string | undefined)[] => {
  const { headers } = world.application.last()
  return ['for', 'proto', 'host', 'port'].map((name) => headers[`x-forwarded-${name}`] as string | undefined)
}

const get = async ({ port }: World, lines: string): Promise<number> =>
  (await sendRaw(port, `GET /public/x HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n`)).status

/** The client's address in the log's line of the last request, once that is written. */
const logged = async ({ log, application }: World): Promise<unknown> => {
  const lines = (): string[] => log.filter((line) => line.includes('"event":"request"'))
  await until(() => lines().length >= application.seen.length)
  return JSON.parse(lines().at(-1) ?? '{}').client
}

t.test('the client is found from the right of X-Forwarded-For, over trusted proxies only', async (t) => {
  const world = await proxied(t, ['for'])
  const cases: readonly (readonly [string, string, string?])[] = [
    ['203.0.113.7', '203.0.113.7, 127.0.0.1'],
    ['6.6.6.6, 203.0.113.7', '203.0.113.7, 127.0.0.1'],
    ['6.6.6.6, 203.0.113.7, 10.1.2.3', '203.0.113.7, 10.1.2.3, 127.0.0.1'],
    ['10.9.9.9, 10.1.2.3', '10.9.9.9, 10.1.2.3, 127.0.0.1'],
    ['not an address, 203.0.113.7', '203.0.113.7, 127.0.0.1'],
    ['::ffff:203.0.113.7', '203.0.113.7, 127.0.0.1'],
    ['203.0.113.7:4711', '203.0.113.7, 127.0.0.1'],
    ['[2001:DB8:0::1]:443', '2001:db8::1, 127.0.0.1'],
    ['6.6.6.6,::ffff:a01:203', '6.6.6.6, 10.1.2.3, 127.0.0.1'],
  ]
  for (const [sent, expected] of cases) {
    await get(world, `X-Forwarded-For: ${sent}\r\n`)
    t.equal(told(world)[0], expected, sent)
    t.equal(await logged(world), expected.split(',')[0], 'and the log names that client')
  }
  await get(world, 'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 203.0.113.7\r\n')
  t.equal(told(world)[0], '203.0.113.7, 127.0.0.1', 'several lines are one list')
})

t.test(
  'what a trusted proxy says badly is counted: its client is unknown then, and the rest as if unsaid',
  async (t) => {
    const world = await proxied(t, ['for', 'proto', 'host', 'port'])
    const { host } = new URL(world.url)
    const cases = [
      'X-Forwarded-For: unknown',
      'X-Forwarded-For: 203.0.113.7, evil',
      'X-Forwarded-For: 203.0.113.7,',
      'X-Forwarded-For: 1.2.3.4.5',
      'X-Forwarded-For: 1.2.3.04',
      'X-Forwarded-For: _hidden',
      'X-Forwarded-For: unix:',
      'X-Forwarded-For:',
      `X-Forwarded-For: ${'10.0.0.1, '.repeat(100)}10.0.0.1`,
      'X-Forwarded-Proto: ftp',
      'X-Forwarded-Proto: https, http',
      'X-Forwarded-Proto: http\r\nX-Forwarded-Proto: https',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Host: localhost, evil.example',
      'X-Forwarded-Port: 0',
      'X-Forwarded-Port: 70000',
      'X-Forwarded-Port: 80a',
    ]
    for (const line of cases) {
      t.equal(await get(world, `${line}\r\n`), 200)
      const client = line.startsWith('X-Forwarded-For') ? '' : '127.0.0.1'
      t.same(told(world), [client, 'http', host, String(world.port)], line)
      t.equal(await logged(world), client)
    }
    const metrics = await world.metrics()
    for (const [header, times] of Object.entries({ for: 9, proto: 3, host: 2, port: 3 }))
      t.match(metrics, `forwarded_headers_ignored_total{header="${header}"} ${times}`)
  },
)

t.test('proto, host and port are believed where they are listed, and rules never look at them', async (t) => {
  const all = await proxied(t, ['proto', 'host', 'port'])
  const lines =
    'X-Forwarded-For: 203.0.113.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: LOCALHOST:8443\r\nX-Forwarded-Port: 8443\r\n'
  await get(all, lines)
  t.same(told(all), ['127.0.0.1', 'https', 'LOCALHOST:8443', '8443'], 'for is not listed')
  await get(all, 'X-Forwarded-Proto: https\r\n')
  t.same(told(all)[3], '443', 'a scheme without a port has its own')
  const start = await sendRaw(
    all.port,
    'GET /page HTTP/1.1\r\nHost: localhost\r\nAccept: text/html\r\nSec-Fetch-Dest: document\r\nX-Forwarded-Host: localhost:1\r\nX-Forwarded-Proto: https\r\n\r\n',
  )
  t.match(start.header('location'), /^\/oauth2\/start\?rd=/)
  const sent = await sendRaw(
    all.port,
    'GET /oauth2/start?rd=/ HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-Host: localhost:1\r\nX-Forwarded-Proto: https\r\n\r\n',
  )
  t.equal(new URL(sent.header('location') ?? '').searchParams.get('redirect_uri'), `${all.url}/oauth2/callback`)
})

t.test('H25 H26 from anybody else these headers are dropped, in every spelling', async (t) => {
  const world = await startWorld(t, {
    settings: { trustedProxies: [{ cidr: '192.0.2.0/24', headers: ['for', 'proto', 'host', 'port'] }] },
  })
  await get(
    world,
    'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: localhost:1\r\nX-Forwarded-Port: 1\r\n',
  )
  t.same(told(world), ['127.0.0.1', 'http', new URL(world.url).host, String(world.port)])
  const trusted = await proxied(t, ['for', 'proto', 'host', 'port'])
  await get(
    trusted,
    'X_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Prefix: /x\r\nX-Forwarded-Uri: /x\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\n',
  )
  t.same(told(trusted)[0], '127.0.0.1', 'and a trusted proxy is believed the exact names only')
  t.notMatch(trusted.application.last().rawHeaders.join('\n'), /6\.6\.6\.6|prefix|uri/i)
})

const SIGNATURE = Buffer.from('0d0a0d0a000d0a515549540a', 'hex')
const header = (command: number, family: number, body: string): Buffer => {
  const bytes = Buffer.from(body, 'hex')
  const fixed = Buffer.from([command, family, bytes.length >> 8, bytes.length & 0xff])
  return Buffer.concat([SIGNATURE, fixed, bytes])
}
/** From 203.0.113.7:4711 to 192.0.2.1:443, with an extension that nobody needs. */
const OVER_IPV4 = header(0x21, 0x11, 'cb007107c00002011267 01bb'.replaceAll(' ', '') + '0400010a')
const OVER_IPV6 = header(0x21, 0x21, `20010db8${'0'.repeat(22)}01${'0'.repeat(32)}126701bb`)
const LOCAL = header(0x20, 0x00, '')
const REQUEST = 'GET /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'

const speakers = { trustedProxies: [{ cidr: '127.0.0.1/32', proxyProtocol: true }] }

t.test('with proxyProtocol the header before everything else tells the client', async (t) => {
  const world = await startWorld(t, { settings: speakers })
  for (const [start, expected] of [
    [OVER_IPV4, '203.0.113.7'],
    [OVER_IPV6, '2001:db8::1'],
    [LOCAL, '127.0.0.1'],
  ] as const) {
    const answer = await sendRaw(world.port, Buffer.concat([start, Buffer.from(REQUEST)]))
    t.equal(answer.status, 200, expected)
    t.equal(told(world)[0], expected)
    t.equal(await logged(world), expected)
  }
})

t.test('a header that comes byte by byte is read all the same, and nothing after it is lost', async (t) => {
  const world = await startWorld(t, { settings: speakers })
  const socket = connectPlain(world.port, '127.0.0.1')
  socket.setNoDelay(true)
  for (const byte of Buffer.concat([OVER_IPV4, Buffer.from(REQUEST.slice(0, 20))])) {
    socket.write(Buffer.from([byte]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  socket.write(REQUEST.slice(20))
  t.match(await everything(socket), /^HTTP\/1\.1 200/)
  t.equal(told(world)[0], '203.0.113.7')
  const body = 'x'.repeat(500_000)
  const answer = await sendRaw(
    world.port,
    Buffer.concat([
      OVER_IPV4,
      Buffer.from(`POST /public/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`),
    ]),
  )
  t.equal(answer.status, 200)
  t.equal(world.application.last().body.length, body.length)
})

t.test('without a right header such a connection is closed, and the application sees nothing', async (t) => {
  const world = await startWorld(t, { settings: speakers, listen: { headersTimeoutSeconds: 1 } })
  const cases: Readonly<Record<string, Buffer>> = {
    none: Buffer.from(REQUEST),
    'version 1': Buffer.from(`PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n${REQUEST}`),
    'another version': Buffer.concat([header(0x31, 0x11, 'cb007107c0000201126701bb'), Buffer.from(REQUEST)]),
    'an unknown command': Buffer.concat([header(0x22, 0x11, 'cb007107c0000201126701bb'), Buffer.from(REQUEST)]),
    'an address that is too short': Buffer.concat([header(0x21, 0x11, 'cb007107'), Buffer.from(REQUEST)]),
    'a Unix socket': Buffer.concat([header(0x21, 0x31, '00'.repeat(216)), Buffer.from(REQUEST)]),
    UDP: Buffer.concat([header(0x21, 0x12, 'cb007107c0000201126701bb'), Buffer.from(REQUEST)]),
    'a huge length': Buffer.concat([SIGNATURE, Buffer.from([0x21, 0x11, 0xff, 0xff]), Buffer.from(REQUEST)]),
  }
  for (const [what, bytes] of Object.entries(cases)) {
    const answer = await sendRaw(world.port, bytes, { waitForClose: true })
    t.equal(answer.text, '', what)
    t.ok(answer.closed, what)
  }
  t.equal(world.application.seen.length, 0)
  t.match(await world.metrics(), /connections_refused_total\{reason="proxy_header"\} 8/)
  const quiet = connectPlain(world.port, '127.0.0.1')
  quiet.write(OVER_IPV4.subarray(0, 20))
  t.equal(await everything(quiet), '', 'nor does it wait for one for ever')
})

t.test('a header twice, or from anybody else, is no request', async (t) => {
  const world = await startWorld(t, { settings: speakers })
  const twice = await sendRaw(world.port, Buffer.concat([OVER_IPV4, OVER_IPV4, Buffer.from(REQUEST)]))
  t.equal(twice.status, 400)
  const plain = await startWorld(t)
  for (const start of [OVER_IPV4, Buffer.from('PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n')])
    t.equal((await sendRaw(plain.port, Buffer.concat([start, Buffer.from(REQUEST)]))).status, 400)
  t.equal(world.application.seen.length + plain.application.seen.length, 0)
})

t.test(
  'an X-Forwarded-For behind a PROXY protocol header is the word of the client, unless that is trusted too',
  async (t) => {
    const world = await startWorld(t, {
      settings: {
        trustedProxies: [
          { cidr: '127.0.0.1/32', headers: ['proto'], proxyProtocol: true },
          { cidr: '2001:db8::/32', headers: ['for'] },
        ],
      },
    })
    const forged = REQUEST.replace('Connection', 'X-Forwarded-Proto: https\r\nX-Forwarded-For: 6.6.6.6\r\nConnection')
    await sendRaw(world.port, Buffer.concat([OVER_IPV4, Buffer.from(forged)]))
    t.same(told(world).slice(0, 2), ['203.0.113.7', 'https'])
    await sendRaw(world.port, Buffer.concat([OVER_IPV6, Buffer.from(forged)]))
    t.equal(told(world)[0], '6.6.6.6, 2001:db8::1')
  },
)

t.test('PROXY protocol goes before TLS, and the client is known over HTTP/1.1 and HTTP/2', async (t) => {
  const world = await startWorld(t, { tls: true, listen: { http2: true }, settings: speakers })
  const ca = world.certificate?.cert ?? ''
  const first = await secure(world, { ca, ALPNProtocols: ['http/1.1'] })
  first.write(REQUEST)
  t.match(await everything(first), /^HTTP\/1\.1 200/)
  t.equal(told(world)[0], '203.0.113.7')
  const second = await secure(world, { ca, ALPNProtocols: ['h2'] })
  const session = connectHttp2(world.url, { createConnection: () => second })
  t.teardown(() => session.destroy())
  t.equal((await ask(session, { ':path': '/public/x', 'x-forwarded-for': '6.6.6.6' })).status, 200)
  t.equal(told(world)[0], '203.0.113.7')
  const without = connectTls({ port: world.port, host: '127.0.0.1', ca })
  await new Promise((resolve) => without.once('error', resolve))
  t.pass('TLS without the header is closed')
})

/** TLS after a PROXY protocol header. */
async function secure({ port }: World, options: object): Promise<Socket> {
  const socket = connectPlain(port, '127.0.0.1')
  socket.write(OVER_IPV4)
  const over = connectTls({ socket, servername: 'localhost', ...options })
  await new Promise((resolve, reject) => {
    over.once('secureConnect', resolve)
    over.once('error', reject)
  })
  return over
}

async function everything(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    socket.on('data', (data: Buffer) => (text += data.toString('latin1')))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text))
  })
}
