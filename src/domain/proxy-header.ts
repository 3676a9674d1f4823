import { parseAddress } from './client-address.ts'

/** What stands at the beginning of a connection that must begin with a PROXY protocol header of version 2. */
export type ProxyHeader =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' }
  /** `source` is null where the proxy speaks for itself, as in its health checks. */
  | { readonly kind: 'header'; readonly length: number; readonly source: string | null }

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a]
const FIXED_BYTES = 16
// An address of either family and what extensions are in use; a header never needs more.
const MAX_BODY_BYTES = 2_048
const [LOCAL, PROXY] = [0x20, 0x21]
const [TCP_OVER_IPV4, TCP_OVER_IPV6] = [0x11, 0x21]

/** Reads a header from the first bytes of a connection. Extensions (TLVs) are skipped. */
export function parseProxyHeader(bytes: Uint8Array): ProxyHeader {
  const known = Math.min(bytes.length, SIGNATURE.length)
  for (let at = 0; at < known; at += 1) if (bytes[at] !== SIGNATURE[at]) return { kind: 'malformed' }
  if (bytes.length < FIXED_BYTES) return { kind: 'incomplete' }
  const command = bytes[12] ?? 0
  const bodyLength = (bytes[14] ?? 0) * 256 + (bytes[15] ?? 0)
  if ((command !== LOCAL && command !== PROXY) || bodyLength > MAX_BODY_BYTES) return { kind: 'malformed' }
  const length = FIXED_BYTES + bodyLength
  if (bytes.length < length) return { kind: 'incomplete' }
  if (command === LOCAL) return { kind: 'header', length, source: null }
  const source = sourceOf(bytes[13] ?? 0, bytes.subarray(FIXED_BYTES, length))
  return source === null ? { kind: 'malformed' } : { kind: 'header', length, source }
}

function sourceOf(family: number, body: Uint8Array): string | null {
  if (family === TCP_OVER_IPV4 && body.length >= 12) return parseAddress(body.subarray(0, 4).join('.'))
  if (family !== TCP_OVER_IPV6 || body.length < 36) return null
  const pairs = Array.from({ length: 8 }, (_, at) => ((body[2 * at] ?? 0) * 256 + (body[2 * at + 1] ?? 0)).toString(16))
  return parseAddress(pairs.join(':'))
}
