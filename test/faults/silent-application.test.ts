import { connect } from 'node:net'
import t from 'tap'
import { pathOf, startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

// Limits are whole seconds: what waits for one runs beside what waits for another.
t.jobs = 4

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const fine = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'

/** A world whose circuit one failure opens, and whose application answers some paths with less than all of an answer. */
async function fragileWorld(t: Teardown, limits: object, answers: Readonly<Record<string, string>> = {}) {
  const application = await startRawApplication(t, (socket, request) => {
    if (pathOf(request) === '/big') {
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * 1_048_576}\r\n\r\n`)
      socket.write(Buffer.alloc(64 * 1_048_576))
    } else socket.write(answers[pathOf(request)] ?? fine)
  })
  const upstream = { url: application.url, breaker: { failures: 1, openSeconds: 60 }, ...limits }
  return startWorld(t, { settings: { applications: { app: { access: 'public', upstream } } } })
}

const isOpen = async ({ metrics }: World): Promise<boolean> =>
  /circuit_open\{target="(?!pool\/|session_store)[^}]*\} 1$/m.test(await metrics())
const logged = async ({ log }: World, reason: string): Promise<void> =>
  until(() => log.some((line) => line.includes('"event":"request"') && line.includes(`"reason":"${reason}"`)))

t.test('RL29 an application that does not answer in time opens its circuit', async (t) => {
  const world = await fragileWorld(t, { responseSeconds: 1 }, { '/silent': '' })
  t.equal((await sendRaw(world.port, get('/silent'))).status, 504)
  await logged(world, 'upstream_no_answer')
  t.ok(await isOpen(world))
  t.equal((await sendRaw(world.port, get('/fine'))).status, 502)
})

t.test('RL29 and so does one that stops in the middle of an answer', async (t) => {
  const half = 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf'
  const world = await fragileWorld(t, { idleSeconds: 1 }, { '/half': half })
  t.ok((await sendRaw(world.port, get('/half'), { waitForClose: true })).closed)
  await logged(world, 'upstream_idle')
  t.ok(await isOpen(world))
})

t.test('D03 a client that does not read its answer opens no circuit', async (t) => {
  const world = await fragileWorld(t, { idleSeconds: 1 })
  const client = connect(world.port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.on('error', () => undefined)
  client.write(get('/big'))
  client.pause()
  await logged(world, 'upstream_client_not_reading')
  t.notOk(await isOpen(world))
  t.equal((await sendRaw(world.port, get('/fine'))).status, 200)
})

t.test('D02 a client that is slow until totalSeconds are over opens no circuit', async (t) => {
  const world = await fragileWorld(t, { totalSeconds: 1 }, { '/up': '' })
  const client = connect(world.port, '127.0.0.1')
  t.teardown(() => client.destroy())
  client.on('error', () => undefined)
  client.write(`POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx`)
  const drops = setInterval(() => client.write('x'), 50)
  t.teardown(() => clearInterval(drops))
  await logged(world, 'upstream_total')
  t.notOk(await isOpen(world))
  t.equal((await sendRaw(world.port, get('/fine'))).status, 200)
})
