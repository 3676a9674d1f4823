import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { pathOf, startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw, type RawAnswer } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

// Limits are whole seconds: what waits for one side runs beside what waits for another.
t.jobs = 6

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const post = (path: string, length: number | 'chunked', body = ''): string =>
  `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${length === 'chunked' ? 'Transfer-Encoding: chunked' : `Content-Length: ${length}`}\r\n\r\n${body}`
const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

const limitedTo = (route: object, upstream: object = {}): object => ({
  settings: {
    applications: { app: { access: 'public', ...route, upstream: { url: '%UPSTREAM%', breaker: 'off', ...upstream } } },
  },
})

interface Sending {
  readonly socket: Socket
  /** All that came back, once the server has closed the connection. */
  readonly answer: Promise<RawAnswer['text']>
}

/** A client that keeps its connection for as long as the server lets it. */
function send(t: Teardown, { port }: World, bytes: string): Sending {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  t.teardown(() => socket.destroy())
  let text = ''
  socket.on('data', (chunk) => (text += chunk.toString('latin1')))
  socket.on('error', () => undefined)
  socket.write(bytes)
  const answer = new Promise<string>((resolve) => {
    socket.once('end', () => resolve(text))
    socket.once('close', () => resolve(text))
  })
  return { socket, answer }
}

/** Lines are written when an answer is over, which its client may see earlier. */
async function logged({ log }: World, text: string, times = 1): Promise<void> {
  await until(() => log.filter((line) => line.includes('"event":"request"') && line.includes(text)).length >= times)
}

t.test('a body that says that it is too long is refused before the application is asked', async (t) => {
  const world = await startWorld(t, limitedTo({ limits: { bodyBytes: 1_000 } }))
  const refused = await send(t, world, post('/up', 1_001)).answer
  t.match(refused, /^HTTP\/1\.1 413 /)
  t.match(refused, /connection: close/i)
  t.match(refused, /GW_BODY_TOO_LARGE/)
  t.equal(world.application.seen.length, 0)
  t.equal((await sendRaw(world.port, post('/up', 1_000, 'x'.repeat(1_000)))).status, 200, 'the limit itself passes')
})

t.test(
  'D06 a body that does not say how long it is is counted, and the application is left alone with it',
  async (t) => {
    let broken: (() => void) | undefined
    const abandoned = new Promise<void>((resolve) => (broken = resolve))
    const application = await startRawApplication(t, (socket) => socket.once('close', () => broken?.()))
    const world = await startWorld(t, { upstream: application.url, ...limitedTo({ limits: { bodyBytes: 100_000 } }) })
    const chunk = `4000\r\n${'x'.repeat(0x4000)}\r\n`
    const sending = send(t, world, post('/up', 'chunked', chunk))
    const more = (): void => {
      if (!sending.socket.destroyed && sending.socket.writable) sending.socket.write(chunk, () => setImmediate(more))
    }
    more()
    const refused = await sending.answer
    await abandoned
    t.match(refused, /^HTTP\/1\.1 413 /)
    t.match(refused, /GW_BODY_TOO_LARGE/)
    t.match(refused, /connection: close/i)
  },
)

t.test('D02 a body that pauses or trickles is given up, and the application with it', async (t) => {
  let broken = 0
  let both: (() => void) | undefined
  const abandoned = new Promise<void>((resolve) => (both = resolve))
  const application = await startRawApplication(t, (socket) =>
    socket.once('close', () => {
      broken += 1
      if (broken === 2) both?.()
    }),
  )
  const clientBody = { idleSeconds: 2, minBytesPerSecond: 500 }
  const world = await startWorld(t, { upstream: application.url, ...limitedTo({ limits: { clientBody } }) })
  const pausing = send(t, world, post('/pause', 10_000, 'x'.repeat(5_000)))
  const trickling = send(t, world, post('/trickle', 10_000, 'x'))
  const drops = setInterval(() => trickling.socket.write('x'), 100)
  t.teardown(() => clearInterval(drops))
  for (const { answer } of [pausing, trickling]) {
    const refused = await answer
    t.match(refused, /^HTTP\/1\.1 408 /)
    t.match(refused, /GW_REQUEST_TIMEOUT/)
  }
  await abandoned
  await logged(world, '"reason":"client_body_idle"')
  await logged(world, '"reason":"client_body_slow"')
})

