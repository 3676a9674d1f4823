import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { startForPeople, startGatewayProgram } from '../contenders/gateway.ts'
import type { Running } from '../contenders/contender.ts'
import { floor } from '../contenders/node-proxies.ts'
import { measure, type Load } from '../measure.ts'
import { memoryMiBOf } from '../process-tree.ts'
import { pause } from '../programs.ts'
import { signIn, type Site } from '../site.ts'
import { mintSessions } from './minted-sessions.ts'
import { peakMemoryMiB, type Finding, type Topic } from './topic.ts'

const IDLE = 5_000
const AT_ONCE = 100
const SETTLE_MS = 2_000
const IDLE_KIB = 11

export const idle: Topic = {
  name: 'idle',
  asks: 'how much memory an idle connection holds',
  async run(site, { seconds }) {
    const gateway = await startForPeople(site, { name: 'idle' })
    const bare = await floor.start(site)
    const [ours, theirs] = [await idleKiB(site, gateway, seconds), await idleKiB(site, bare, seconds)]
    for (const { program } of [gateway, bare]) await program.stop()
    return [
      {
        what: `memory for each of ${IDLE.toLocaleString('en')} idle connections (floor: ${theirs.toFixed(1)} KiB)`,
        measured: `${ours.toFixed(1)} KiB`,
        target: `≤ ${IDLE_KIB} KiB`,
        reached: ours <= IDLE_KIB,
        figures: { gatewayKiB: ours, floorKiB: theirs },
      },
    ]
  },
}

/** Memory that each connection holds which has had one answer and then says nothing more. */
async function idleKiB(site: Site, running: Running, seconds: number): Promise<number> {
  const headers = await running.signIn()
  // The heap has grown to what load needs before connections are counted.
  await measure(site, running, { connections: 64, seconds, headers })
  await pause(SETTLE_MS)
  const before = memoryMiBOf(running.program.pid)
  const sockets: Socket[] = []
  try {
    const lines = Object.entries({ Host: `localhost:${running.port}`, ...headers })
    const head = `GET / HTTP/1.1\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`
    while (sockets.length < IDLE)
      sockets.push(...(await Promise.all(Array.from({ length: AT_ONCE }, async () => askedOnce(running.port, head)))))
    await pause(SETTLE_MS)
    const open = sockets.filter(({ closed, readableEnded }) => !closed && !readableEnded).length
    if (open < IDLE) throw new Error(`of ${IDLE} idle connections only ${open} stayed open`)
    return ((memoryMiBOf(running.program.pid) - before) * 1024) / IDLE
  } finally {
    for (const socket of sockets) socket.destroy()
  }
}

async function askedOnce(port: number, head: string): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(head)
  const [answer] = (await once(socket, 'data')) as [Buffer]
  if (!answer.toString('latin1').startsWith('HTTP/1.1 200 ')) throw new Error(`answered ${answer.subarray(0, 40)}`)
  socket.resume()
  return socket
}

const CONNECTIONS = 1_000
const SESSIONS = 10_000
const BUSY_MIB = 150

export const memory: Topic = {
  name: 'memory',
  asks: 'how much memory many connections and sessions take together',
  async run(site, { seconds }): Promise<readonly Finding[]> {
    const gateway = await startGatewayProgram(site, { name: 'memory' })
    const cookie = await signIn(site, gateway.url)
    const cookiesFile = await mintSessions(site, { settingsFile: gateway.settingsFile, cookie, count: SESSIONS })
    const load = { headers: {}, cookiesFile, connections: CONNECTIONS, seconds: Math.max(seconds, 5) }
    const ours = await busyMiB(site, { ...gateway, signIn: async () => ({}) }, load)
    const bare = await floor.start(site)
    const theirs = await busyMiB(site, bare, load)
    for (const { program } of [gateway, bare]) await program.stop()
    return [
      {
        what: `most memory under load at ${CONNECTIONS.toLocaleString('en')} connections and ${SESSIONS.toLocaleString('en')} remembered sessions (floor: ${theirs.toFixed(0)} MiB)`,
        measured: `${ours.toFixed(0)} MiB`,
        target: `≤ ${BUSY_MIB} MiB`,
        reached: ours <= BUSY_MIB,
        figures: { gatewayMiB: ours, floorMiB: theirs },
      },
    ]
  },
}

async function busyMiB(site: Site, running: Running, load: Load): Promise<number> {
  // Twice, because in a slow first run not every session may have come by.
  return peakMemoryMiB(running.program.pid, async () => {
    await measure(site, running, load)
    await measure(site, running, load)
  })
}
