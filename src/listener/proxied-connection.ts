import type { Socket } from 'node:net'
import { parseProxyHeader } from '../domain/proxy-header.ts'

export interface ProxiedOptions {
  readonly timeoutMs: number
  /** The header was read and taken off; `source` is null where the proxy speaks for itself. */
  readonly accepted: (source: string | null) => void
  /** There was none, in time or at all; the connection has ended. */
  readonly refused: () => void
}

/** Reads the PROXY protocol header that a connection must begin with; what follows it stays in the socket. */
export function readProxyHeader(socket: Socket, { timeoutMs, accepted, refused }: ProxiedOptions): void {
  let read: Buffer = Buffer.alloc(0)
  const timer = setTimeout(refuse, timeoutMs)
  socket.on('readable', look)
  socket.on('error', refuse)
  socket.on('end', refuse)
  socket.on('close', refuse)

  function look(): void {
    const chunk: unknown = socket.read()
    if (!Buffer.isBuffer(chunk)) return
    read = Buffer.concat([read, chunk])
    const header = parseProxyHeader(read)
    if (header.kind === 'incomplete') return
    if (header.kind === 'malformed') {
      refuse()
      return
    }
    leave()
    const rest = read.subarray(header.length)
    if (rest.length > 0) socket.unshift(rest)
    accepted(header.source)
  }

  function refuse(): void {
    leave()
    socket.destroy()
    // Resetting may still have something to say, to nobody.
    socket.on('error', () => undefined)
    refused()
  }

  function leave(): void {
    clearTimeout(timer)
    socket.off('readable', look)
    socket.off('error', refuse)
    socket.off('end', refuse)
    socket.off('close', refuse)
  }
}
