import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { Pin } from '../../adapters/upstreams.ts'

/**
 * Connections to applications that sign in by the connection, one for each client connection and session: proxies in front send several
 * people over one connection, so the connection alone tells nobody apart.
 */
export class Pins {
  readonly #bySocket = new WeakMap<Socket, Map<string, Pin>>()

  /** Null over HTTP/2, where one connection carries many requests at a time. */
  of({ socket, overHttp2 }: IncomingMessage, sessionId: string): Pin | null {
    if (overHttp2 !== undefined) return null
    let pins = this.#bySocket.get(socket)
    if (pins === undefined) {
      pins = new Map()
      this.#bySocket.set(socket, pins)
      socket.once('close', () => this.#end(socket))
    }
    const known = pins.get(sessionId)
    if (known !== undefined) return known
    const pin: Pin = { end: null }
    pins.set(sessionId, pin)
    return pin
  }

  #end(socket: Socket): void {
    for (const pin of this.#bySocket.get(socket)?.values() ?? []) pin.end?.()
  }
}
