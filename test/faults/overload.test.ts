import { execFileSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { serveApart, valueOf, type GatewayProcess } from '../helpers/gateway-process.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** How many the nightly run wants. */
const MANY = Number(process.env['SLOW_CLIENTS'] ?? 0)
const LARGE = Buffer.alloc(8 * 1_048_576)
/** No faster than the gateway takes them: what it cannot take would be refused by the system, not by it. */
const ARRIVING = 50

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

async function startSmall(
  t: Teardown,
  memoryMiB: number,
): Promise<{ readonly world: World; readonly gateway: GatewayProcess }> {
  const world = await startWorld(t, {
    answer: (request, response) => response.end(request.url === '/public/large' ? LARGE : 'ok'),
    settings: { applications: { sample: { access: 'public', upstream: { url: '%UPSTREAM%', connections: 8_000 } } } },
  })
  return { world, gateway: await serveApart(t, world, { node: [`--max-old-space-size=${memoryMiB}`] }) }
}

/** Clients that ask for something large and then read no further than its first bytes. */
class SlowReaders {
  readonly #t: Teardown
  readonly #port: number
  readonly #sockets: Socket[] = []
  readonly statuses = new Map<number, number>()
  refusedInARow = 0
  #answered = 0

  constructor(t: Teardown, port: number) {
    this.#t = t
    this.#port = port
  }

  get count(): number {
    return this.#sockets.length
  }

  /** How many got an answer, or an end, of this status; 0 for none. */
  with(status: number): number {
    return this.statuses.get(status) ?? 0
  }

  async add(): Promise<void> {
    const socket = connect(this.#port, '127.0.0.1', () => socket.write(get('/public/large')))
    this.#sockets.push(socket)
    this.#t.teardown(() => socket.destroy())
    let counted = false
    const count = (status: number): void => {
      if (counted) return
      counted = true
      this.#answered += 1
      this.refusedInARow = status === 503 ? this.refusedInARow + 1 : 0
      this.statuses.set(status, this.with(status) + 1)
    }
    socket.once('data', (data) => {
      count(Number(data.toString('latin1', 9, 12)))
      socket.pause()
    })
    socket.on('error', () => undefined)
    socket.once('close', () => count(0))
    await until(() => this.count - this.#answered < ARRIVING)
  }

  async allAnswered(): Promise<void> {
    await until(() => this.#answered === this.count)
  }

  leave(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}

async function servesAgain({ port }: World, gateway: GatewayProcess): Promise<void> {
  await until(async () => (await sendRaw(port, get('/public/x'))).status === 200)
  await until(async () => valueOf(await gateway.metrics(), 'cognito_gateway_requests_in_flight') === 0)
}

t.test(
  'RL26 with little memory, slow readers are refused before it runs out; probes are answered, and it recovers',
  async (t) => {
    const { world, gateway } = await startSmall(t, 64)
    const readers = new SlowReaders(t, world.port)
    // The first are refused while buffers come and go; those that are held on to are enough once nobody gets in any more.
    while (readers.refusedInARow < 300) {
      await readers.add()
      if (readers.count > 6_000) throw new Error('nobody was refused')
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
    readers.leave()
    await servesAgain(world, gateway)
    t.pass('and serves again')
  },
)

const descriptors = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || Number.POSITIVE_INFINITY
const skip =
  descriptors < MANY * 2 ? `${MANY} clients need ${MANY * 2} file descriptors: ulimit -n says ${descriptors}` : false

// Only `npm run nightly -- slow-clients` has the time.
if (MANY > 0)
  t.test(
    `RL26 128 MB and ${MANY} slow readers that stay: each is answered or refused, and others are served again while they stay`,
    { skip },
    async (t) => {
      const { world, gateway } = await startSmall(t, 128)
      const readers = new SlowReaders(t, world.port)
      let most = 0
      for (let nth = 0; nth < MANY; nth += 1) {
        await readers.add()
        if (nth % 500 === 0)
          most = Math.max(most, valueOf(await gateway.metrics(), 'process_resident_memory_bytes') / 1_048_576)
      }
      await readers.allAnswered()
      t.comment(`${JSON.stringify([...readers.statuses])}, at most ${Math.round(most)} MiB resident`)
      t.same([...readers.statuses.keys()].toSorted(), [200, 503])
      t.equal(gateway.child.exitCode, null)
      await until(async () => (await sendRaw(world.port, get('/public/x'))).status === 200)
      t.pass('who did not read was given up, so there is room again')
      readers.leave()
      await servesAgain(world, gateway)
      await until(() => gateway.out().includes('"event":"overload_over"'))
    },
  )
