import { connect, type Socket } from 'node:net'
import t from 'tap'
import { serveApart, valueOf } from '../helpers/gateway-process.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

/** A client that asks for something and then reads no further than the first bytes. */
function openSlowReader(t: Teardown, port: number): { readonly socket: Socket; status(): number } {
  const socket = connect(port, '127.0.0.1', () => socket.write(get('/public/large')))
  let status = 0
  socket.once('data', (data) => {
    status = Number(data.toString('latin1', 9, 12))
    socket.pause()
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return { socket, status: () => status }
}

t.test(
  'RL26 with little memory, slow readers are refused before it runs out; probes are answered, and it recovers',
  async (t) => {
    const large = Buffer.alloc(2 * 1_048_576)
    const world = await startWorld(t, {
      answer: (request, response) => response.end(request.url === '/public/large' ? large : 'ok'),
      settings: {
        applications: { sample: { access: 'public', upstream: { url: '%UPSTREAM%', connections: 4_000 } } },
      },
    })
    const gateway = await serveApart(t, world, { node: ['--max-old-space-size=64'] })

    const readers: ReturnType<typeof openSlowReader>[] = []
    while (!readers.some(({ status }) => status() === 503)) {
      readers.push(openSlowReader(t, world.port))
      if (readers.length > 3_000) throw new Error('nobody was refused')
      // No faster than the gateway takes them: what it cannot take would be refused by the system, not by it.
      await until(() => readers.filter(({ status }) => status() === 0).length < 50)
    }
    t.equal(gateway.child.exitCode, null, 'it lives on')
    const refused = await sendRaw(world.port, get('/public/x'))
    t.equal(refused.status, 503)
    t.equal(refused.header('x-gateway-code'), 'GW_OVERLOADED')
    t.equal(refused.header('retry-after'), '5')
    t.equal(refused.header('connection'), 'close')
    t.match(await gateway.metrics(), /requests_refused_total\{reason="memory"\} [1-9]/)
    t.equal((await sendRaw(world.port, get('/oauth2/ping'))).body, 'ok')
    t.equal((await fetch(`${gateway.adminUrl}/livez`)).status, 200)
    t.equal((await fetch(`${gateway.adminUrl}/readyz`)).status, 200)
    await gateway.shows('"event":"overloaded","reason":"memory"')

    for (const { socket } of readers) socket.destroy()
    await until(async () => (await sendRaw(world.port, get('/public/x'))).status === 200)
    await until(async () => valueOf(await gateway.metrics(), 'cognito_gateway_requests_in_flight') === 0)
    t.pass('and serves again')
  },
)
