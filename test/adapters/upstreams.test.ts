import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTcpServer, type AddressInfo, type Socket } from 'node:net'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import t from 'tap'
import { createUpstreams, type UpstreamEvent, type UpstreamsOptions } from '../../src/adapters/upstreams.ts'
import { createClock } from '../helpers/clock.ts'
import { until } from '../helpers/until.ts'
import { ask, enter, exchange, upstreamTarget, visitor } from '../helpers/upstream-visitor.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

interface Application {
  readonly url: string
  readonly port: number
  readonly server: Server
  /** Sockets that were ever opened to it. */
  readonly sockets: Socket[]
  readonly hosts: (string | undefined)[]
}

const fine: Answer = (_request, response) => void response.end('fine')

async function application(t: Teardown, answer: Answer = fine, listen: object = { host: '127.0.0.1', port: 0 }) {
  const sockets: Socket[] = []
  const hosts: (string | undefined)[] = []
  const server = createServer((request, response) => {
    hosts.push(request.headers.host)
    answer(request, response)
  })
  server.on('connection', (socket) => sockets.push(socket))
  await new Promise<void>((resolve) => {
    server.listen(listen, resolve)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, server, sockets, hosts } satisfies Application
}

/** An application that speaks bytes of the test's choosing for each request that arrives. */
async function speaker(t: Teardown, speak: (socket: Socket, nth: number) => void) {
  const sockets: Socket[] = []
  let requests = 0
  const server = createTcpServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', () => speak(socket, (requests += 1)))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets, requests: () => requests }
}

function upstreamsFor(t: Teardown, options: UpstreamsOptions = {}) {
  const upstreams = createUpstreams(options)
  t.teardown(async () => upstreams.destroy())
  return upstreams
}

/** A port of this machine at which nobody listens. */
async function deadUrl(): Promise<string> {
  const server = createTcpServer()
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return `http://127.0.0.1:${port}`
}

t.test('a connection is used again, and says so', async (t) => {
  const { url, sockets } = await application(t)
  const upstreams = upstreamsFor(t)
  const upstream = upstreams.of(upstreamTarget({ urls: [url] }))
  t.match(await ask(upstream), { status: 200, body: 'fine', reused: false })
  t.match(await ask(upstream), { status: 200, reused: true })
  t.equal(sockets.length, 1)
  t.same(upstreams.census(), [{ upstream: url.slice('http://'.length), idle: 1, busy: 0, isShut: false }])
})

t.test('a connection that the application closed while it was idle is opened again, and counts as new', async (t) => {
  const { url, server, sockets } = await application(t)
  const upstreams = upstreamsFor(t)
  const upstream = upstreams.of(upstreamTarget({ urls: [url] }))
  await ask(upstream)
  server.closeIdleConnections()
  await until(() => upstreams.census()[0]?.idle === 0)
  t.match(await ask(upstream), { status: 200, reused: false })
  t.equal(sockets.length, 2)
})

t.test(
  'RL05 a connection that goes stale under a request says so, and can be exchanged for the one retry',
  async (t) => {
    const { url, sockets } = await speaker(t, (socket, nth) => {
      if (nth === 2) socket.destroy()
      else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
    const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url] }))
    await ask(upstream)
    const lease = await enter(upstream)
    const said = await new Promise<{ reused: boolean; body: string }>((resolve) => {
      const handler = {
        onRequestStart: () => undefined,
        onResponseStart: () => undefined,
        onResponseError: () => {
          const { reused } = lease
          lease.renew()
          t.equal(lease.reused, false)
          void exchange(lease).then(({ body }) => resolve({ reused, body }))
        },
      }
      lease.dispatch({ method: 'GET', path: '/' }, handler)
    })
    t.same(said, { reused: true, body: 'ok' })
    t.equal(sockets.length, 2)
  },
)

