import type { Server } from 'node:http'
import { constants, createServer, type Http2ServerRequest, type Http2Session, type ServerHttp2Stream } from 'node:http2'
import type { TLSSocket } from 'node:tls'

declare module 'node:http' {
  interface IncomingMessage {
    /** Set on requests that really came over HTTP/2: the connection they came on. A request line can claim any version. */
    overHttp2?: TLSSocket
  }
}

export interface Http2Options {
  readonly maxHeaderBytes: number
  readonly headersTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  /** Requests are given to this server, as `request` or `checkContinue`. */
  readonly deliverTo: Server
  /** A connection has ended for what its client did: broken or flooding frames, or streams reset faster than any browser does. */
  readonly refused: (socket: TLSSocket) => void
}

/** HTTP/2 on connections that agreed on it; requests come out in the shape of HTTP/1.1. */
export interface Http2Sessions {
  serve(socket: TLSSocket): void
  /** Tells every client to open no more streams here; those under way are finished. */
  close(): void
}

const MAX_STREAMS = 128
const MAX_HEADER_PAIRS = 256
const MAX_FRAME_FAULTS = 50
const MAX_SESSION_MEGABYTES = 10
/** A client may reset this many streams within the window; browsers stay far below (CVE-2023-44487). */
const MAX_RESETS = 200
const RESET_WINDOW_MS = 10_000

export function createHttp2Sessions(options: Http2Options): Http2Sessions {
  const { deliverTo, refused } = options
  const sessions = new Map<Http2Session, TLSSocket>()
  const server = createServer({
    settings: { maxConcurrentStreams: MAX_STREAMS, maxHeaderListSize: options.maxHeaderBytes, enablePush: false },
    maxHeaderListPairs: MAX_HEADER_PAIRS,
    maxSessionInvalidFrames: MAX_FRAME_FAULTS,
    maxSessionRejectedStreams: MAX_FRAME_FAULTS,
    maxSessionMemory: MAX_SESSION_MEGABYTES,
  })
  let arriving: TLSSocket | null = null
  server.on('session', (session) => {
    if (arriving === null) return
    const socket = arriving
    sessions.set(session, socket)
    session.once('close', () => sessions.delete(session))
    session.on('error', (error: Error & { code?: string }) => {
      if (error.code?.startsWith('ERR_HTTP2_') === true) refused(socket)
    })
    limitIdleTime(session, options)
    limitResets(session, () => refused(socket))
  })
  const admit = (request: Http2ServerRequest): boolean => {
    const { session } = request.stream
    const socket = session === undefined ? undefined : sessions.get(session)
    if (socket === undefined) return false
    if (sizeOf(request.rawHeaders) <= options.maxHeaderBytes) {
      limitUnreadTime(request.stream, options)
      shapeAsHttp1(request, socket)
      return true
    }
    // Node holds clients to our limit only once they have acknowledged it.
    request.stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM)
    return false
  }
  server.on('request', (request, response) => {
    if (admit(request)) deliverTo.emit('request', request, response)
  })
  server.on('checkExpectation', (request, response) => {
    if (admit(request)) deliverTo.emit('request', request, response)
  })
  server.on('checkContinue', (request, response) => {
    if (!admit(request) || deliverTo.emit('checkContinue', request, response)) return
    response.writeContinue()
    deliverTo.emit('request', request, response)
  })

  return {
    serve(socket) {
      // A server of node:http keeps its side open when the client ends its own; a session would never hear of that end.
      socket.allowHalfOpen = false
      arriving = socket
      server.emit('connection', socket)
      arriving = null
    },
    close() {
      for (const session of sessions.keys()) session.close()
    },
  }
}

function limitIdleTime(session: Http2Session, { headersTimeoutMs, keepAliveTimeoutMs }: Http2Options): void {
  session.setTimeout(headersTimeoutMs, () => session.close())
  session.once('stream', () => session.setTimeout(keepAliveTimeoutMs))
}

/** A client that opens no window would keep the stream of an answer, and with it its connection, for ever. */
function limitUnreadTime(stream: ServerHttp2Stream, { keepAliveTimeoutMs }: Http2Options): void {
  stream.setTimeout(keepAliveTimeoutMs, () => {
    if (stream.writableEnded) stream.close(constants.NGHTTP2_CANCEL)
  })
}

/** A reset stream costs its client nothing and the applications a request each. */
function limitResets(session: Http2Session, refused: () => void): void {
  let resets = 0
  let since = performance.now()
  session.on('stream', (stream) => {
    stream.once('aborted', () => {
      const now = performance.now()
      if (now - since > RESET_WINDOW_MS) {
        since = now
        resets = 0
      }
      resets += 1
      if (resets <= MAX_RESETS || session.destroyed) return
      refused()
      session.destroy(new Error('streams reset without end'), constants.NGHTTP2_ENHANCE_YOUR_CALM)
    })
  })
}

/**
 * Gives a request the shape that one over HTTP/1.1 has, so that all that follows reads one kind: no pseudo headers, the authority as Host,
 * one Cookie header (RFC 9113 8.2.3), and a body of unknown length announced as chunked. A Host that names another authority is kept as a
 * second one: doubled headers are refused.
 */
function shapeAsHttp1(request: Http2ServerRequest, socket: TLSSocket): void {
  const rawHeaders = rawHeadersOf(request)
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => !name.startsWith(':')))
  const authority = request.headers[':authority']
  if (authority !== undefined) headers['host'] = authority
  if (headers['content-length'] === undefined && !request.stream.endAfterHeaders) {
    rawHeaders.push('transfer-encoding', 'chunked')
    headers['transfer-encoding'] = 'chunked'
  }
  Object.defineProperties(request, {
    rawHeaders: { value: rawHeaders },
    headers: { value: headers },
    overHttp2: { value: socket },
  })
}

/** As HTTP/2 counts: 32 bytes for each field beside its name and value (RFC 9113 6.5.2). */
const sizeOf = (rawHeaders: readonly string[]): number => rawHeaders.reduce((size, text) => size + text.length + 16, 0)

function rawHeadersOf(request: Http2ServerRequest): string[] {
  const authority = request.headers[':authority']
  const raw: string[] = authority === undefined ? [] : ['host', authority]
  const cookies: string[] = []
  for (let at = 0; at < request.rawHeaders.length; at += 2) {
    const name = request.rawHeaders[at] ?? ''
    const value = request.rawHeaders[at + 1] ?? ''
    if (name === 'cookie') cookies.push(value)
    else if (!name.startsWith(':') && !(name === 'host' && value === authority)) raw.push(name, value)
  }
  if (cookies.length > 0) raw.push('cookie', cookies.join('; '))
  return raw
}
