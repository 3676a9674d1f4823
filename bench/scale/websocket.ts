import { join } from 'node:path'
import { WebSocket } from 'ws'
import { freePort } from '../../test/helpers/world.ts'
import { openWebSocket } from '../../test/helpers/web-socket.ts'
import { startGatewayProgram } from '../contenders/gateway.ts'
import { startNginx } from '../contenders/nginx.ts'
import { packageFolder } from '../machine.ts'
import { cpuMicrosOf } from '../process-tree.ts'
import { LOAD_CORE, pause, startProgram, type Program } from '../programs.ts'
import { signIn, type Site } from '../site.ts'
import { spreadOf } from '../statistics.ts'
import { pairwise, type Topic } from './topic.ts'

const SOCKETS = 64
const MESSAGE = Buffer.alloc(128, 'x')
const AGAINST_NGINX = 1.2

interface Proxy {
  readonly program: Program
  readonly port: number
  readonly headers: Readonly<Record<string, string>>
}

export const websocket: Topic = {
  name: 'websocket',
  asks: 'what a message costs that passes over a WebSocket',
  async run(site, { seconds, repetitions }) {
    const echoPort = await startEcho(site)
    const proxies = { gateway: await ourProxy(site, echoPort), nginx: await nginxProxy(site, echoPort) }
    const found = { gateway: [] as number[], nginx: [] as number[] }
    for (let repetition = 0; repetition <= repetitions; repetition += 1) {
      for (const name of ['gateway', 'nginx'] as const) {
        const micros = await cpuPerExchange(proxies[name], seconds)
        if (repetition === 0) continue
        found[name].push(micros)
        site.progress(`  ${repetition}/${repetitions}  ${name.padEnd(8)} ${micros.toFixed(1)} µs`)
      }
    }
    for (const { program } of Object.values(proxies)) await program.stop()
    const ratio = spreadOf(pairwise(found.gateway, found.nginx, (ours, theirs) => ours / theirs))
    const [ours, theirs] = [spreadOf(found.gateway).median, spreadOf(found.nginx).median]
    return [
      {
        what: `CPU for a message of ${MESSAGE.length} bytes and its echo, over ${SOCKETS} WebSockets: ${ours.toFixed(1)} µs, nginx ${theirs.toFixed(1)} µs`,
        measured: `${ratio.median.toFixed(2)} × (${ratio.min.toFixed(2)} – ${ratio.max.toFixed(2)})`,
        target: `≤ ${AGAINST_NGINX} × nginx`,
        reached: ratio.median <= AGAINST_NGINX,
        figures: { ratio: ratio.median, gatewayMicros: ours, nginxMicros: theirs },
      },
    ]
  },
}

async function startEcho(site: Site): Promise<number> {
  const port = await freePort()
  const script = join(packageFolder, 'build', 'bench', 'contenders', 'echo-server.js')
  await startProgram(site, [process.execPath, script, String(port)], { core: LOAD_CORE }).listens(port)
  return port
}

async function ourProxy(site: Site, echoPort: number): Promise<Proxy> {
  const echo = {
    upstream: `http://127.0.0.1:${echoPort}`,
    path: '/echo',
    access: 'signedIn',
    webSocket: { maxPerSession: 1_000 },
  }
  const { program, port, url } = await startGatewayProgram(site, {
    name: 'websocket',
    settings: { applications: { app: { upstream: site.upstream.url, access: 'signedIn' }, echo } },
  })
  return { program, port, headers: { Cookie: await signIn(site, url), Origin: url, Host: `localhost:${port}` } }
}

async function nginxProxy(site: Site, echoPort: number): Promise<Proxy> {
  const { program, port } = await startNginx(
    site,
    'websocket-nginx',
    `location / {
      proxy_pass http://127.0.0.1:${echoPort};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection "upgrade";
      proxy_set_header Host $http_host;
    }`,
  )
  return { program, port, headers: {} }
}

/** CPU of the proxy for a message that goes to the application and comes back. */
async function cpuPerExchange({ program, port, headers }: Proxy, seconds: number): Promise<number> {
  const sockets: WebSocket[] = []
  const track = { teardown: () => undefined }
  try {
    for (let index = 0; index < SOCKETS; index += 1)
      sockets.push((await openWebSocket(track, `ws://127.0.0.1:${port}/echo`, { headers: { ...headers } })).socket)
    let exchanges = 0
    for (const socket of sockets)
      socket.on('message', () => {
        exchanges += 1
        socket.send(MESSAGE)
      })
    for (const socket of sockets) socket.send(MESSAGE)
    const [before, counted] = [cpuMicrosOf(program.pid), exchanges]
    await pause(seconds * 1000)
    const [spent, passed] = [cpuMicrosOf(program.pid) - before, exchanges - counted]
    const open = sockets.filter(({ readyState }) => readyState === WebSocket.OPEN).length
    if (open < SOCKETS || passed === 0)
      throw new Error(`of ${SOCKETS} WebSockets ${open} stayed open; ${passed} messages`)
    return spent / passed
  } finally {
    for (const socket of sockets) socket.terminate()
  }
}
