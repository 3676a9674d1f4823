import { connect, createServer, type AddressInfo } from 'node:net'
import t from 'tap'
import { ask, connectHttp2 } from '../helpers/http2.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { handshake } from '../helpers/web-socket.ts'
import { startWorld, type World } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** A port that leads to another one, as the settings cannot know: they refuse the gateway's own address. */
async function startDetour(t: Teardown) {
  let to = 0
  const server = createServer((from) => {
    const onward = connect(to, '127.0.0.1')
    for (const [one, other] of [
      [from, onward],
      [onward, from],
    ] as const) {
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    leadTo: (port: number) => (to = port),
  }
}

const get = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`
const requestsOf = ({ log }: World): number => log.filter((line) => line.includes('"event":"request"')).length

t.test('D26 an upstream that is the gateway itself gives 508 after five rounds', async (t) => {
  const detour = await startDetour(t)
  const world = await startWorld(t, { upstream: detour.url })
  detour.leadTo(world.port)
  const answer = await sendRaw(world.port, get('/public/x'))
  t.equal(answer.status, 508)
  t.match(JSON.parse(answer.body), { code: 'GW_LOOP', message: 'The request goes in a circle' })
  t.equal(requestsOf(world), 6)
  t.match(await world.metrics(), 'requests_refused_total{reason="loop"} 1')
  const upgrade = await sendRaw(world.port, handshake('/public/ws', 'localhost'))
  t.equal(upgrade.status, 508, 'and for a WebSocket')
  t.equal(requestsOf(world), 12)
  t.equal((await sendRaw(world.port, get('/oauth2/ping'))).status, 200)
})

t.test('D26 two gateways that lead to each other give 508 too', async (t) => {
  const detour = await startDetour(t)
  const one = await startWorld(t, { upstream: detour.url })
  const other = await startWorld(t, { upstream: one.url })
  detour.leadTo(other.port)
  const answer = await sendRaw(one.port, get('/public/x'))
  t.equal(answer.status, 508)
  t.equal(JSON.parse(answer.body).code, 'GW_LOOP')
  t.same([requestsOf(one), requestsOf(other)], [3, 3])
})

t.test('D26 what a client says of hops counts only against itself, and never reaches an application', async (t) => {
  const world = await startWorld(t, { tls: true, listen: { http2: true } })
  const plain = await startWorld(t)
  const session = await connectHttp2(t, world.url, world.certificate?.cert ?? '')
  const told = ({ application }: World): string[] => {
    const { rawHeaders } = application.last()
    return rawHeaders.filter((_, at) => at % 2 === 1 && /^x.gateway.hop$/i.test(rawHeaders[at - 1] ?? ''))
  }
  for (const [line, hop] of [
    ['', '1'],
    ['X-Gateway-Hop: 0\r\n', '1'],
    ['x-gateway-HOP: 4\r\n', '5'],
    ['X_Gateway_Hop: 9\r\n', '1'],
    ['X-Gateway-Hop: 1\r\nConnection: X-Gateway-Hop\r\n', '2'],
  ] as const) {
    t.equal((await sendRaw(plain.port, get('/public/x', line))).status, 200, line)
    t.same(told(plain), [hop], line)
  }
  await ask(session, { ':path': '/public/x', 'x-gateway-hop': '3' })
  t.same(told(world), ['4'], 'over HTTP/2 too')

  const before = plain.application.seen.length
  for (const value of ['5', '9', '999', '1000', '', 'x', '-1', '+1', '1.0', '0x1', '1, 1', '1\r\nX-Gateway-Hop: 1']) {
    const refused = await sendRaw(plain.port, get('/public/x', `X-Gateway-Hop: ${value}\r\n`))
    t.equal(refused.status, 508, JSON.stringify(value))
    t.equal(refused.header('x-gateway-code'), 'GW_LOOP')
  }
  t.equal(plain.application.seen.length, before)
  t.equal((await ask(session, { ':path': '/public/x', 'x-gateway-hop': ['1', '1'] })).status, 508)
  t.equal(
    (await sendRaw(plain.port, get('/oauth2/ping', 'X-Gateway-Hop: 9\r\n'))).status,
    200,
    'we pass nothing on here',
  )
})
