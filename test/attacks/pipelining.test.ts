import type { ServerResponse } from 'node:http'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { pathOf, startRawApplication } from '../helpers/raw-application.ts'
import { openRawConnection, sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { handshake, openBytes } from '../helpers/web-socket.ts'
import { startWorld, type WorldOptions } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const request = (method: string, path: string): string => `${method} ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const answersIn = (text: string): number => text.match(/HTTP\/1\.1 \d{3} /g)?.length ?? 0

/** A world whose application keeps what is asked under `/public/slow` until the test lets it go. */
async function slowWorld(t: Teardown, options: WorldOptions = {}) {
  const held: ServerResponse[] = []
  const world = await startWorld(t, {
    ...options,
    answer: ({ url }, response) => {
      if (url?.startsWith('/public/slow') === true) held.push(response)
      else response.end(`answer to ${url}`)
    },
  })
  return { ...world, held }
}

t.test('D05 requests that come in one go are served one after the other, in their order', async (t) => {
  const { port, application, held } = await slowWorld(t)
  const { socket, received } = openBytes(t, port)
  socket.write(
    `POST /public/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc` +
      request('GET', '/public/second') +
      `PUT /public/third HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nthird` +
      request('GET', '/x') +
      request('GET', '/public/last'),
  )
  await until(() => held.length === 1)
  t.equal((await sendRaw(port, request('GET', '/public/other'))).status, 200)
  t.same(
    application.seen.map(({ url }) => url),
    ['/public/slow', '/public/other'],
    'nothing behind an answer that is due has reached the application',
  )
  held[0]?.end('first')
  await until(() => received().includes('answer to /public/last'))
  t.same(
    application.seen.map(({ url, body }) => [url, body.toString()]),
    [
      ['/public/slow', 'abc'],
      ['/public/other', ''],
      ['/public/second', ''],
      ['/public/third', 'third'],
      ['/public/last', ''],
    ],
  )
  t.match(received(), /first[^]*answer to \/public\/second[^]*answer to \/public\/third[^]* 401 [^]*\/public\/last$/)
  t.equal(answersIn(received()), 5)
})

t.test(
  'D05 who pipelines without end has one place at an application, and after a hundred answers no connection',
  async (t) => {
    const world = await slowWorld(t)
    const { port, application, held, metrics } = world
    const before = process.memoryUsage().rss
    const { socket, received } = openBytes(t, port)
    const piece = request('GET', '/public/slow').repeat(1_000)
    let sent = 0
    const more = (): void => {
      sent += 1
      if (sent < 300 && socket.writable) socket.write(piece, more)
    }
    more()
    await until(() => sent === 300)
    t.equal(held.length, 1, 'of 300,000')
    t.match(await metrics(), 'requests_in_flight 1')
    t.equal((await sendRaw(port, request('GET', '/public/other'))).status, 200, 'others have the rest')
    t.ok(process.memoryUsage().rss - before < 64 * 1_048_576, 'nobody keeps what is not served')
    const closed = once(socket, 'close')
    let answered = 0
    while (!socket.destroyed && !socket.readableEnded) {
      for (const response of held.splice(0)) response.end(`${(answered += 1)}`)
      await new Promise((resolve) => setImmediate(resolve))
    }
    await closed
    t.equal(answersIn(received()), 101)
    t.equal(answered, 101)
    t.equal(received().match(/^connection: close/gim)?.length, 1, 'the last answer says that it is')
    t.match(received(), /101$/)
    t.equal(application.seen.filter(({ url }) => url === '/public/slow').length, 101)
  },
)

t.test('D05 a thousand requests over one connection leave others served', async (t) => {
  const { port } = await slowWorld(t)
  const [busy, other] = [openRawConnection(t, port), openRawConnection(t, port)]
  let served = 0
  const thousand = (async () => {
    for (let nth = 0; nth < 1_000; nth += 1)
      if ((await busy.send(request('GET', '/public/x'))).status === 200) served += 1
  })()
  for (let nth = 0; nth < 50; nth += 1) t.equal((await other.send(request('GET', '/public/y'))).status, 200)
  t.ok(served < 1_000, 'meanwhile, not afterwards')
  await thousand
  t.equal(served, 1_000)
})

const offer =
  'GET /public/offer HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAA\r\n\r\n'

for (const tls of [false, true]) {
  t.test(
    `F26 an upgrade behind a request that is not answered yet ends its connection, never the gateway${tls ? ', over TLS too' : ''}`,
    async (t) => {
      const { url, port, application, held, client } = await slowWorld(t, { tls })
      for (const upgrade of [handshake('/public/ws', 'localhost'), offer]) {
        for (const ahead of ['/public/slow', '/public/quick']) {
          const socket = tls
            ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false })
            : connect(port, '127.0.0.1')
          socket.on('error', () => undefined)
          socket.resume()
          const closed = once(socket, 'close')
          socket.write(request('GET', ahead) + upgrade)
          await closed
          t.equal((await client().ask(`${url}/public/next`)).text, 'answer to /public/next', 'the gateway lives on')
        }
      }
      for (const response of held) response.end()
      t.notOk(application.seen.some(({ url }) => url === '/public/ws' || url === '/public/offer'))
    },
  )
}

t.test('F09 a body that is itself a request stays a body, also where its answer came before it', async (t) => {
  const hidden = request('GET', '/public/hidden')
  const carriers = new Map<string, Socket>()
  const application = await startRawApplication(t, (socket, asked) => {
    carriers.set(pathOf(asked), socket)
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${pathOf(asked).length}\r\n\r\n${pathOf(asked)}`)
  })
  const { port, log } = await startWorld(t, { upstream: application.url })
  for (const framing of [`Content-Length: ${hidden.length}`, 'Transfer-Encoding: chunked']) {
    const body = framing.startsWith('T') ? `${hidden.length.toString(16)}\r\n${hidden}\r\n0\r\n\r\n` : hidden
    for (const method of ['GET', 'POST']) {
      const { socket, received } = openBytes(t, port)
      const begun = framing.startsWith('T') ? body.indexOf('\n') + 2 : 1
      socket.write(`${method} /public/early HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n${body.slice(0, begun)}`)
      const closed = once(socket, 'close')
      // The rest must go out before the gateway ends the connection, which is soon.
      while (!received().endsWith('/public/early')) await once(socket, 'data')
      t.match(received(), /^connection: close\r$/im, 'nothing can follow')
      socket.write(body.slice(begun))
      await closed
      t.equal(answersIn(received()), 1, `${method} ${framing}`)
      t.equal((await sendRaw(port, request('GET', '/public/next'))).body, '/public/next')
      t.not(carriers.get('/public/next'), carriers.get('/public/early'), 'half a request stays alone on its connection')
    }
  }
  t.notOk(log.some((line) => line.includes('/public/hidden')))
})
