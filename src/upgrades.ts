import { ServerResponse, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { isUpgrade } from './domain/client-kind.ts'
import { inTurn } from './listener/in-turn.ts'
import { Listener } from './listener/listener.ts'

declare module 'node:http' {
  interface IncomingMessage {
    /** The client waits for `100 Continue` before it sends the body. */
    expectsContinue?: boolean
    /** The connection of a request that asks to become a WebSocket; whoever lets it takes it over. */
    upgradeSocket?: Duplex
  }
}

/** Sends what Node's server keeps out of the usual path on the same journey as every request. The result ends all upgraded connections. */
export function acceptUpgrades(app: FastifyInstance): () => void {
  const sockets = new Set<Duplex>()
  const { server } = app
  if (!(server instanceof Listener)) throw new TypeError('upgrades are taken from the public listener only')

  // Who may send a body is decided before it is asked for.
  server.on('checkContinue', (raw: IncomingMessage, response: ServerResponse) => {
    raw.expectsContinue = true
    inTurn(raw, response, (...args) => app.routing(...args))
  })

  server.on('upgrade', (raw: IncomingMessage, socket: Duplex, head: Buffer) => {
    const response = responseOn(raw, socket)
    if (response === null) {
      socket.destroy()
      return
    }
    if (!isUpgrade(raw.headers)) {
      detach(response, socket)
      serveWithoutUpgrade(server, raw, socket, head)
      return
    }
    socket.on('error', () => socket.destroy())
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    if (head.length > 0) socket.unshift(head)
    raw.upgradeSocket = socket
    app.routing(raw, response)
  })
  return () => {
    for (const socket of sockets) socket.destroy()
  }
}

/**
 * An answer on a connection that the server has let go of: whatever it says but 101, the connection ends with it. Null where a request
 * before this one still waits for its answer: the server writes that on its own, and nobody who wants a WebSocket asks in between.
 */
function responseOn(raw: IncomingMessage, socket: Duplex): ServerResponse | null {
  const response = new ServerResponse(raw)
  response.shouldKeepAlive = false
  try {
    // oxlint-disable-next-line no-unsafe-type-assertion -- Node's server emits net and TLS sockets only
    response.assignSocket(socket as Parameters<ServerResponse['assignSocket']>[0])
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_HTTP_SOCKET_ASSIGNED') return null
    throw error
  }
  response.once('finish', () => {
    detach(response, socket)
    if (response.statusCode !== 101) socket.end()
    response.emit('close')
  })
  return response
}

function detach(response: ServerResponse, socket: Duplex): void {
  // oxlint-disable-next-line no-unsafe-type-assertion -- as above
  response.detachSocket(socket as Parameters<ServerResponse['detachSocket']>[0])
}

/**
 * A server may ignore an upgrade that it does not know (RFC 9110 7.8); many clients offer HTTP/2 in this way with their first request.
 * Node has stopped reading at the head, so it gets the head once more, without the offer.
 */
function serveWithoutUpgrade(listener: Listener, raw: IncomingMessage, socket: Duplex, head: Buffer): void {
  const lines = [`${raw.method ?? ''} ${raw.url ?? ''} HTTP/${raw.httpVersion}`]
  for (let at = 0; at < raw.rawHeaders.length; at += 2) {
    const name = raw.rawHeaders[at] ?? ''
    const value = raw.rawHeaders[at + 1] ?? ''
    if (/^(?:upgrade|http2-settings)$/i.test(name)) continue
    lines.push(`${name}: ${/^connection$/i.test(name) ? withoutUpgrade(value) : value}`)
  }
  listener.takeBack(socket)
  socket.emit('data', Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), head]))
}

function withoutUpgrade(connection: string): string {
  return connection
    .split(',')
    .map((member) => member.trim())
    .filter((member) => !/^(?:upgrade|http2-settings)$/i.test(member))
    .join(', ')
}
