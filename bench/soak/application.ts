import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import type { Teardown } from '../command.ts'

export const LARGE_BYTES = 8 * 1_048_576
/** How many events a stream has before the application ends it. */
export const EVENTS = 10
const EVENT_MS = 100
const LATE_MS = 3_000

export interface SoakApplication {
  readonly url: string
  /** Ends the connections that no request uses, as an application does after a while. */
  closeIdle(): void
}

/** The application of the soak: well-behaved below most paths, and as wrong as applications get below `/fail/`. */
export async function startSoakApplication(t: Teardown): Promise<SoakApplication> {
  const server = createServer(answer)
  acceptWebSockets(server)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, closeIdle: () => server.closeIdleConnections() }
}

function acceptWebSockets(server: Server): void {
  const sockets = new WebSocketServer({ server })
  sockets.on('connection', (socket) => {
    socket.on('error', () => undefined)
    socket.on('message', (data, binary) => socket.send(data, { binary }))
  })
}

const large = Buffer.alloc(LARGE_BYTES, 'Much ado about nothing. ')

function answer(request: IncomingMessage, response: ServerResponse): void {
  request.on('error', () => undefined)
  response.on('error', () => undefined)
  const [path = ''] = (request.url ?? '').split('?', 1)
  if (path.startsWith('/fail/')) fail(path.slice('/fail/'.length), request, response)
  else if (path === '/upload') receive(request, response)
  else if (path === '/events') sendEvents(response)
  else if (path === '/large') response.writeHead(200, { 'content-length': LARGE_BYTES }).end(large)
  else sendJson(response, { path, user: request.headers['x-forwarded-email'] ?? request.headers['x-forwarded-user'] })
}

function receive(request: IncomingMessage, response: ServerResponse): void {
  let bytes = 0
  request.on('data', (chunk: Buffer) => (bytes += chunk.length))
  request.on('end', () => sendJson(response, { bytes }))
}

function sendEvents(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
  let sent = 0
  const timer = setInterval(() => {
    sent += 1
    response.write(`data: ${sent}\n\n`)
    if (sent === EVENTS) response.end()
  }, EVENT_MS)
  response.once('close', () => clearInterval(timer))
}

function fail(how: string, request: IncomingMessage, response: ServerResponse): void {
  switch (how) {
    case 'error':
      response.writeHead(500).end('out of order')
      return
    case 'reset':
      request.socket.resetAndDestroy()
      return
    case 'garbage':
      request.socket.end('this is no answer\r\n\r\n')
      return
    case 'short':
      response.writeHead(200, { 'content-length': 1_000_000 })
      response.write('x'.repeat(100_000), () => request.socket.destroy())
      return
    case 'late': {
      const timer = setTimeout(() => response.end('late'), LATE_MS)
      response.once('close', () => clearTimeout(timer))
      return
    }
    default:
      response.writeHead(404).end()
  }
}

function sendJson(response: ServerResponse, value: object): void {
  const text = JSON.stringify(value)
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }).end(text)
}
