import { createServer, type AddressInfo, type Socket } from 'node:net'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** A request of which every byte has come. */
export interface WholeRequest {
  readonly method: string
  readonly path: string
  readonly head: string
  readonly bodyBytes: number
  /** How many came on this connection before it. */
  readonly earlier: number
}

export interface CountingApplication {
  readonly url: string
  readonly port: number
  /** Method and path of every request that came whole, oldest first. */
  readonly whole: string[]
  /** Every connection that was ever made to it, oldest first. */
  readonly connections: Socket[]
  /** Refuses connections from now on. */
  close(): void
}

export interface CountingOptions {
  /** A connection was made; nothing of it was read yet. */
  readonly connected?: (socket: Socket) => void
  readonly speak: (socket: Socket, request: WholeRequest) => void
}

/** An application of bytes that counts requests when they have come whole, and does then what the test says. */
export async function startCountingApplication(
  t: Teardown,
  { connected, speak }: CountingOptions,
): Promise<CountingApplication> {
  const whole: string[] = []
  const connections: Socket[] = []
  const server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => undefined)
    connected?.(socket)
    let received = ''
    let earlier = 0
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      for (let length = wholeLength(received); length > 0; length = wholeLength(received)) {
        const request = parse(received.slice(0, length), earlier)
        received = received.slice(length)
        earlier += 1
        whole.push(`${request.method} ${request.path}`)
        speak(socket, request)
      }
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const close = (): void => {
    for (const socket of connections) socket.destroy()
    server.close()
  }
  t.teardown(close)
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}`, port, whole, connections, close }
}

/** 0 where something is still to come. */
function wholeLength(received: string): number {
  const end = received.indexOf('\r\n\r\n')
  if (end === -1) return 0
  const head = received.slice(0, end)
  if (/^transfer-encoding: chunked/im.test(head)) {
    const last = received.indexOf('0\r\n\r\n', end + 2)
    return last === -1 ? 0 : last + 5
  }
  const length = end + 4 + Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0)
  return received.length >= length ? length : 0
}

function parse(text: string, earlier: number): WholeRequest {
  const end = text.indexOf('\r\n\r\n')
  const [method = '', path = ''] = text.split(' ', 2)
  return { method, path, head: text.slice(0, end), bodyBytes: text.length - end - 4, earlier }
}
