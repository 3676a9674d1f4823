import type { Socket } from 'node:net'
import type { Logger } from 'pino'
import type { Metrics } from '../adapters/metrics.ts'
import { catalogue, type ErrorCode } from '../domain/errors.ts'

type BrokenRequestHandler = (error: Error & { code?: string }, socket: Socket) => void

/** What Node's parser refuses never becomes a request: a short answer in our words, one log line, and the connection ends. */
export function createBrokenRequestHandler(metrics: Metrics, log: Logger): BrokenRequestHandler {
  return (error, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const { code, reason } = refusalOf(error.code)
    metrics.count('connections_refused_total', { reason })
    log.info({ event: 'connection_refused', reason, code, client: socket.peer?.address }, 'connection refused')
    socket.end(answerOf(code))
    // Who goes on sending and never closes must not keep the connection.
    const patience = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(patience))
  }
}

const LINGER_MS = 5_000

function refusalOf(code: string | undefined): { readonly code: ErrorCode; readonly reason: string } {
  if (code === 'HPE_HEADER_OVERFLOW') return { code: 'GW_HEADERS_TOO_LARGE', reason: 'headers_too_large' }
  if (code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW') return { code: 'GW_BODY_TOO_LARGE', reason: 'chunk_extensions' }
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return { code: 'GW_REQUEST_TIMEOUT', reason: 'timeout' }
  return { code: 'GW_REQUEST_REFUSED', reason: 'malformed' }
}

function answerOf(code: ErrorCode): string {
  const { status, says } = catalogue[code]
  const body = JSON.stringify({ code, message: says })
  return [
    `HTTP/1.1 ${status} ${says}`,
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Cache-Control: no-store',
    `X-Gateway-Code: ${code}`,
    'Connection: close',
    '',
    body,
  ].join('\r\n')
}
