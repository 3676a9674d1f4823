import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** An application that takes connections and reads nothing from them, but for those that the test wants read. */
async function startDeafApplication(t: Teardown) {
  const sockets: Socket[] = []
  const server = createServer({ pauseOnConnect: true }, (socket) => {
    sockets.push(socket)
    socket.on('error', () => undefined)
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, server, sockets }
}

t.test('RL30 an upload that its application never reads ends with 504, and takes no memory meanwhile', async (t) => {
  const { url, server, sockets } = await startDeafApplication(t)
  const world = await startWorld(t, {
    settings: {
      applications: {
        app: { access: 'public', upstream: { url, idleSeconds: 1, responseSeconds: 60, breaker: 'off' } },
      },
    },
  })
  const before = process.memoryUsage().rss
  const began = performance.now()
  const uploads = Array.from({ length: 8 }, async (_, nth) => {
    const client = connect(world.port, '127.0.0.1')
    t.teardown(() => client.destroy())
    client.on('error', () => undefined)
    let received = ''
    client.on('data', (chunk) => (received += chunk.toString('latin1')))
    const framing = nth % 2 === 0 ? 'Content-Length: 1000000000' : 'Transfer-Encoding: chunked'
    client.write(`POST /up HTTP/1.1\r\nHost: localhost\r\n${framing}\r\n\r\n`)
    const piece = nth % 2 === 0 ? Buffer.alloc(65_536) : Buffer.from(`10000\r\n${'x'.repeat(0x10000)}\r\n`)
    let sent = 0
    const more = (): void => {
      sent += piece.length
      // The pressure of the application reaches the client; without it all would be taken.
      if (sent < 200_000_000 && client.writable) client.write(piece, more)
    }
    more()
    await new Promise((resolve) => client.once('close', resolve))
    return { received, sent }
  })
  const ended = await Promise.all(uploads)
  t.ok(performance.now() - began < 6_000, 'idleSeconds hold, not responseSeconds')
  for (const { received, sent } of ended) {
    t.match(received, /^HTTP\/1\.1 504 [^]*GW_UPSTREAM_TIMEOUT/, 'the client that is still sending gets the answer')
    t.match(received, /connection: close/i)
    t.ok(sent < 100_000_000, `${sent} bytes were taken of it`)
  }
  t.ok(process.memoryUsage().rss - before < 100 * 1_048_576, `memory grew to ${process.memoryUsage().rss - before}`)
  t.match(await world.metrics(), 'upstream_errors_total{route="app",reason="upstream_no_answer"} 8')
  for (const socket of sockets) {
    const closed = once(socket, 'close')
    socket.resume()
    await closed
  }
  t.equal(sockets.length, 8, 'nothing was sent twice, and every connection ended')

  server.on('connection', (socket: Socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'))
    socket.resume()
  })
  const next = await sendRaw(world.port, 'POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi')
  t.match(next, { status: 200, body: 'ok' }, 'once it reads, it is served')
})
