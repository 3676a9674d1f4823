import { once } from 'node:events'
import { constants, type ClientHttp2Stream } from 'node:http2'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { connectHttp2 } from '../helpers/http2.ts'
import { pathOf, startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const post = (path: string, sent: string): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000000\r\n\r\n${sent}`
const fine = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** Whether nothing more has come there for a while. */
const standsStill = (() => {
  const progress = new WeakMap<Socket, { bytes: number; since: number }>()
  return (socket: Socket): boolean => {
    const before = progress.get(socket)
    if (before?.bytes === socket.bytesRead) return performance.now() - before.since > 200
    progress.set(socket, { bytes: socket.bytesRead, since: performance.now() })
    return false
  }
})()

/** What the application says to each path before the client leaves; to any other it says nothing. */
const answers: Readonly<Record<string, string>> = {
  '/fine': fine,
  '/held': 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it',
  '/streaming': 'HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\nsome of it',
  '/events': 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n',
}

interface Phase {
  readonly name: string
  readonly bytes: string
  /** Whether the client is in the middle of this phase. */
  readonly reached: (seen: { heard: string; received: string; carrier: Socket }) => boolean
}

const phases: readonly Phase[] = [
  {
    name: 'its body is on the way',
    bytes: post('/upload', 'x'.repeat(100_000)),
    reached: ({ heard }) => heard.length > 90_000,
  },
  {
    name: 'the application does not take its body',
    bytes: post('/unread', 'x'.repeat(9_000_000)),
    reached: ({ heard, carrier }) => heard.includes('/unread') && standsStill(carrier),
  },
  {
    name: 'the application has not answered',
    bytes: get('/silent'),
    reached: ({ heard }) => heard.endsWith('\r\n\r\n'),
  },
  { name: 'a short answer is half there', bytes: get('/held'), reached: ({ heard }) => heard.endsWith('\r\n\r\n') },
  {
    name: 'its answer is on the way',
    bytes: get('/streaming'),
    reached: ({ received }) => received.endsWith('some of it'),
  },
  {
    name: 'it follows an event stream',
    bytes: get('/events'),
    reached: ({ received }) => received.includes('data: 1'),
  },
]

/** One connection to the application, and a circuit that one failure opens: whatever is left over of a request shows in the next one. */
const narrow = (url: string, more: object = {}) => ({
  settings: {
    applications: {
      app: {
        access: 'public',
        upstream: { url, connections: 1, queue: 1, breaker: { failures: 1, openSeconds: 60 }, ...more },
      },
    },
  },
})

async function startNarrowWorld(t: Teardown) {
  const heard = new Map<Socket, string>()
  const application = await startRawApplication(t, (socket, request) => {
    if (!heard.has(socket)) {
      socket.on('data', (chunk) => heard.set(socket, (heard.get(socket) ?? '') + chunk.toString('latin1')))
      socket.on('close', () => heard.delete(socket))
    }
    heard.set(socket, request)
    if (pathOf(request) === '/unread') socket.pause()
    socket.write(answers[pathOf(request)] ?? '')
  })
  return { ...(await startWorld(t, narrow(application.url))), heard }
}

/** Milliseconds until it holds. */
async function timeUntil(holds: () => boolean): Promise<number> {
  const began = performance.now()
  await until(holds)
  return performance.now() - began
}

const disconnectsIn = (metrics: string): number =>
  Number(/client_disconnects_total\{route="app"\} (\d+)/.exec(metrics)?.[1] ?? 0)

for (const { name, bytes, reached } of phases) {
  t.test(`RL04 D09 a client that leaves while ${name} takes its request with it within 100 ms`, async (t) => {
    const world = await startNarrowWorld(t)
    const times: number[] = []
    for (let nth = 1; nth <= 3; nth += 1) {
      const client = connect(world.port, '127.0.0.1')
      client.on('error', () => undefined)
      let received = ''
      client.on('data', (chunk) => (received += chunk.toString('latin1')))
      client.write(bytes)
      await until(() => [...world.heard].some(([socket, heard]) => reached({ heard, received, carrier: socket })))
      const carrier = [...world.heard.keys()].at(-1)
      // A paused socket is not told of its end.
      setImmediate(() => carrier?.resume())
      client.resetAndDestroy()
      times.push(await timeUntil(() => carrier?.destroyed !== false))
      t.match(await sendRaw(world.port, get('/fine')), { status: 200, body: 'ok' }, 'the connection is free')
      await until(async () => disconnectsIn(await world.metrics()) === nth)
    }
    // The machine may have something else to do once, but not each time.
    t.ok(Math.min(...times) < 100, `${times.map(Math.round).join(', ')} ms`)
    t.notMatch(await world.metrics(), /upstream_errors_total\{route="app"/, 'and the application is not blamed')
  })
}

t.test('RL04 a client that leaves the queue makes room at once, and is never asked for', async (t) => {
  const world = await startNarrowWorld(t)
  const holder = connect(world.port, '127.0.0.1')
  holder.on('error', () => undefined)
  holder.write(get('/silent'))
  await until(() => [...world.heard.values()].some((text) => text.includes('/silent')))
  const times: number[] = []
  for (let nth = 1; nth <= 3; nth += 1) {
    const waiting = connect(world.port, '127.0.0.1')
    waiting.on('error', () => undefined)
    waiting.write(get('/queued'))
    await until(async () => (await world.metrics()).includes('requests_in_flight 2'))
    t.equal((await sendRaw(world.port, get('/fine'))).status, 503, 'the only place is taken')
    const began = performance.now()
    waiting.resetAndDestroy()
    await until(async () => (await world.metrics()).includes('requests_in_flight 1'))
    times.push(performance.now() - began)
  }
  t.ok(Math.min(...times) < 100, `${times.map(Math.round).join(', ')} ms`)
  const next = sendRaw(world.port, get('/fine'))
  await until(async () => (await world.metrics()).includes('requests_in_flight 2'))
  holder.resetAndDestroy()
  t.match(await next, { status: 200, body: 'ok' }, 'who waits now is next')
  t.notOk([...world.heard.values()].some((text) => text.includes('/queued')))
})

t.test('RL04 a client that leaves while the gateway connects takes the connection with it', async (t) => {
  const sockets: Socket[] = []
  // It lets TCP in and never says a word of TLS.
  const application = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.resume()
  })
  await new Promise<void>((resolve) => {
    application.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => application.close())
  const { port } = application.address() as AddressInfo
  const world = await startWorld(t, narrow(`https://127.0.0.1:${port}`))
  const times: number[] = []
  for (let nth = 1; nth <= 3; nth += 1) {
    const client = connect(world.port, '127.0.0.1')
    client.on('error', () => undefined)
    client.write(get('/x'))
    await until(() => sockets.length === nth)
    client.resetAndDestroy()
    times.push(await timeUntil(() => sockets.at(-1)?.destroyed === true))
  }
  t.ok(Math.min(...times) < 100, `${times.map(Math.round).join(', ')} ms`)
  t.notMatch(await world.metrics(), /upstream_errors_total\{route="app"/)
})

