import { createServer, type AddressInfo, type Socket } from 'node:net'

export interface RawApplication {
  readonly url: string
  /** Every connection that was ever made to it, oldest first. */
  readonly connections: readonly Socket[]
}

/** An application that answers every request with bytes of the test's choosing; `request` is the first piece of it that came. */
export async function startRawApplication(
  t: { teardown(fn: () => unknown): unknown },
  speak: (socket: Socket, request: string) => void,
): Promise<RawApplication> {
  const connections: Socket[] = []
  const server = createServer((socket) => {
    connections.push(socket)
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      const text = chunk.toString('latin1')
      if (/^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(text)) speak(socket, text)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of connections) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, connections }
}

/** The path that a raw request asks for. */
export const pathOf = (request: string): string => request.split(' ', 2)[1] ?? ''