t.test('F28 bytes after the end of an answer end the connection, and reach nobody', async (t) => {
  const { url, sockets } = await speaker(t, (socket, nth) => {
    socket.write(
      `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfor ${nth}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
    )
  })
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], connections: 1 }))
  const bodies = await Promise.all([ask(upstream), ask(upstream), ask(upstream)])
  t.same(
    bodies.map(({ body, reused }) => ({ body, reused })),
    [1, 2, 3].map((nth) => ({ body: `for ${nth}`, reused: nth > 1 })),
  )
  t.match(await ask(upstream), { body: 'for 4' })
  t.equal(sockets.length, 4)
})

t.test('F28 bytes that come while the connection is idle end it too', async (t) => {
  const { url, sockets } = await speaker(t, (socket, nth) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfor ${nth}`)
  })
  const upstreams = upstreamsFor(t)
  const upstream = upstreams.of(upstreamTarget({ urls: [url] }))
  await ask(upstream)
  sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
  await until(() => upstreams.census()[0]?.idle === 0)
  t.match(await ask(upstream), { body: 'for 2', reused: false })
})

t.test('RL09 a connection is used for five minutes at most', async (t) => {
  const { url, sockets } = await application(t, (request, response) => {
    response.setHeader('keep-alive', 'timeout=600')
    fine(request, response)
  })
  const clock = createClock()
  const upstream = upstreamsFor(t, { now: clock.now }).of(upstreamTarget({ urls: [url] }))
  await ask(upstream)
  clock.advance(299)
  t.equal((await ask(upstream)).reused, true)
  clock.advance(1)
  t.equal((await ask(upstream)).reused, false)
  t.equal(sockets.length, 2)
})

t.test('at most so many connections are open to an address; who finds none waits in line', async (t) => {
  const { url, sockets } = await application(t)
  const waited: [string, number][] = []
  const clock = createClock()
  const upstreams = upstreamsFor(t, { now: clock.now, onWaited: (name, seconds) => waited.push([name, seconds]) })
  const upstream = upstreams.of(upstreamTarget({ urls: [url], connections: 2 }))
  const [one, two] = [await enter(upstream), await enter(upstream)]
  const [first, second] = [visitor(), visitor()]
  upstream.visit(first)
  upstream.visit(second)
  t.match(upstreams.census(), [{ busy: 2 }])
  clock.advance(3)
  await exchange(two)
  const lease = await first.lease
  t.equal(lease.reused, true)
  t.same(waited, [[upstream.name, 3]])
  await exchange(lease)
  await exchange(await second.lease)
  await exchange(one)
  t.equal(sockets.length, 2)
})

t.test('D10 who finds the line full is refused at once, and who waits too long afterwards', async (t) => {
  const { url } = await application(t)
  const clock = createClock()
  const upstreams = upstreamsFor(t, { now: clock.now })
  const target = upstreamTarget({ urls: [url], connections: 1, queue: 2, responseSeconds: 60 })
  const upstream = upstreams.of(target)
  const hurried = upstreams.of({ ...target, responseSeconds: 10 })
  const lease = await enter(upstream)
  const [patient, impatient, surplus] = [visitor(), visitor(), visitor()]
  upstream.visit(patient)
  hurried.visit(impatient)
  upstream.visit(surplus)
  t.equal(await surplus.refusal, 'queue_full')
  clock.advance(10)
  t.equal(await impatient.refusal, 'queue_timeout')
  lease.release('abandoned')
  t.match(await exchange(await patient.lease), { status: 200 })
})

t.test('a visitor that leaves the line is passed over, and makes room', async (t) => {
  const { url } = await application(t)
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], connections: 1, queue: 1 }))
  const lease = await enter(upstream)
  const [gone, next] = [visitor(), visitor()]
  void gone.lease.then(() => t.fail('it had left'))
  upstream.visit(gone)
  upstream.leave(gone)
  upstream.leave(gone)
  upstream.visit(next)
  lease.release('abandoned')
  t.match(await exchange(await next.lease), { status: 200 })
})

t.test('who fails at once in the line does not stop those behind, however many there are', async (t) => {
  const { url } = await application(t)
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], connections: 1, queue: 5_000 }))
  const lease = await enter(upstream)
  let failed = 0
  for (let nth = 0; nth < 5_000; nth += 1)
    upstream.visit({
      stickTo: null,
      pin: null,
      refuse: (reason) => t.fail(reason),
      enter: (each) => {
        failed += 1
        each.release('abandoned')
      },
    })
  lease.release('answered')
  t.equal(failed, 5_000)
  t.match(await ask(upstream), { status: 200 })
})

