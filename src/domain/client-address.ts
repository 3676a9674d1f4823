/** Who opened a connection, and what is believed of what that peer says about the client behind it. */
export interface ConnectedPeer {
  /** As `parseAddress` writes it; empty where the peer was gone before anybody asked. */
  readonly address: string
  readonly believed: ReadonlySet<ForwardedName>
}

export type ForwardedName = 'for' | 'proto' | 'host' | 'port'

// Longer chains are nobody's setup.
const MAX_HOPS = 32

/** An address in its one spelling: IPv4 mapped into IPv6 as plain IPv4, IPv6 in its shortest form; null for anything else. */
export function parseAddress(text: string): string | null {
  if (isIpv4(text)) return text
  if (!/^[\da-f:.]{2,45}$/i.test(text) || !URL.canParse(`http://[${text}]`)) return null
  const short = new URL(`http://[${text}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([\da-f]{1,4}):([\da-f]{1,4})$/.exec(short)
  if (mapped === null) return short
  const bytes = [mapped[1], mapped[2]].flatMap((pair) => {
    const value = Number.parseInt(pair ?? '', 16)
    return [value >> 8, value & 0xff]
  })
  return bytes.join('.')
}

function isIpv4(text: string): boolean {
  return /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(text)
}

/**
 * The client and the trusted proxies after it, in the order of travel, out of an X-Forwarded-For and the address of the peer that sent
 * it. Read from the right for as long as trusted proxies wrote it: what stands further left is anybody's word. Null where that part is malformed.
 */
export function clientChain(
  forwardedFor: string,
  peer: string,
  isTrusted: (address: string) => boolean,
): readonly string[] | null {
  const chain = [peer]
  const entries = forwardedFor.split(',')
  for (let at = entries.length - 1; at >= 0; at -= 1) {
    const address = parseAddress(withoutPort((entries[at] ?? '').trim()))
    if (address === null || chain.length > MAX_HOPS) return null
    chain.unshift(address)
    if (!isTrusted(address)) return chain
  }
  return chain
}

/** Some proxies write the client's port too. */
function withoutPort(entry: string): string {
  const [, bracketed, plain] = /^(?:\[([^\]]*)\]|([\d.]+))(?::\d{1,5})?$/.exec(entry) ?? []
  return bracketed ?? plain ?? entry
}
