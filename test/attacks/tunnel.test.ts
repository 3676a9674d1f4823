import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { handshake, openBytes, openWebSocket, startEchoApplication } from '../helpers/web-socket.ts'
import { startWorld, type World, type WorldOptions } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const routes = {
  orders: { path: '/api/orders/*', access: [{ scopes: ['orders/read'] }] },
  public: { path: '/public/*', access: 'public' },
  admin: { path: '/admin/*', access: [{ groups: ['admins'] }] },
  closed: { path: '/closed/*', webSocket: { allow: false } },
  shared: { path: '/shared/*', allowedOrigins: ['https://partner.example.com'] },
  few: { path: '/few/*', webSocket: { maxPerSession: 2 } },
}

async function echoWorld(t: Teardown, options: WorldOptions = {}) {
  const echo = await startEchoApplication(t)
  const world = await startWorld(t, {
    ...options,
    upstream: echo.url,
    settings: { applications: { sample: { upstream: echo.url, access: 'signedIn', routes } }, ...options.settings },
  })
  return { ...world, echo }
}

/** What a browser with this person's session sends. */
async function headersOf(world: World, name = 'alice'): Promise<{ cookie: string; origin: string }> {
  const browser = world.client()
  await browser.signIn(`${world.url}/oauth2/start?rd=/public/x`, name)
  return { cookie: cookieIn(world, browser), origin: world.url }
}

function cookieIn({ url }: World, browser: ReturnType<World['client']>): string {
  return `__Host-gateway=${browser.jarOf(new URL(url).host).get('__Host-gateway')}`
}

