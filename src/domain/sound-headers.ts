import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from './errors.ts'

/** As Node's parser took them; `rawHeaders` are names and values in turn. */
interface ReceivedHeaders {
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
}

// Node drops headers beyond a count of its own without a word; refusing a bit earlier keeps every header that was sent in sight.
const MAX_HEADERS = 200
const SINGLE = ['host', 'authorization', 'content-type', 'content-length', 'transfer-encoding', 'origin', 'upgrade']
const MAX_REMEMBERED_NAMES = 2_000
const singleBits = new Map<string, number>()

/** One bit for each header that may stand once only, none for any other; spellings are remembered, because there are few. */
function singleBit(name: string): number {
  const known = singleBits.get(name)
  if (known !== undefined) return known
  const at = SINGLE.indexOf(name.toLowerCase())
  const bit = at === -1 ? 0 : 1 << at
  if (singleBits.size < MAX_REMEMBERED_NAMES) singleBits.set(name, bit)
  return bit
}

/**
 * Refuses what Node's parser lets through and two readers could understand differently, by the version of HTTP that it came in. Looks at the raw
 * list: the parsed one hides doubles.
 */
export function requireSoundHeaders({ headers, rawHeaders }: ReceivedHeaders, version: string): void {
  if (rawHeaders.length > MAX_HEADERS * 2)
    throw new GatewayError('GW_HEADERS_TOO_LARGE', { reason: 'too_many_headers' })
  if (version !== '1.1' && version !== '1.0') throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'http_version' })
  let seen = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const bit = singleBit(rawHeaders[at] ?? '')
    if ((seen & bit) !== 0) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'duplicate_header' })
    seen |= bit
  }
  // Node takes any list that names it for 100-continue.
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    throw new GatewayError('GW_EXPECTATION_FAILED', { reason: 'expect' })
  const coding = headers['transfer-encoding']
  if (coding === undefined) return
  // We decode no other coding, and HTTP/1.0 has none: what follows would be read differently behind us.
  const sound = coding.toLowerCase() === 'chunked' && version === '1.1' && headers['content-length'] === undefined
  if (!sound) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'transfer_encoding' })
}
