import { validateHeaderValue, type ServerResponse } from 'node:http'
import { constants, Http2ServerResponse } from 'node:http2'

type Response = ServerResponse | Http2ServerResponse

/** Writes the head of an answer, names and values in turn. Throws for a header that must not be written; then nothing was. */
export function writeHead(response: Response, status: number, pairs: string[]): void {
  if (!(response instanceof Http2ServerResponse)) {
    response.writeHead(status, pairs)
    return
  }
  const head = new Map<string, string | string[]>()
  let closing = false
  for (let at = 0; at < pairs.length; at += 2) {
    const name = (pairs[at] ?? '').toLowerCase()
    const value = pairs[at + 1] ?? ''
    // HTTP/2 has no such header (RFC 9113 8.2.2): a connection ends by GOAWAY.
    if (name === 'connection') {
      closing ||= value === 'close'
      continue
    }
    validateHeaderValue(name, value)
    const before = head.get(name)
    head.set(name, before === undefined ? value : [before, value].flat())
  }
  response.writeHead(status, Object.fromEntries(head))
  if (closing) response.stream.session?.close()
}

/** Ends an answer before its request has ended: over HTTP/2 the client is told to send no more of it (RFC 9113 8.1). */
export function stopRequest(response: Response): void {
  if (response instanceof Http2ServerResponse) response.stream.close(constants.NGHTTP2_NO_ERROR)
}

/** Ends an answer that has begun and will never be whole, so that no client takes it for one that is. */
export function breakOff(response: Response): void {
  if (response instanceof Http2ServerResponse) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else response.destroy()
}