t.test('D09 a connection whose client went away is ended, and the next visitor has a new one at once', async (t) => {
  const asked: ServerResponse[] = []
  const { url, sockets } = await application(t, (request, response) => {
    if (request.url === '/slow') asked.push(response)
    else fine(request, response)
  })
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], connections: 1 }))
  const lease = await enter(upstream)
  lease.dispatch(
    { method: 'GET', path: '/slow' },
    { onRequestStart: () => undefined, onResponseStart: () => undefined, onResponseError: () => undefined },
  )
  await until(() => asked.length === 1)
  const closed = new Promise((resolve) => sockets[0]?.once('close', resolve))
  lease.release('abandoned')
  lease.release('answered')
  t.match(await ask(upstream), { status: 200, reused: false })
  await closed
})

t.test('a failed exchange takes the idle connections beside it along', async (t) => {
  const { url, sockets } = await application(t, (request, response) => {
    if (request.url === '/reset') response.destroy()
    else fine(request, response)
  })
  const upstreams = upstreamsFor(t)
  const upstream = upstreams.of(upstreamTarget({ urls: [url] }))
  const leases = await Promise.all([enter(upstream), enter(upstream), enter(upstream)])
  await Promise.all(leases.map(async (lease) => exchange(lease)))
  t.match(upstreams.census(), [{ idle: 3, busy: 0 }])
  await t.rejects(ask(upstream, { path: '/reset' }), { code: 'UND_ERR_SOCKET' })
  t.match(upstreams.census(), [{ idle: 0, busy: 0 }])
  t.equal((await ask(upstream)).reused, false)
  t.equal(sockets.length, 4)
})

t.test('after an upgrade the socket is the tunnel’s, and the connection can be used again', async (t) => {
  const { url, server, sockets } = await application(t)
  server.on('upgrade', (_request, socket: Duplex) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    socket.pipe(socket)
  })
  const upstreams = upstreamsFor(t)
  const upstream = upstreams.of(upstreamTarget({ urls: [url], connections: 1 }))
  await ask(upstream)
  const lease = await enter(upstream)
  const tunnel = await new Promise<Duplex>((resolve, reject) => {
    lease.dispatch(
      { method: 'GET', path: '/', upgrade: 'websocket' },
      {
        onRequestStart: () => undefined,
        onRequestUpgrade: (_controller, _status, _headers, socket) => {
          lease.release('answered')
          resolve(socket)
        },
        onResponseError: (_controller, error) => reject(error),
      },
    )
  })
  t.match(await ask(upstream), { status: 200, reused: false })
  t.equal(sockets.length, 2)
  tunnel.write('still here')
  t.equal(String(await new Promise((resolve) => tunnel.once('data', resolve))), 'still here')
  await upstreams.destroy()
  t.equal(tunnel.destroyed, false)
  tunnel.destroy()
})

t.test('targets that make the same connections share them and the line, whatever their times', async (t) => {
  const { url, sockets } = await application(t)
  const upstreams = upstreamsFor(t)
  const target = upstreamTarget({ urls: [url] })
  t.equal(upstreams.of(target), upstreams.of(target))
  await ask(upstreams.of(target))
  t.equal((await ask(upstreams.of({ ...target, responseSeconds: 5, host: 'upstream' }))).reused, true)
  t.equal((await ask(upstreams.of({ ...target, connections: 5 }))).reused, false)
  t.equal(sockets.length, 2)
  t.match(upstreams.census(), [{ idle: 2 }], 'one entry for each name')
  t.equal(upstreams.census().length, 1)
})

t.test('close() lets what is under way come to its end', async (t) => {
  let finish = (): void => undefined
  const { url } = await application(t, (_request, response) => {
    response.write('be')
    finish = () => void response.end('gun')
  })
  const upstreams = upstreamsFor(t)
  const upstream = upstreams.of(upstreamTarget({ urls: [url] }))
  const lease = await enter(upstream)
  const asked = exchange(lease)
  await until(() => upstreams.census()[0]?.busy === 1)
  await new Promise((resolve) => setTimeout(resolve, 20))
  const closed = upstreams.close()
  finish()
  t.match(await asked, { body: 'begun' })
  await closed
  await t.rejects(ask(upstream), /queue_full/)
})