t.test('an upload that is steady takes as long as it takes', async (t) => {
  const clientBody = { idleSeconds: 1, minBytesPerSecond: 500 }
  const world = await startWorld(t, limitedTo({ limits: { clientBody } }, { responseSeconds: 1, idleSeconds: 1 }))
  const { socket } = send(t, world, post('/up', 40_000))
  const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())))
  let sent = 0
  const steady = setInterval(() => {
    socket.write('x'.repeat(1_000))
    sent += 1_000
    if (sent === 40_000) clearInterval(steady)
  }, 100)
  t.teardown(() => clearInterval(steady))
  t.match(await answered, /^HTTP\/1\.1 200 /)
  t.equal(world.application.last().body.length, 40_000)
})

t.test('responseSeconds begin when the body has ended', async (t) => {
  const application = await startRawApplication(t, () => undefined)
  const world = await startWorld(t, { upstream: application.url, ...limitedTo({}, { responseSeconds: 1 }) })
  const { socket } = send(t, world, post('/up', 3, 'a'))
  const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())))
  const began = performance.now()
  const parts = setInterval(() => {
    socket.write('b')
    if (performance.now() - began > 2_400) clearInterval(parts)
  }, 1_250)
  t.teardown(() => clearInterval(parts))
  t.match(await answered, /^HTTP\/1\.1 504 /)
  t.ok(performance.now() - began > 3_000, 'the upload took longer than responseSeconds and was not cut')
})

t.test('totalSeconds end an exchange however busy it is', async (t) => {
  const application = await startRawApplication(t, (socket) => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
    const drops = setInterval(() => socket.write('1\r\nx\r\n'), 50)
    socket.once('close', () => clearInterval(drops))
  })
  const world = await startWorld(t, { upstream: application.url, ...limitedTo({}, { totalSeconds: 1 }) })
  const cut = await send(t, world, get('/x')).answer
  t.match(cut, /^HTTP\/1\.1 200 /)
  t.notMatch(cut, /\r\n0\r\n\r\n$/, 'it never looks complete')
  await logged(world, '"reason":"upstream_total"')
})

t.test('idleSeconds end an answer that stands still, and one that nobody has begun yet', async (t) => {
  const application = await startRawApplication(t, (socket, request) => {
    if (pathOf(request) === '/begun') socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n')
    if (pathOf(request) === '/held') socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nx')
  })
  const world = await startWorld(t, {
    upstream: application.url,
    ...limitedTo({}, { idleSeconds: 1, responseSeconds: 1 }),
  })
  const begun = send(t, world, get('/begun'))
  const held = send(t, world, get('/held'))
  t.notMatch(await begun.answer, /\r\n0\r\n\r\n$/)
  const { socket } = held
  t.match(await new Promise((resolve) => socket.once('data', (data) => resolve(data.toString()))), /^HTTP\/1\.1 504 /)
  await logged(world, '"reason":"upstream_idle"', 2)
})

t.test('D03 a client that does not read gives up its answer after idleSeconds', async (t) => {
  let broken: (() => void) | undefined
  const abandoned = new Promise<void>((resolve) => (broken = resolve))
  const application = await startRawApplication(t, (socket) => {
    socket.once('close', () => broken?.())
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${256 * 1_048_576}\r\n\r\n`)
    socket.write(Buffer.alloc(64 * 1_048_576))
  })
  const world = await startWorld(t, { upstream: application.url, ...limitedTo({}, { idleSeconds: 1 }) })
  const { socket } = send(t, world, get('/big'))
  socket.pause()
  await abandoned
  await logged(world, '"reason":"upstream_client_not_reading"')
  t.pass('the application was told, and the log says why')
})

t.test('D03 a short answer that is not read is given up as well, though its application is done with it', async (t) => {
  const application = await startRawApplication(t, (socket) =>
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n${'x'.repeat(60_000)}`),
  )
  const options = { upstream: application.url, ...limitedTo({}, { idleSeconds: 1 }) }
  const plain = await startWorld(t, options)
  // More than the buffers of both systems take.
  send(t, plain, get('/short').repeat(95)).socket.pause()
  const secure = await startWorld(t, { ...options, tls: true, listen: { http2: true } })
  const session = connectHttp2(secure.url, { ca: secure.certificate?.cert, settings: { initialWindowSize: 1_000 } })
  t.teardown(() => session.destroy())
  session.request({ ':path': '/short' }).on('error', () => undefined)
  for (const world of [plain, secure]) {
    await logged(world, '"reason":"upstream_client_not_reading"')
    await until(async () => (await world.metrics()).includes('requests_in_flight 0'))
  }
  t.equal((await sendRaw(plain.port, get('/short'))).body.length, 60_000)
})

