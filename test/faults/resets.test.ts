import { once } from 'node:events'
import type { Socket } from 'node:net'
import t from 'tap'
import { startCountingApplication, type WholeRequest } from '../helpers/counting-application.ts'
import { ask, connectHttp2 } from '../helpers/http2.ts'
import { openRawConnection, sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { openBytes } from '../helpers/web-socket.ts'
import { startWorld, type WorldOptions } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

type Speak = (socket: Socket, request: WholeRequest) => void

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const fine = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

async function faultyWorld(t: Teardown, speak: Speak, more: WorldOptions = {}) {
  const application = await startCountingApplication(t, { speak })
  const settings = { applications: { app: { access: 'public', upstream: { url: application.url, breaker: 'off' } } } }
  return { ...(await startWorld(t, { settings, ...more })), application }
}

/** Sends what is given, and then a reset instead of an end. */
function resetAfter(socket: Socket, bytes: string): void {
  if (bytes === '') socket.resetAndDestroy()
  else socket.write(bytes, 'latin1', () => socket.resetAndDestroy())
}

const failuresIn = (metrics: string, reason: string): number =>
  Number(new RegExp(`upstream_errors_total\\{route="app",reason="${reason}"\\} (\\d+)`).exec(metrics)?.[1] ?? 0)

for (const length of [1_000, 1_000_000]) {
  t.test(
    `RL01 an answer of ${length} bytes that is reset on its way never looks whole, wherever that happens`,
    async (t) => {
      const head = `HTTP/1.1 200 OK\r\nContent-Length: ${length}\r\n\r\n`
      const { port, application, metrics } = await faultyWorld(t, (socket, { path }) => {
        if (path === '/fine') socket.write(fine)
        else resetAfter(socket, head + 'x'.repeat(Number(path.slice(1))))
      })
      let failures = 0
      for (const sent of [0, 1, length / 2, length - 1]) {
        t.equal((await sendRaw(port, get('/fine'))).body, 'ok')
        const carrier = application.connections.length
        const answer = await sendRaw(port, get(`/${sent}`), { waitForClose: length > 1_000 })
        if (length > 65_536) {
          t.ok(answer.closed && [0, 200].includes(answer.status), `${sent}: the connection ends`)
          t.ok(answer.body.length <= sent, `${sent}: ${answer.body.length} bytes arrived`)
        } else {
          t.equal(answer.status, 502, `${sent}: what is short was not begun yet`)
          t.match(JSON.parse(answer.body), { code: 'GW_UPSTREAM_UNREACHABLE' })
        }
        failures += 1
        t.equal(failuresIn(await metrics(), 'reset'), failures, `${sent}: counted`)
        t.equal((await sendRaw(port, get('/fine'))).body, 'ok')
        t.ok(application.connections.length > carrier, `${sent}: the connection is not used again`)
      }
      t.equal(application.whole.filter((request) => request !== 'GET /fine').length, 4, 'and nothing is asked again')
    },
  )
}

t.test('RL01 RL02 over HTTP/2 such an answer is reset too', async (t) => {
  const answers: Readonly<Record<string, string>> = {
    '/counted': `HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(999_999)}`,
    '/chunked': `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${'x'.repeat(1_000)}\r\n`,
  }
  const { url, certificate } = await faultyWorld(t, (socket, { path }) => resetAfter(socket, answers[path] ?? ''), {
    tls: true,
    listen: { http2: true },
  })
  const session = await connectHttp2(t, url, certificate?.cert ?? '')
  for (const path of Object.keys(answers)) {
    // A reset that overtakes the head leaves room for an answer in our words.
    const outcome = await ask(session, { ':path': path }).then(
      ({ status }) => status,
      ({ code }: { code: string }) => code,
    )
    t.ok(['ERR_HTTP2_STREAM_ERROR', 502].includes(outcome), `${path}: ${outcome}`)
  }
})

t.test('RL02 an answer of unknown length that is reset has no end, and one that is closed has', async (t) => {
  const chunked = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n' + 'x'.repeat(1_000)
  const delimited = 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n' + 'x'.repeat(1_000)
  const answers: Readonly<Record<string, Speak>> = {
    '/chunked/before': (socket) => resetAfter(socket, 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'),
    '/chunked/within': (socket) => resetAfter(socket, chunked.slice(0, -500)),
    '/chunked/between': (socket) => resetAfter(socket, `${chunked}\r\n`),
    '/chunked/at-the-end': (socket) => resetAfter(socket, `${chunked}\r\n0\r\n`),
    '/chunked/closed': (socket) => socket.end(`${chunked}\r\n`),
    '/last/between': (socket) => resetAfter(socket, `${chunked}\r\n`.replace('\r\n', '\r\nConnection: close\r\n')),
    '/last/closed': (socket) => socket.end(`${chunked}\r\n`.replace('\r\n', '\r\nConnection: close\r\n')),
    '/delimited/closed': (socket) => socket.end(delimited),
  }
  const { port, metrics } = await faultyWorld(t, (socket, { path }) => answers[path]?.(socket, {} as WholeRequest))
  for (const path of Object.keys(answers)) {
    const whole = path === '/delimited/closed'
    const answer = await sendRaw(port, get(path), { waitForClose: !whole })
    t.equal(answer.text.endsWith('\r\n0\r\n\r\n'), whole, `${path} ${whole ? 'is whole' : 'has no proper end'}`)
    if (!whole) t.ok(answer.closed, path)
  }
  t.equal(failuresIn(await metrics(), 'reset') + failuresIn(await metrics(), 'invalid_answer'), 7)
})

t.test('RL02 a reset is no end of an answer that only the end of its connection ends', async (t) => {
  const { port, application, metrics } = await faultyWorld(t, (socket) =>
    socket.write('HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfirst half'),
  )
  const { socket, received } = openBytes(t, port)
  const closed = once(socket, 'close')
  socket.write(get('/x'))
  await until(() => received().includes('first half'))
  application.connections[0]?.resetAndDestroy()
  await closed
  t.match(received(), /^HTTP\/1\.1 200 [^]*first half\r\n$/)
  t.equal(failuresIn(await metrics(), 'reset'), 1)
})

t.test('RL03 an application that resets before its answer is a 502 with one fixed body', async (t) => {
  const faults: Readonly<Record<string, Speak>> = {
    '/at-once': (socket) => resetAfter(socket, ''),
    '/in-the-status': (socket) => resetAfter(socket, 'HTTP/1.1 2'),
    '/in-the-head': (socket) => resetAfter(socket, 'HTTP/1.1 200 OK\r\nX-Secret: of the application\r\nContent-'),
    '/after-an-announcement': (socket) => resetAfter(socket, 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'),
    '/closed': (socket) => socket.end(),
  }
  const { port, application, metrics } = await faultyWorld(t, (socket, request) =>
    faults[request.path]?.(socket, request),
  )
  const bodies = new Set<string>()
  const tell = async (path: string): Promise<void> => {
    const answer = await sendRaw(port, get(path))
    t.equal(answer.status, 502, path)
    t.equal(answer.header('x-gateway-code'), 'GW_UPSTREAM_UNREACHABLE', path)
    const { requestId, ...rest } = JSON.parse(answer.body) as { requestId: string }
    t.match(requestId, /^[\da-f-]{36}$/)
    bodies.add(JSON.stringify(rest))
  }
  for (const path of Object.keys(faults)) await tell(path)
  t.equal(failuresIn(await metrics(), 'reset'), Object.keys(faults).length)
  application.close()
  await tell('/refused')
  t.equal(failuresIn(await metrics(), 'connect'), 1)
  t.same([...bodies], ['{"code":"GW_UPSTREAM_UNREACHABLE","message":"The application cannot be reached"}'])
})

t.test('RL03 an application that resets connections as soon as they are made is a 502 too', async (t) => {
  const application = await startCountingApplication(t, {
    connected: (socket) => socket.resetAndDestroy(),
    speak: () => undefined,
  })
  const settings = { applications: { app: { access: 'public', upstream: { url: application.url, breaker: 'off' } } } }
  const { port } = await startWorld(t, { settings })
  t.equal((await sendRaw(port, get('/x'))).status, 502)
  t.equal(application.connections.length, 1)
})

const ends: Readonly<Record<string, (socket: Socket) => void>> = {
  'a reset': (socket) => resetAfter(socket, ''),
  'an end': (socket) => socket.end(),
  'a reset in the head': (socket) => resetAfter(socket, 'HTTP/1.1 200 OK\r\nContent-'),
  'a reset after an announcement': (socket) => resetAfter(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n'),
  'a reset in the body': (socket) => resetAfter(socket, 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'),
}
const withBody = 'Content-Length: 5\r\n\r\nhello'
const chunked = 'Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'

for (const [what, end] of Object.entries(ends)) {
  t.test(`RL06 what may change something is never sent twice: ${what} after it`, async (t) => {
    const { port, application } = await faultyWorld(t, (socket, { path }) => {
      if (path === '/fine') socket.write(fine)
      else end(socket)
    })
    let nth = 0
    for (const method of ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'GET', 'HEAD', 'OPTIONS']) {
      for (const rest of [withBody, chunked, 'Content-Length: 0\r\n\r\n', '\r\n']) {
        // Over a connection that carried an exchange before: only there anything could be sent again.
        t.equal((await sendRaw(port, get('/fine'))).body, 'ok')
        const path = `/${(nth += 1)}`
        const bytes = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${rest}`
        const { status } = await sendRaw(port, bytes, { waitForClose: true })
        // An answer to HEAD is whole with its head.
        const whole = method === 'HEAD' && what === 'a reset in the body'
        t.equal(status, whole ? 200 : 502, `${method} ${JSON.stringify(rest)}`)
        const times = application.whole.filter((request) => request === `${method} ${path}`).length
        const mayRepeat = ['GET', 'HEAD', 'OPTIONS'].includes(method) && rest !== withBody && rest !== chunked
        t.ok(times === 1 || (mayRepeat && times === 2), `${method} ${JSON.stringify(rest)} arrived ${times} times`)
      }
    }
  })
}

t.test('RL07 a 503 with Retry-After passes as it is, and nobody is asked again', async (t) => {
  const { port, application, metrics } = await faultyWorld(t, (socket) =>
    socket.write('HTTP/1.1 503 Service Unavailable\r\nRetry-After: 120\r\nContent-Length: 4\r\n\r\nbusy'),
  )
  const client = openRawConnection(t, port)
  for (const method of ['GET', 'POST', 'PUT', 'OPTIONS', 'GET']) {
    const answer = await client.send(`${method} /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`)
    t.match(answer, { status: 503, body: 'busy' })
    t.equal(answer.header('retry-after'), '120')
    t.equal(answer.header('x-gateway-code'), undefined, "the application's own answer")
  }
  t.same(application.whole, ['GET /x', 'POST /x', 'PUT /x', 'OPTIONS /x', 'GET /x'])
  t.equal(failuresIn(await metrics(), 'reset'), 0)
})
