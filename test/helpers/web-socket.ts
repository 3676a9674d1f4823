import { connect, type Socket } from 'node:net'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer, type RawData } from 'ws'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface EchoApplication {
  readonly url: string
  /** Headers and address of every handshake that reached it. */
  readonly handshakes: { readonly url: string; readonly headers: Readonly<Record<string, unknown>> }[]
  /** The sockets that are open at its side. */
  readonly open: Set<WebSocket>
  /** Every close code that it saw. */
  readonly closed: number[]
}

/** An application that says back what it hears; plain requests get `plain`. */
export async function startEchoApplication(t: Teardown): Promise<EchoApplication> {
  const server = createServer((_request, response) => response.end('plain'))
  const sockets = new WebSocketServer({
    server,
    perMessageDeflate: true,
    handleProtocols: (offered) => (offered.has('chat.v2') ? 'chat.v2' : false),
  })
  const application: EchoApplication = { url: '', handshakes: [], open: new Set(), closed: [] }
  sockets.on('connection', (socket, request) => {
    application.handshakes.push({ url: request.url ?? '', headers: request.headers })
    application.open.add(socket)
    socket.on('error', () => undefined)
    socket.on('message', (data: RawData, binary: boolean) => socket.send(data, { binary }))
    socket.on('close', (code) => {
      application.open.delete(socket)
      application.closed.push(code)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of sockets.clients) socket.terminate()
    server.closeAllConnections()
    server.close()
  })
  return { ...application, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
}

export interface OpenedWebSocket {
  readonly socket: WebSocket
  /** Says something and waits for the answer. */
  say(message: string | Buffer): Promise<Buffer>
  /** Code and reason of its end. */
  readonly closed: Promise<readonly [number, string]>
}

/** Resolves when the WebSocket is open; rejects with the HTTP status where it is refused. */
export async function openWebSocket(
  t: Teardown,
  url: string,
  options: { readonly headers?: Record<string, string>; readonly protocols?: string[] } = {},
): Promise<OpenedWebSocket> {
  const socket = new WebSocket(url.replace(/^http/, 'ws'), options.protocols ?? [], { headers: options.headers ?? {} })
  t.teardown(() => socket.terminate())
  const closed = new Promise<readonly [number, string]>((resolve) =>
    socket.once('close', (code, reason) => resolve([code, reason.toString()])),
  )
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
    socket.once('unexpected-response', (_request, response) => {
      response.resume()
      reject(new Error(`refused with ${response.statusCode}`))
    })
  })
  socket.on('error', () => undefined)
  return {
    socket,
    closed,
    say: async (message) =>
      new Promise((resolve) => {
        socket.once('message', (data: Buffer) => resolve(data))
        socket.send(message)
      }),
  }
}

/** The head of a proper handshake, as bytes; `more` are further lines, each with its end. */
export function handshake(path: string, host: string, more = ''): string {
  return (
    `GET ${path} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
    `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${more}\r\n`
  )
}

/** A connection that speaks bytes and gathers what comes. */
export function openBytes(t: Teardown, port: number): { readonly socket: Socket; received(): string } {
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk.toString('latin1')
  })
  socket.on('error', () => undefined)
  t.teardown(() => socket.destroy())
  return { socket, received: () => text }
}