t.test('who finds the queue full is told at once when to come back', async (t) => {
  const application = await startRawApplication(t, () => undefined)
  const world = await startWorld(t, {
    upstream: application.url,
    ...limitedTo({}, { connections: 1, queue: 1, responseSeconds: 1 }),
  })
  const first = send(t, world, get('/first'))
  const second = send(t, world, get('/second'))
  await until(async () => (await world.metrics()).includes('requests_in_flight 2'))
  const third = await sendRaw(world.port, get('/third'))
  t.equal(third.status, 503)
  t.equal(third.header('retry-after'), '5')
  t.equal(JSON.parse(third.body).code, 'GW_OVERLOADED')
  for (const { socket } of [first, second]) {
    const answer = await new Promise<string>((resolve) => socket.once('data', (data) => resolve(data.toString())))
    t.match(answer, /^HTTP\/1\.1 50[34] /, 'and nobody waits for ever')
  }
})

t.test('D02 D07 the form of the gateway itself is bounded in size and in time', async (t) => {
  const world = await startWorld(t)
  const form = (length: number | 'chunked', body: string): string =>
    post('/oauth2/sign_out', length, body).replace(
      '\r\n\r\n',
      '\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n',
    )
  const slow = send(t, world, form(100, 'x'))
  const endless = send(t, world, form('chunked', `4000\r\n${'x'.repeat(0x4000)}\r\n`))
  const more = setInterval(() => endless.socket.write('10\r\nxxxxxxxxxxxxxxxx\r\n'), 20)
  t.teardown(() => clearInterval(more))
  t.match(await endless.answer, /^HTTP\/1\.1 413 /)
  const refused = await slow.answer
  t.match(refused, /^HTTP\/1\.1 408 /)
  t.match(refused, /connection: close/i)
})

t.test(
  'RL31 an early answer reaches a client that is still sending, and the connection is not kept for the rest',
  async (t) => {
    const application = await startRawApplication(t, (socket, request) =>
      socket.write(pathOf(request) === '/up' ? 'HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\n\r\nlarge' : ok),
    )
    const world = await startWorld(t, { upstream: application.url, ...limitedTo({}) })
    const { socket, answer } = send(t, world, post('/up', 100_000_000))
    let sent = 0
    const more = (): void => {
      sent += 1
      if (!socket.destroyed && socket.writable && sent < 100_000)
        socket.write('x'.repeat(10_000), () => setImmediate(more))
    }
    more()
    const got = await answer
    t.match(got, /^HTTP\/1\.1 413 [\s\S]*\r\n\r\nlarge$/)
    t.match(got, /connection: close/i)
    t.equal((await sendRaw(world.port, get('/next'))).body, 'ok')
  },
)

t.test('who goes on sending after its answer is not listened to for long', async (t) => {
  const application = await startRawApplication(t, (socket) => socket.write(ok))
  const world = await startWorld(t, { upstream: application.url, ...limitedTo({}) })
  for (const path of ['/up', '/oauth2/ping']) {
    const { socket, answer } = send(t, world, post(path, 1_000_000, 'x').replace('POST /oauth2', 'GET /oauth2'))
    const drops = setInterval(() => socket.write('x'), 50)
    t.teardown(() => clearInterval(drops))
    await answer
    t.ok(await new Promise((resolve) => socket.once('close', () => resolve(true))), `${path}: closed for good`)
  }
})
