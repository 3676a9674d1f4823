import { connect, createServer, type AddressInfo, type Socket } from 'node:net'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** What happens to the bytes on their way: each may be handed on changed, later, or not at all. */
export interface FaultRule {
  /** What the server is sent of what the client sent; null for nothing. `answer` writes to the client in the server's place. */
  readonly asked?: (data: Buffer, answer: (text: string) => void) => Buffer | null
  readonly answered?: (data: Buffer) => Buffer | null
  readonly delayMs?: number
}

export interface FaultProxy {
  readonly port: number
  /** From now on; undefined for a proxy that does nothing. */
  rule: FaultRule | undefined
  readonly connections: number
  /** Ends every connection that is open. */
  cut(): void
}

/** A TCP proxy between a client and a server of a test. */
export async function startFaultProxy(t: Teardown, targetPort: number): Promise<FaultProxy> {
  const open = new Set<Socket>()
  let connections = 0
  const server = createServer((client) => {
    connections += 1
    const upstream = connect(targetPort, '127.0.0.1')
    for (const socket of [client, upstream]) {
      open.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => undefined)
      socket.once('close', () => {
        open.delete(socket)
        client.destroy()
        upstream.destroy()
      })
    }
    const send = (to: Socket, data: Buffer | null): void => {
      if (data === null) return
      const delayMs = proxy.rule?.delayMs ?? 0
      if (delayMs === 0) to.write(data)
      else setTimeout(() => to.write(data), delayMs)
    }
    client.on('data', (data: Buffer) => {
      const asked = proxy.rule?.asked
      send(upstream, asked === undefined ? data : asked(data, (text) => client.write(text)))
    })
    upstream.on('data', (data: Buffer) => {
      const answered = proxy.rule?.answered
      send(client, answered === undefined ? data : answered(data))
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const cut = (): void => {
    for (const socket of open) socket.destroy()
  }
  t.teardown(async () => {
    cut()
    await new Promise((resolve) => {
      server.close(resolve)
    })
  })
  const proxy: FaultProxy = {
    port: (server.address() as AddressInfo).port,
    rule: undefined,
    get connections() {
      return connections
    },
    cut,
  }
  return proxy
}
