import type { Socket } from 'node:net'
import t from 'tap'
import { startCountingApplication } from '../helpers/counting-application.ts'
import { openRawConnection } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const KEEP_ALIVE_MS = 3
const CLIENTS = 8
const ROUNDS = 300

/** An application that closes connections almost as soon as they are idle, and does not say so: every use of one may meet its end. */
async function startImpatientApplication(t: Teardown) {
  const patience = new WeakMap<Socket, NodeJS.Timeout>()
  return startCountingApplication(t, {
    speak: (socket) => {
      clearTimeout(patience.get(socket))
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      patience.set(
        socket,
        setTimeout(() => socket.destroy(), KEEP_ALIVE_MS),
      )
    },
  })
}

const timesOf = (list: readonly string[]): Map<string, number> => {
  const times = new Map<string, number>()
  for (const one of list) times.set(one, (times.get(one) ?? 0) + 1)
  return times
}

t.test(
  'RL05 no GET fails where an application closes connections at the moment of their next use, and no POST is sent twice',
  async (t) => {
    const { url, whole, connections } = await startImpatientApplication(t)
    const { port, log } = await startWorld(t, {
      settings: { applications: { app: { access: 'public', upstream: { url, breaker: 'off' } } } },
    })
    const statuses = new Map<string, number>()
    const began = performance.now()
    const clients = Array.from({ length: CLIENTS }, () => openRawConnection(t, port))
    for (let round = 0; round < ROUNDS; round += 1) {
      const method = round % 10 === 9 ? 'POST' : 'GET'
      await Promise.all(
        clients.map(async (client, nth) => {
          const request = `${method} /${nth}-${round}`
          const { status } = await client.send(`${request} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`)
          statuses.set(request, status)
        }),
      )
      // All connections are idle now, for a time around the application's patience. No timer is as exact as that has to be.
      const goOnAt = performance.now() + KEEP_ALIVE_MS * (0.5 + ((round * 0.618) % 1) * 1.5)
      while (performance.now() < goOnAt) await new Promise((resolve) => setImmediate(resolve))
    }
    const seconds = (performance.now() - began) / 1_000
    await until(() => log.filter((line) => line.includes('"event":"request"')).length === CLIENTS * ROUNDS)
    const logged = log
      .map((line) => JSON.parse(line) as { event: string; method: string; path: string; status: number })
      .filter(({ event }) => event === 'request')
    const [arrived, written] = [timesOf(whole), timesOf(logged.map(({ method, path }) => `${method} ${path}`))]
    t.equal(statuses.size, CLIENTS * ROUNDS)
    for (const [request, status] of statuses) {
      const times = arrived.get(request) ?? 0
      const isGet = request.startsWith('GET')
      if (isGet && (status !== 200 || times !== 1)) t.fail(`${request}: ${status}, arrived ${times} times`)
      if (!isGet && (times > 1 || (status === 200) !== (times === 1)))
        t.fail(`${request}: ${status}, arrived ${times} times`)
      if (written.get(request) !== 1) t.fail(`${request} has ${written.get(request)} log lines`)
    }
    t.ok(statuses.size / seconds > 100, `${Math.round(statuses.size / seconds)} requests a second`)
    const used = connections.length
    t.ok(used > CLIENTS && used < statuses.size, `${used} connections: some were used again, many had ended`)
    t.comment(`${used} connections, ${[...statuses.values()].filter((status) => status !== 200).length} POSTs with 502`)
  },
)