t.test('a unix socket is an address like any other, with a path behind it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'socket-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'app.sock')
  await application(t, (request, response) => void response.end(request.url), { path })
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [`unix:${path}:/wiki/`] }))
  t.equal(upstream.name, path)
  const lease = await enter(upstream)
  t.match(lease.address, { origin: 'http://localhost', host: 'localhost', pathPrefix: '/wiki' })
  t.match(await exchange(lease), { status: 200, body: '/wiki/' })
})

t.test('several addresses are used in turn, each with its own path', async (t) => {
  const says =
    (name: string): Answer =>
    (request, response) =>
      void response.end(`${name}${request.url}`)
  const [one, two] = [await application(t, says('one')), await application(t, says('two'))]
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [`${one.url}/a`, `${two.url}/b/`] }))
  t.equal(upstream.name, one.url.slice('http://'.length))
  const bodies: string[] = []
  for (let nth = 0; nth < 4; nth += 1) bodies.push((await ask(upstream)).body)
  t.same(bodies.sort(), ['one/a/', 'one/a/', 'two/b/', 'two/b/'])
})

t.test('an address that keeps failing is left out, and comes back little by little', async (t) => {
  let well = false
  const ill = await application(t, (_request, response) => void (well ? response.end('ill') : response.destroy()))
  const good = await application(t, (_request, response) => void response.end('good'))
  const clock = createClock()
  const events: UpstreamEvent[] = []
  const upstream = upstreamsFor(t, { now: clock.now, onEvent: (event) => events.push(event) }).of(
    upstreamTarget({ urls: [ill.url, good.url] }),
  )
  const askMany = async (times: number): Promise<number> => {
    let failed = 0
    let fromIll = 0
    for (let nth = 0; nth < times; nth += 1) {
      const body = await ask(upstream).then(
        (asked) => asked.body,
        () => 'failed',
      )
      if (body === 'failed') failed += 1
      if (body === 'ill') fromIll += 1
    }
    return failed + fromIll
  }
  t.equal(await askMany(40), 3, 'three failures, then it is left out')
  t.match(events, [{ kind: 'address_left_out', seconds: 10 }])
  well = true
  clock.advance(9)
  t.equal(await askMany(40), 0)
  clock.advance(1 + 3)
  const few = await askMany(100)
  t.ok(few > 0 && few < 20, `a small share at first: ${few}`)
  clock.advance(12)
  const more = await askMany(100)
  t.ok(more > few && more < 50, `then more: ${more}`)
  clock.advance(30)
  t.equal(await askMany(100), 50, 'then its whole share')
})

t.test('where every address is left out, all are used', async (t) => {
  const urls = [await deadUrl(), await deadUrl()]
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls }))
  for (let nth = 0; nth < 10; nth += 1) await t.rejects(ask(upstream), { code: 'ECONNREFUSED' })
})

t.test('a session stays with one address; when that one is left out, only its own sessions move', async (t) => {
  const down = new Set<number>()
  const says =
    (nth: number): Answer =>
    (_request, response) =>
      void (down.has(nth) ? response.destroy() : response.end(String(nth)))
  const apps = await Promise.all([0, 1, 2].map(async (nth) => application(t, says(nth))))
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: apps.map(({ url }) => url), stick: 'session' }))
  const sessions = Array.from({ length: 60 }, (_, nth) => `session-${nth}`)
  const homes = async (): Promise<string[]> => {
    const found: string[] = []
    for (const stickTo of sessions)
      found.push(
        await ask(upstream, { stickTo }).then(
          (asked) => asked.body,
          () => 'failed',
        ),
      )
    return found
  }
  const before = await homes()
  t.same(await homes(), before)
  for (const home of ['0', '1', '2']) t.ok(before.filter((each) => each === home).length > 8, `${home} has its part`)
  down.add(1)
  await homes()
  const after = await homes()
  t.notOk(after.includes('1') || after.includes('failed'))
  t.same(
    after.filter((_, nth) => before[nth] !== '1'),
    before.filter((home) => home !== '1'),
  )
})

