import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect as connectHttp2 } from 'node:http2'
import { connect, type Socket } from 'node:net'
import t from 'tap'
import { serveApart, valueOf } from '../helpers/gateway-process.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

const TOOL = '/usr/bin/slowhttptest'
const skip = existsSync(TOOL) ? false : 'no slowhttptest on this machine'
const ATTACK_SECONDS = 10
const CONNECTIONS = 200
/** How long the second client may wait for any answer. */
const PATIENCE_MS = 10_000

// Attacks take their time, and none needs the machine for itself.
t.jobs = 3

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

interface Attack {
  /** What the tool says at its end, without the colours. */
  readonly report: Promise<string>
}

function attack(t: Teardown, mode: string, url: string, more: readonly string[] = []): Attack {
  const common = ['-c', `${CONNECTIONS}`, '-r', '100', '-l', `${ATTACK_SECONDS}`, '-p', '3', '-u', url]
  const tool = spawn(TOOL, [mode, ...common, ...more])
  t.teardown(() => tool.kill('SIGKILL'))
  let said = ''
  tool.stdout.on('data', (data: Buffer) => (said += data.toString()))
  return { report: new Promise((resolve) => tool.once('close', () => resolve(said.replaceAll(/\x1b\[[\d;]*\w/g, '')))) }
}

t.test(
  'D01 D02 D03 slowhttptest in all its modes at once leaves a second client served, meanwhile and afterwards',
  { skip },
  async (t) => {
    const large = Buffer.alloc(8 * 1_048_576)
    const world = await startWorld(t, {
      answer: (request, response) => response.end(request.url?.endsWith('/large') === true ? large : 'ok'),
      settings: {
        applications: {
          // Each has connections of its own, as applications on different machines would.
          forms: { path: '/forms', access: 'public', upstream: '%UPSTREAM%/forms' },
          files: { path: '/files', access: 'public', upstream: '%UPSTREAM%/files' },
        },
      },
    })
    const gateway = await serveApart(t, world)
    const attacks = [
      attack(t, '-H', `${world.url}/forms/x`, ['-i', '1', '-x', '10']),
      attack(t, '-B', `${world.url}/forms/x`, ['-i', '1', '-x', '10', '-s', '8192']),
      attack(t, '-X', `${world.url}/files/large`, ['-w', '512', '-y', '1024', '-n', '5', '-z', '32', '-k', '3']),
      attack(t, '-R', `${world.url}/files/large`, ['-a', '10', '-b', '3000']),
    ]
    const all = { over: false }
    void Promise.all(attacks.map(async ({ report }) => report)).then(() => (all.over = true))

    const [statuses, waits] = [new Map<number, number>(), [0]]
    let underAttack = 0
    while (!all.over) {
      for (const path of ['/forms/ok', '/files/ok', '/oauth2/ping']) {
        const askedAt = performance.now()
        const { status } = await sendRaw(world.port, get(path))
        waits.push(performance.now() - askedAt)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
      underAttack = Math.max(underAttack, valueOf(await gateway.metrics(), 'cognito_gateway_requests_in_flight'))
    }
    t.same([...statuses.keys()], [200], 'the second client got its answers')
    t.ok((statuses.get(200) ?? 0) > 30, `${statuses.get(200)} of them`)
    t.ok(Math.max(...waits) < PATIENCE_MS, `within ${Math.round(Math.max(...waits))} ms`)
    t.ok(underAttack >= CONNECTIONS, `there was an attack: ${underAttack} requests at once`)
    const [headers = '', bodies = '', reads = '', ranges = ''] = await Promise.all(
      attacks.map(async ({ report }) => report),
    )
    for (const report of [headers, bodies, reads, ranges]) t.match(report, /Exit status: (?:Hit|No open)/)

    await until(async () => valueOf(await gateway.metrics(), 'cognito_gateway_requests_in_flight') === 0)
    t.equal((await sendRaw(world.port, get('/files/large'))).body.length, large.length, 'and is served afterwards')
    t.equal(gateway.child.exitCode, null)
  },
)

t.test('D02 D03 who neither sends nor reads keeps a connection from others for 20 seconds only', async (t) => {
  const world = await startWorld(t, {
    answer: (request, response) =>
      response.end(request.url?.endsWith('/large') === true ? Buffer.alloc(32 * 1_048_576) : 'ok'),
    settings: {
      applications: {
        reads: { path: '/reads', access: 'public', upstream: { url: '%UPSTREAM%/reads', connections: 1 } },
        sends: { path: '/sends', access: 'public', upstream: { url: '%UPSTREAM%/sends', connections: 1 } },
      },
    },
  })
  const open = (bytes: string): Socket => {
    const socket = connect(world.port, '127.0.0.1', () => socket.write(bytes))
    t.teardown(() => socket.destroy())
    return socket.on('error', () => undefined)
  }
  const reader = open(get('/reads/large'))
  await new Promise((resolve) => reader.once('data', resolve))
  reader.pause()
  open('POST /sends/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nx')
  await until(async () => (await world.metrics()).includes('state="busy"} 2'))
  const waiting = ['/reads/small', '/sends/small'].map(async (path) => {
    const answer = await new Promise<string>((resolve) =>
      open(get(path)).once('data', (data: Buffer) => resolve(data.toString())),
    )
    t.match(answer, /^HTTP\/1\.1 200 /, path)
  })
  await Promise.all(waiting)
  for (const reason of ['upstream_client_not_reading', 'client_body_slow'])
    await until(() => world.log.some((line) => line.includes(`"reason":"${reason}"`)))
})

t.test(
  'D03 over HTTP/2 a client that opens no window keeps neither an answer of our own nor its connection',
  async (t) => {
    const world = await startWorld(t, { tls: true, listen: { http2: true, keepAliveTimeoutSeconds: 1 } })
    const session = connectHttp2(world.url, { ca: world.certificate?.cert, settings: { initialWindowSize: 0 } })
    t.teardown(() => session.destroy())
    session.on('error', () => undefined)
    const closed = new Promise((resolve) => session.once('close', resolve))
    const stream = session.request({ ':path': '/oauth2/signed_out' })
    stream.on('error', () => undefined)
    await new Promise((resolve) => stream.once('response', resolve))
    await closed
    await until(async () => (await world.metrics()).includes('requests_in_flight 0'))
    t.pass('both are gone')
  },
)
