import { constants, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2'
import t from 'tap'
import { ask, connectHttp2 } from '../helpers/http2.ts'
import { pathOf, startRawApplication } from '../helpers/raw-application.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

// Limits are whole seconds: what waits for one runs beside what waits for another.
t.jobs = 5

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** A world over HTTP/2 with one open route, and an application that answers as soon as it hears of a request. */
async function openWorld(t: Teardown, route: object, upstream: object = {}) {
  const [heard, closed] = [new Set<string>(), new Set<string>()]
  const application = await startRawApplication(t, (socket, request) => {
    const path = pathOf(request)
    heard.add(path)
    if (path === '/deaf') socket.pause()
    else if (path === '/early') socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge')
    else if (path !== '/waits') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    socket.once('close', () => closed.add(path))
  })
  const world = await startWorld(t, {
    tls: true,
    listen: { http2: true },
    settings: {
      applications: {
        app: { access: 'public', ...route, upstream: { url: application.url, breaker: 'off', ...upstream } },
      },
    },
  })
  return { ...world, heard, closed, session: await connectHttp2(t, world.url, world.certificate?.cert ?? '') }
}

interface Upload {
  readonly stream: ClientHttp2Stream
  /** Status and body, once the stream is over. */
  readonly answer: Promise<{ readonly status: number; readonly text: string }>
  sent(): number
}

/** Sends for as long as it is let. */
function upload(session: ClientHttp2Session, path: string): Upload {
  const stream = session.request({ ':path': path, ':method': 'POST' })
  let [status, text, sent] = [0, '', 0]
  const piece = Buffer.alloc(16_384)
  const more = (): void => {
    sent += piece.length
    if (stream.writable && sent < 100_000_000) stream.write(piece, more)
  }
  stream.on('response', (headers) => (status = Number(headers[':status'])))
  stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  stream.on('error', () => undefined)
  const answer = new Promise<{ status: number; text: string }>((resolve) => {
    stream.once('end', () => resolve({ status, text }))
    stream.once('close', () => resolve({ status, text }))
  })
  more()
  return { stream, answer, sent: () => sent }
}

t.test('D06 over HTTP/2 a body is counted too: the stream gets 413, the connection stays', async (t) => {
  const { session, heard, closed } = await openWorld(t, { limits: { bodyBytes: 100_000 } })
  const stated = session.request({ ':path': '/waits', ':method': 'POST', 'content-length': 100_001 })
  stated.on('error', () => undefined)
  const status = new Promise((resolve) => stated.once('response', (headers) => resolve(headers[':status'])))
  stated.write('x')
  t.equal(await status, 413)
  t.equal(heard.size, 0, 'the application was not asked')
  const counted = upload(session, '/waits')
  t.match(await counted.answer, { status: 413, text: /GW_BODY_TOO_LARGE/ })
  await until(() => closed.has('/waits'))
  t.match(await ask(session, { ':path': '/next' }), { status: 200, text: 'ok' })
  t.notOk(session.closed)
})

t.test(
  'RL31 over HTTP/2 an early answer reaches a client that is still sending, and the connection stays',
  async (t) => {
    const { session, closed } = await openWorld(t, {})
    const beside = ask(session, { ':path': '/beside' })
    const early = upload(session, '/early')
    t.match(await early.answer, { status: 413, text: 'large' })
    await until(() => early.stream.aborted)
    t.ok(early.sent() < 50_000_000, `told to stop after ${early.sent()} bytes`)
    await until(() => closed.has('/early'))
    t.equal((await beside).text, 'ok')
    t.match(await ask(session, { ':path': '/next' }), { status: 200, text: 'ok' })
    t.notOk(session.closed)
  },
)

t.test(
  'RL30 over HTTP/2 an upload that its application never reads ends with 504, and is held back meanwhile',
  async (t) => {
    const { session, closed } = await openWorld(t, {}, { idleSeconds: 1 })
    const before = process.memoryUsage().rss
    const unread = upload(session, '/deaf')
    t.match(await unread.answer, { status: 504, text: /GW_UPSTREAM_TIMEOUT/ })
    t.ok(unread.sent() < 50_000_000, `${unread.sent()} bytes were taken`)
    t.ok(process.memoryUsage().rss - before < 150 * 1_048_576)
    t.match(await ask(session, { ':path': '/next' }), { status: 200, text: 'ok' })
    t.notOk(closed.has('/next'))
  },
)

t.test('D02 over HTTP/2 a body that pauses is given up, and no other stream with it', async (t) => {
  const { session, closed } = await openWorld(t, { limits: { clientBody: { idleSeconds: 1 } } })
  const stream = session.request({ ':path': '/waits', ':method': 'POST' })
  stream.on('error', () => undefined)
  stream.write('x')
  const status = new Promise((resolve) => stream.once('response', (headers) => resolve(headers[':status'])))
  t.equal(await status, 408)
  await until(() => closed.has('/waits'))
  t.match(await ask(session, { ':path': '/next' }), { status: 200, text: 'ok' })
})

t.test('F33 over HTTP/2 a body that is cut off never looks whole to the application', async (t) => {
  const { session, heard, closed, log } = await openWorld(t, {})
  const stream = session.request({ ':path': '/waits', ':method': 'POST', 'content-length': 10 })
  stream.on('error', () => undefined)
  stream.write('abc')
  await until(() => heard.has('/waits'))
  stream.close(constants.NGHTTP2_CANCEL)
  await until(() => closed.has('/waits'))
  await until(() => log.some((line) => line.includes('"path":"/waits"') && line.includes('"aborted":true')))
  t.match(await ask(session, { ':path': '/next' }), { status: 200, text: 'ok' })
})