/** An application of bytes: what it is told goes to `heard`, what it answers is up to the test. */
async function byteApplication(t: Teardown, speak: (socket: Socket, heard: string) => void) {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    let heard = ''
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', (chunk) => {
      heard += chunk.toString('latin1')
      speak(socket, heard)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

t.test('W01: without a session, or without the right group, there is no WebSocket but an answer in HTTP', async (t) => {
  const world = await echoWorld(t)
  const anonymous = await sendRaw(world.port, handshake('/ws', 'localhost', `Origin: ${world.url}\r\n`))
  t.equal(anonymous.status, 401)
  t.equal(anonymous.header('x-gateway-code'), 'GW_SIGN_IN_REQUIRED')
  t.equal(anonymous.header('connection'), 'close')
  const bob = await headersOf(world, 'bob')
  const denied = await sendRaw(
    world.port,
    handshake('/admin/ws', 'localhost', `Cookie: ${bob.cookie}\r\nOrigin: ${world.url}\r\n`),
  )
  t.equal(denied.status, 403)
  world.clock.advance(13 * 3_600)
  const expired = await sendRaw(
    world.port,
    handshake('/ws', 'localhost', `Cookie: ${bob.cookie}\r\nOrigin: ${world.url}\r\n`),
  )
  t.equal(expired.status, 401)
  t.same(world.echo.handshakes, [])
})

t.test('an upgrade by cookie needs the Origin of the application or of one that its route lists', async (t) => {
  const world = await echoWorld(t)
  const { cookie } = await headersOf(world)
  const statusFor = async (path: string, origin: string | null): Promise<number> =>
    (
      await sendRaw(
        world.port,
        handshake(path, 'localhost', `Cookie: ${cookie}\r\n${origin === null ? '' : `Origin: ${origin}\r\n`}`),
      )
    ).status
  t.equal(await statusFor('/ws', null), 403)
  t.equal(await statusFor('/ws', 'https://evil.example.com'), 403)
  t.equal(await statusFor('/ws', 'null'), 403)
  t.equal(await statusFor('/ws', 'https://partner.example.com'), 403)
  t.equal(await statusFor('/shared/ws', 'https://evil.example.com'), 403)
  t.same(world.echo.handshakes, [])
  const partner = await openWebSocket(t, `${world.url}/shared/ws`, {
    headers: { cookie, origin: 'https://partner.example.com' },
  })
  t.equal((await partner.say('hello')).toString(), 'hello')
})

t.test('W03: the application is told who is there, and never what a client made up nor our cookie', async (t) => {
  const world = await echoWorld(t)
  const { cookie, origin } = await headersOf(world)
  const opened = await openWebSocket(t, `${world.url}/ws?room=1`, {
    headers: { cookie: `theme=dark; ${cookie}`, origin, 'x-forwarded-user': 'mallory', x_forwarded_user: 'mallory' },
    protocols: ['chat.v1', 'chat.v2'],
  })
  t.equal((await opened.say('hello')).toString(), 'hello')
  t.equal(opened.socket.protocol, 'chat.v2', 'subprotocols pass')
  t.match(opened.socket.extensions, 'permessage-deflate', 'and extensions')
  const { url, headers } = world.echo.handshakes[0] ?? {}
  t.equal(url, '/ws?room=1')
  t.match(headers?.['x-forwarded-user'], /^[\da-f-]{36}$/)
  t.equal(headers?.['x-forwarded-email'], 'alice@example.com')
  t.equal(headers?.['x_forwarded_user'], undefined)
  t.equal(headers?.['cookie'], 'theme=dark')
  t.equal(headers?.['origin'], origin)
  t.equal(headers?.['x-forwarded-for'], '127.0.0.1')
})

t.test("W04: the application's no reaches the client as it is, and never after a 101", async (t) => {
  for (const [answer, status] of [
    ['HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nnope', 403],
    ['HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n', 404],
    ['HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain', 200],
    ['garbage\r\n\r\n', 502],
    [null, 502],
  ] as const) {
    const application = await byteApplication(t, (socket) => {
      if (answer === null) socket.destroy()
      else socket.write(answer)
    })
    const world = await startWorld(t, { upstream: application.url })
    const refused = await sendRaw(world.port, handshake('/public/ws', 'localhost'), { waitForClose: true })
    t.equal(refused.status, status, String(answer))
    t.notMatch(refused.text, '101 Switching')
    t.ok(refused.closed, 'and the connection ends')
  }
})

t.test('W04: an application that does not answer an upgrade gets no more time than any other', async (t) => {
  const application = await byteApplication(t, () => undefined)
  const world = await startWorld(t, {
    settings: {
      applications: { sample: { access: 'public', upstream: { url: application.url, responseSeconds: 1 } } },
    },
  })
  const slow = await sendRaw(world.port, handshake('/ws', 'localhost'), { waitForClose: true })
  t.equal(slow.status, 504)
  await until(() => application.sockets.size === 0)
})

t.test('W05: a route that allows no WebSockets says so', async (t) => {
  const world = await echoWorld(t)
  const { cookie, origin } = await headersOf(world)
  const refused = await sendRaw(
    world.port,
    handshake('/closed/ws', 'localhost', `Cookie: ${cookie}\r\nOrigin: ${origin}\r\n`),
    { waitForClose: true },
  )
  t.equal(refused.status, 501)
  t.equal(refused.header('x-gateway-code'), 'GW_UPGRADE_UNSUPPORTED')
})

t.test('F25: a handshake that is none is refused here, and its connection ends', async (t) => {
  const world = await echoWorld(t)
  const proper = handshake('/public/ws', 'localhost')
  for (const [what, bytes] of [
    ['POST', proper.replace('GET', 'POST')],
    ['HTTP/1.0', proper.replace('HTTP/1.1', 'HTTP/1.0')],
    ['a body', proper.replace('Upgrade: websocket', 'Upgrade: websocket\r\nContent-Length: 2') + 'hi'],
    ['a chunked body', proper.replace('Upgrade: websocket', 'Upgrade: websocket\r\nTransfer-Encoding: chunked')],
    ['a wrong version', proper.replace('Version: 13', 'Version: 8')],
    ['no key', proper.replace(/Sec-WebSocket-Key.*\r\n/, '')],
    ['a malformed key', proper.replace('dGhlIHNhbXBsZSBub25jZQ==', 'x')],
  ] as const) {
    const refused = await sendRaw(world.port, bytes, { waitForClose: true })
    t.equal(refused.status, 400, what)
    t.equal(refused.header('x-gateway-code'), 'GW_REQUEST_REFUSED', what)
  }
  t.same(world.echo.handshakes, [])
})

t.test('F24: an offer of another protocol is ignored, and the request served as any other', async (t) => {
  const world = await startWorld(t)
  const offer = 'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n'
  const get = await sendRaw(world.port, `GET /public/x HTTP/1.1\r\nHost: localhost\r\n${offer}\r\n`)
  t.equal(get.status, 200)
  t.notOk(world.application.last().headers['upgrade'])
  t.notOk(world.application.last().headers['http2-settings'])
  const post = await sendRaw(
    world.port,
    `POST /public/x HTTP/1.1\r\nHost: localhost\r\n${offer}Content-Length: 5\r\n\r\nhello`,
  )
  t.equal(post.status, 200)
  t.equal(world.application.last().body.toString(), 'hello')
  const bare = await sendRaw(world.port, 'GET /public/y HTTP/1.1\r\nHost: localhost\r\nUpgrade: h2c\r\n\r\n')
  t.equal(bare.status, 200)
  const anonymous = await sendRaw(world.port, `GET /x HTTP/1.1\r\nHost: localhost\r\n${offer}\r\n`)
  t.equal(anonymous.status, 401)
})

t.test('F24: an offer is ignored over TLS and behind PROXY protocol too, however often it is made', async (t) => {
  const offer =
    'GET /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n\r\n'
  const proxyHeader = Buffer.from('0d0a0d0a000d0a515549540a2111000c0102030405060708007101bb', 'hex')
  const secure = await startWorld(t, { tls: true })
  const proxied = await startWorld(t, {
    settings: { trustedProxies: [{ cidr: '127.0.0.1/32', proxyProtocol: true }] },
  })
  const plain = await startWorld(t)
  const warnings: string[] = []
  process.on('warning', ({ message }) => warnings.push(message))
  for (const [{ application }, socket] of [
    [secure, connectTls({ port: secure.port, host: '127.0.0.1', rejectUnauthorized: false })],
    [proxied, connect(proxied.port, '127.0.0.1')],
    [plain, connect(plain.port, '127.0.0.1')],
  ] as const) {
    t.teardown(() => socket.destroy())
    if (application === proxied.application) socket.write(proxyHeader)
    for (let nth = 1; nth <= 20; nth += 1) {
      socket.write(offer)
      t.match(String(await once(socket, 'data')), /^HTTP\/1\.1 200 OK/)
      t.equal(application.seen.length, nth)
    }
  }
  t.equal(proxied.application.last().headers['x-forwarded-for'], '1.2.3.4')
  t.same(warnings, [], 'nothing piles up on the connection')
})

t.test('F26: what follows a failed upgrade in the same packet is never executed', async (t) => {
  const world = await startWorld(t)
  const second = 'GET /public/second HTTP/1.1\r\nHost: localhost\r\n\r\n'
  const answer = await sendRaw(world.port, handshake('/x', 'localhost') + second, { waitForClose: true })
  t.equal(answer.status, 401)
  t.equal(answer.text.match(/HTTP\/1\.1/g)?.length, 1)
  t.same(world.application.seen, [])
})

t.test('W13: bytes that come with the upgrade reach the application in order, after its yes only', async (t) => {
  let before = ''
  const application = await byteApplication(t, (socket, heard) => {
    if (heard.endsWith('\r\n\r\n')) {
      before = heard
      socket.write(
        'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n',
      )
    } else if (heard.endsWith('first second')) socket.write('all')
  })
  const world = await startWorld(t, { upstream: application.url })
  const { socket, received } = openBytes(t, world.port)
  socket.write(`${handshake('/public/ws', 'localhost')}first `)
  await until(() => received().includes('101 Switching'))
  socket.write('second')
  await until(() => received().endsWith('all'))
  t.notMatch(before, 'first')
})

t.test('W08: a reader that does not read slows the sender down, in both directions', async (t) => {
  const megabyte = Buffer.alloc(1_048_576)
  let stopped = 0
  const application = await byteApplication(t, (socket, heard) => {
    if (!heard.endsWith('\r\n\r\n')) return
    socket.removeAllListeners('data')
    socket.pause()
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    // 64 MiB, as fast as the gateway takes them, to a client that reads nothing.
    while (stopped < 64 && socket.write(megabyte)) stopped += 1
  })
  const world = await startWorld(t, { upstream: application.url })
  const { socket } = openBytes(t, world.port)
  socket.write(handshake('/public/ws', 'localhost'))
  await once(socket, 'data')
  socket.pause()
  const before = process.memoryUsage().rss
  let sent = 0
  while (sent < 64 && socket.write(megabyte)) sent += 1
  await new Promise((resolve) => setImmediate(resolve))
  const [side] = application.sockets
  t.ok((side?.writableLength ?? 0) > 0 || stopped < 64, 'the application has to wait')
  t.ok(socket.writableLength > 0, 'and so has the client')
  t.ok(process.memoryUsage().rss - before < 200 * 1_048_576)
})

t.test('W09: frames are passed on unread: long ones, pings, and what is no frame at all', async (t) => {
  const world = await echoWorld(t)
  const opened = await openWebSocket(t, `${world.url}/public/ws`)
  const long = Buffer.alloc(20 * 1_048_576, 7)
  t.ok((await opened.say(long)).equals(long))
  for (let nth = 0; nth < 20; nth += 1) opened.socket.ping()
  t.equal((await opened.say('still here')).toString(), 'still here')
})

t.test('W07: a sign-out closes the WebSockets of its session with 4401, at the application too', async (t) => {
  const world = await echoWorld(t)
  const browser = world.client()
  await browser.signIn(`${world.url}/oauth2/start?rd=/public/x`)
  const mine = { cookie: cookieIn(world, browser), origin: world.url }
  const opened = await openWebSocket(t, `${world.url}/ws`, { headers: mine })
  const others = await openWebSocket(t, `${world.url}/ws`, { headers: await headersOf(world, 'bob') })
  t.match(await world.metrics(), 'cognito_gateway_websockets_open 2')
  t.match(await world.metrics(), 'cognito_gateway_requests_in_flight 0', 'an upgrade is over when the tunnel stands')
  await browser.submit(await browser.visit(`${world.url}/oauth2/sign_out`), {}, { follow: false })
  t.same(await opened.closed, [4401, 'session ended'])
  await until(() => world.echo.open.size === 1)
  t.equal((await others.say('hello')).toString(), 'hello', 'those of other sessions go on')
  await until(async () => (await world.metrics()).includes('cognito_gateway_websockets_open 1'))
  const lines = world.log.map((line) => JSON.parse(line)).filter(({ event }) => event === 'web_socket_closed')
  t.match(lines, [{ reason: 'session_ended', route: 'sample', bytesIn: Number, bytesOut: Number }])
  t.equal(world.log.filter((line) => JSON.parse(line).status === 101).length, 2, 'one line for each upgrade')
})

t.test('W07: a WebSocket ends with the age of its session', async (t) => {
  const world = await echoWorld(t)
  const opened = await openWebSocket(t, `${world.url}/ws`, { headers: await headersOf(world) })
  world.clock.advance(13 * 3_600)
  t.same(await opened.closed, [4401, 'session ended'])
})

t.test('a WebSocket is decided again when the claims of its session are renewed', async (t) => {
  const world = await echoWorld(t)
  const browser = world.client()
  await browser.signIn(`${world.url}/oauth2/start?rd=/public/x`)
  const admin = await openWebSocket(t, `${world.url}/admin/ws`, {
    headers: { cookie: cookieIn(world, browser), origin: world.url },
  })
  world.pool.setUser('alice', { groups: ['ops'] })
  world.clock.advance(301)
  t.equal((await browser.ask(`${world.url}/`)).status, 200)
  t.same(await admin.closed, [4403, 'access lost'])
})

t.test('a WebSocket that a bearer token opened is not tied to a session that came along', async (t) => {
  const world = await echoWorld(t)
  const browser = world.client()
  await browser.signIn(`${world.url}/oauth2/start?rd=/public/x`)
  const { issuer } = world.pool
  const granted = await fetch(`${new URL(issuer).origin}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&client_id=orders-batch&client_secret=orders-batch-secret',
  })
  const { access_token: token } = (await granted.json()) as { access_token: string }
  const headers = { cookie: cookieIn(world, browser), origin: world.url }
  const machine = await openWebSocket(t, `${world.url}/api/orders/ws`, {
    headers: { ...headers, authorization: `Bearer ${token}` },
  })
  const person = await openWebSocket(t, `${world.url}/ws`, { headers })
  await browser.submit(await browser.visit(`${world.url}/oauth2/sign_out`), {}, { follow: false })
  t.same(await person.closed, [4401, 'session ended'])
  t.equal(String(await Promise.race([machine.say('still here'), machine.closed])), 'still here')
})

t.test('W11: a session has as many WebSockets as its route allows, and gets 429 for more', async (t) => {
  const world = await echoWorld(t)
  const headers = await headersOf(world)
  const first = await openWebSocket(t, `${world.url}/few/ws`, { headers })
  await openWebSocket(t, `${world.url}/few/ws`, { headers })
  await t.rejects(openWebSocket(t, `${world.url}/few/ws`, { headers }), /refused with 429/)
  first.socket.close()
  await first.closed
  await until(async () => (await world.metrics()).includes('cognito_gateway_websockets_open 1'))
  await t.resolves(openWebSocket(t, `${world.url}/few/ws`, { headers }))
})

t.test(
  'W12: a gateway that stops closes WebSockets with 1001, and does not wait for those who never answer',
  async (t) => {
    const world = await echoWorld(t)
    const headers = await headersOf(world)
    const polite = await openWebSocket(t, `${world.url}/ws`, { headers })
    const { socket, received } = openBytes(t, world.port)
    socket.write(handshake('/public/ws', 'localhost'))
    await until(() => received().includes('101 Switching'))
    socket.pause()
    const drained = world.gateway.drain()
    t.same(await polite.closed, [1001, 'going away'])
    await drained
    t.pass()
  },
)

t.test('a WebSocket that is silent for longer than its route allows is closed with 1001', async (t) => {
  const world = await echoWorld(t, {
    settings: { defaults: { webSocket: { idleSeconds: 1 } } },
  })
  const opened = await openWebSocket(t, `${world.url}/public/ws`)
  t.same(await opened.closed, [1001, 'idle'])
})

t.test('a client that leaves before the application has answered takes its upgrade with it', async (t) => {
  const application = await byteApplication(t, () => undefined)
  const world = await startWorld(t, { upstream: application.url })
  const { socket } = openBytes(t, world.port)
  socket.write(handshake('/public/ws', 'localhost'))
  await until(() => application.sockets.size === 1)
  socket.resetAndDestroy()
  await until(() => application.sockets.size === 0)
  t.pass()
})

t.test('an event stream ends with its session, and its client is then asked who it is', async (t) => {
  const world = await startWorld(t, {
    answer: (request, response) => {
      if (request.url !== '/events') {
        response.end()
        return
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: hello\n\n')
    },
  })
  const browser = world.client()
  await browser.signIn(`${world.url}/oauth2/start?rd=/`)
  const cookie = cookieIn(world, browser)
  const { socket, received } = openBytes(t, world.port)
  socket.write(`GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`)
  await until(() => received().includes('data: hello'))
  const ended = once(socket, 'close')
  await browser.submit(await browser.visit(`${world.url}/oauth2/sign_out`), {}, { follow: false })
  await ended
  const again = await sendRaw(world.port, `GET /events HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n\r\n`)
  t.equal(again.status, 401)
})

t.test('F10: who may send a body is decided before it is asked for', async (t) => {
  const world = await startWorld(t)
  const expect = (path: string): string =>
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\nConnection: close\r\n\r\n`
  const refused = await sendRaw(world.port, expect('/x'), { waitForClose: true })
  t.equal(refused.status, 401)
  t.notMatch(refused.text, '100 Continue')
  t.same(world.application.seen, [])
  const { socket, received } = openBytes(t, world.port)
  socket.write(expect('/public/x'))
  await until(() => received().startsWith('HTTP/1.1 100 Continue'))
  socket.write('hello')
  await until(() => received().includes('HTTP/1.1 200 OK'))
  t.equal(world.application.last().body.toString(), 'hello')
  t.notOk(world.application.last().headers['expect'])
})
