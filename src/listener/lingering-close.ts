import type { Socket } from 'node:net'

/** How long a client that goes on sending may take to read its last answer. */
const LINGER_MS = 2_000

/**
 * Makes the end of a connection wait for its last answer to arrive: closing while bytes of the client are unread resets the connection,
 * and takes with it what the client has not read yet (RFC 9112 section 9.6). What still comes is read for a while and thrown away.
 */
export function closeLingering(socket: Socket): void {
  const close = socket.destroySoon.bind(socket)
  // Node ends a connection by this after an answer with `Connection: close`.
  socket.destroySoon = () => {
    if (socket.readableEnded || socket.destroyed) {
      close()
      return
    }
    // No parser any more: a request behind the last answer is never served.
    socket.removeAllListeners('data')
    socket.on('data', () => undefined)
    socket.end()
    socket.resume()
    const patience = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('end', close)
    socket.once('close', () => clearTimeout(patience))
  }
}