t.test('who waits for the address of its session does not hold up those behind', async (t) => {
  const apps = await Promise.all(
    [0, 1].map(async (nth) => application(t, (_request, response) => void response.end(String(nth)))),
  )
  const upstream = upstreamsFor(t).of(
    upstreamTarget({ urls: apps.map(({ url }) => url), stick: 'session', connections: 1 }),
  )
  const home = async (stickTo: string): Promise<string> => (await ask(upstream, { stickTo })).body
  const names = Array.from({ length: 20 }, (_, nth) => `session-${nth}`)
  const homes = await Promise.all(names.map(home))
  const atOne = names.filter((_, nth) => homes[nth] === '0')
  const atOther = names.filter((_, nth) => homes[nth] === '1')
  const [busy, free] = [await enter(upstream, atOne[0]), await enter(upstream, atOther[0])]
  const [tied, behind] = [visitor(atOne[1]), visitor(atOther[1])]
  upstream.visit(tied)
  upstream.visit(behind)
  await exchange(free)
  t.match(await exchange(await behind.lease), { body: '1' })
  await exchange(busy)
  t.match(await exchange(await tied.lease), { body: '0' })
})

t.test('RL29 D11 an application that only fails is not asked for a while, then by one request', async (t) => {
  let well = false
  const { url, hosts } = await application(
    t,
    (_request, response) => void (well ? response.end('fine') : response.destroy()),
  )
  const clock = createClock()
  const events: string[] = []
  const upstreams = upstreamsFor(t, { now: clock.now, onEvent: ({ kind }) => events.push(kind) })
  const upstream = upstreams.of(
    upstreamTarget({ urls: [url], connections: 3, breaker: { failures: 3, openSeconds: 5 } }),
  )
  const [one, two, three] = [await enter(upstream), await enter(upstream), await enter(upstream)]
  const waiting = visitor()
  upstream.visit(waiting)
  void waiting.lease.then(async (lease) => exchange(lease)).catch(() => undefined)
  for (const lease of [one, two, three]) await t.rejects(exchange(lease))
  await until(() => events.length > 0)
  const asked = hosts.length
  await t.rejects(ask(upstream), /circuit_open/)
  t.match(upstreams.census(), [{ isShut: true }])
  t.equal(hosts.length, asked, 'the application has its peace')

  clock.advance(5)
  const probe = await enter(upstream)
  await t.rejects(ask(upstream), /circuit_open/)
  await t.rejects(exchange(probe))
  await t.rejects(ask(upstream), /circuit_open/)

  clock.advance(5)
  well = true
  t.match(await ask(upstream), { status: 200 })
  t.match(await ask(upstream), { status: 200 })
  t.same(events, ['circuit_opened', 'circuit_closed'])
})

t.test('when the circuit opens, those in line are refused', async (t) => {
  const { url } = await application(t)
  const upstream = upstreamsFor(t).of(
    upstreamTarget({ urls: [url], connections: 1, breaker: { failures: 1, openSeconds: 5 } }),
  )
  const lease = await enter(upstream)
  const [one, two] = [visitor(), visitor()]
  upstream.visit(one)
  upstream.visit(two)
  lease.release('failed')
  t.same(await Promise.all([one.refusal, two.refusal]), ['circuit_open', 'circuit_open'])
})

t.test('RL09 new connections look the name up again', async (t) => {
  const { port, server } = await application(t, fine, { host: '0.0.0.0', port: 0 })
  const reached: (string | undefined)[] = []
  server.on('connection', ({ localAddress }) => reached.push(localAddress))
  const clock = createClock()
  let address = '127.0.0.1'
  const upstream = upstreamsFor(t, {
    now: clock.now,
    lookup: (_hostname, _options, callback) => callback(null, [{ address, family: 4 }]),
  }).of(upstreamTarget({ urls: [`http://wiki.internal:${port}`] }))
  await ask(upstream)
  address = '127.0.0.2'
  t.equal((await ask(upstream)).reused, true)
  clock.advance(300)
  await ask(upstream)
  t.same(reached, ['127.0.0.1', '127.0.0.2'])
})

