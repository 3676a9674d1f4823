import { ServerResponse, type IncomingMessage, type RequestListener } from 'node:http'
import type { Socket } from 'node:net'

/** So many requests of one connection may wait behind the one that is served. */
const MAX_WAITING = 100

interface Line {
  waiting: number
  /** The last one that has a place. */
  last: ServerResponse
}

const lines = new WeakMap<Socket, Line>()

/**
 * Serves the requests of a connection one after the other. Node hands out all that a client sends in one go (pipelining) at once: one
 * connection would take every place at an application, and what changes something would run beside what was sent before it, which
 * RFC 9112 9.3.2 forbids. Where too many wait, those that have a place are the last of their connection, and no more of it is read.
 */
export function inTurn(raw: IncomingMessage, response: ServerResponse, serve: RequestListener): void {
  // Streams of HTTP/2 have no order among each other, and their number is bounded there.
  if (raw.overHttp2 !== undefined || response.socket !== null) {
    serve(raw, response)
    return
  }
  const line = lines.get(raw.socket) ?? { waiting: 0, last: response }
  if (line.waiting >= MAX_WAITING) {
    closeAfter(line, raw.socket)
    return
  }
  line.waiting += 1
  line.last = response
  lines.set(raw.socket, line)
  // Node gives an answer its connection when those before it are written.
  response.assignSocket = (socket) => {
    ServerResponse.prototype.assignSocket.call(response, socket)
    line.waiting -= 1
    // Not at once: a long line of answers that we make ourselves would keep everybody else waiting.
    setImmediate(() => {
      if (!socket.destroyed) serve(raw, response)
    })
  }
}

function closeAfter({ last }: Line, socket: Socket): void {
  if (!last.shouldKeepAlive) return
  last.shouldKeepAlive = false
  // The parser is in the middle of what came: it is taken off when it is through.
  setImmediate(() => {
    socket.removeAllListeners('data')
    socket.on('data', () => undefined)
  })
}