async function startHttp2World(t: Teardown) {
  const closed = new Set<string>()
  const application = await startRawApplication(t, (socket, request) => {
    socket.write(answers[pathOf(request)] ?? '')
    socket.once('close', () => closed.add(pathOf(request)))
  })
  const world = await startWorld(t, {
    tls: true,
    listen: { http2: true },
    settings: { applications: { app: { access: 'public', upstream: application.url } } },
  })
  const session = await connectHttp2(t, world.url, world.certificate?.cert ?? '')
  const open = (path: string, method = 'GET'): ClientHttp2Stream => {
    const stream = session.request({ ':path': path, ':method': method }, { endStream: method === 'GET' })
    stream.on('error', () => undefined)
    return stream
  }
  const streams = {
    '/events': open('/events'),
    '/silent': open('/silent'),
    '/streaming': open('/streaming'),
    '/upload': open('/upload', 'POST'),
  }
  streams['/upload'].write('x'.repeat(50_000))
  await Promise.all([once(streams['/events'], 'data'), once(streams['/streaming'], 'data')])
  await until(() => application.connections.length === 4)
  return { ...world, session, streams, closed }
}

t.test('RL04 over HTTP/2 a stream that is reset takes its request with it, and no other stream', async (t) => {
  const { streams, closed, metrics } = await startHttp2World(t)
  const times: number[] = []
  for (const path of ['/silent', '/streaming', '/upload'] as const) {
    streams[path].close(constants.NGHTTP2_CANCEL)
    times.push(await timeUntil(() => closed.has(path)))
  }
  t.ok(Math.min(...times) < 100, `${times.map(Math.round).join(', ')} ms`)
  t.notOk(closed.has('/events'))
  await until(async () => disconnectsIn(await metrics()) === 3)
})

t.test('RL04 over HTTP/2 a client that ends its connection takes all its requests with it', async (t) => {
  const { session, closed, metrics } = await startHttp2World(t)
  session.destroy()
  await until(() => closed.size === 4)
  await until(async () => (await metrics()).includes('requests_in_flight 0'))
  t.equal(disconnectsIn(await metrics()), 4)
})