t.test(
  'with resolve: all every address of the name counts by itself, and changes are followed after a failure',
  async (t) => {
    const says =
      (name: string): Answer =>
      (_request, response) =>
        void response.end(name)
    const one = await application(t, says('one'))
    await application(t, says('two'), { host: '127.0.0.2', port: one.port })
    const clock = createClock()
    let addresses = ['127.0.0.1', '127.0.0.2']
    let failure: Error | null = null
    const upstreams = upstreamsFor(t, {
      now: clock.now,
      lookup: (_hostname, _options, callback) =>
        callback(
          failure,
          addresses.map((address) => ({ address, family: 4 })),
        ),
    })
    const upstream = upstreams.of(upstreamTarget({ urls: [`http://wiki.internal:${one.port}`], resolve: 'all' }))
    t.equal(upstream.name, `wiki.internal:${one.port}`)
    const askMany = async (): Promise<string[]> => {
      const found: string[] = []
      for (let nth = 0; nth < 4; nth += 1)
        found.push(
          await ask(upstream).then(
            (asked) => asked.body,
            () => 'failed',
          ),
        )
      return found.sort()
    }
    t.same(await askMany(), ['one', 'one', 'two', 'two'])

    one.server.closeAllConnections()
    await new Promise((resolve) => one.server.close(resolve))
    addresses = ['127.0.0.2']
    clock.advance(2)
    t.match(await askMany(), ['failed', 'two', 'two', 'two'])

    failure = new Error('no name server')
    clock.advance(2)
    ;(await enter(upstream)).release('failed')
    t.same(await askMany(), ['two', 'two', 'two', 'two'], 'a name that cannot be looked up keeps its addresses')
  },
)

t.test('health checks take an address out after two failures, and bring it back by one success', async (t) => {
  let well = false
  const checks: (string | undefined)[] = []
  const answer =
    (name: string): Answer =>
    (request, response) => {
      if (request.url !== '/app/health') return void response.end(name)
      checks.push(request.headers.host)
      response.statusCode = well || name === 'good' ? 204 : 503
      response.end()
    }
  const [ill, good] = [await application(t, answer('ill')), await application(t, answer('good'))]
  const events: string[] = []
  const upstreams = upstreamsFor(t, { onEvent: ({ kind }) => events.push(kind), random: () => 0 })
  const health = { path: '/health', everySeconds: 0.02, timeoutSeconds: 1 }
  const upstream = upstreams.of(
    upstreamTarget({ urls: [`${ill.url}/app`, `${good.url}/app`], host: 'wiki.example.com', health }),
  )
  await until(() => events.length === 1)
  const bodies = []
  for (let nth = 0; nth < 4; nth += 1) bodies.push((await ask(upstream)).body)
  t.same(bodies, ['good', 'good', 'good', 'good'])
  t.equal(checks[0], 'wiki.example.com')
  well = true
  await until(() => events.length === 2)
  t.same(events, ['address_unhealthy', 'address_healthy'])
  t.same([(await ask(upstream)).body, (await ask(upstream)).body].sort(), ['good', 'ill'])
})

t.test(
  'where no address is healthy, nothing is sent; checks that are not answered in time count as failed',
  async (t) => {
    let silent = true
    const { url } = await application(t, (request, response) => {
      if (request.url === '/health' && silent) return
      fine(request, response)
    })
    const events: string[] = []
    const upstreams = upstreamsFor(t, { onEvent: ({ kind }) => events.push(kind) })
    const upstream = upstreams.of(
      upstreamTarget({ urls: [url], health: { path: '/health', everySeconds: 0.02, timeoutSeconds: 0.05 } }),
    )
    t.match(await ask(upstream), { status: 200 }, 'well until it is known not to be')
    await until(() => events.length === 1)
    await t.rejects(ask(upstream), /circuit_open/)
    t.match(upstreams.census(), [{ isShut: true }])
    silent = false
    await until(() => events.length === 2)
    t.match(await ask(upstream), { status: 200 })
  },
)
