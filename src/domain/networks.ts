import { parseAddress } from './client-address.ts'

/** Tells whether an address, as `parseAddress` writes it, lies in a network such as 10.0.0.0/8. IPv4 mapped into IPv6 counts as IPv4. */
export function networkOf(cidr: string): (address: string) => boolean {
  return networksOf([cidr])
}

/** The same for any one of several networks. */
export function networksOf(cidrs: readonly string[]): (address: string) => boolean {
  const networks = cidrs.map((cidr) => {
    const [base = '', length = ''] = cidr.split('/')
    return { bytes: bytesOf(base), prefix: Number(length) }
  })
  return (address) => {
    const bytes = bytesOf(address)
    if (bytes === null) return false
    return networks.some(
      (network) => network.bytes?.length === bytes.length && agree(bytes, network.bytes, network.prefix),
    )
  }
}

/** The first address of a network such as 10.1.2.3/8, as `parseAddress` writes it; null for what is none. */
export function networkBase(cidr: string): string | null {
  const [address = '', length = ''] = cidr.split('/')
  const bytes = bytesOf(address)?.map((byte, at) => byte & maskOf(Number(length) - 8 * at))
  if (bytes === undefined) return null
  if (bytes.length === 4) return bytes.join('.')
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return parseAddress(hex.replaceAll(/.{4}(?!$)/g, '$&:'))
}

/** Of a byte of which so many bits count. */
function maskOf(bits: number): number {
  return bits >= 8 ? 0xff : (0xff << (8 - Math.max(bits, 0))) & 0xff
}

function agree(one: readonly number[], other: readonly number[], bits: number): boolean {
  for (let at = 0, left = bits; left > 0; at += 1, left -= 8) {
    const mask = maskOf(left)
    if (((one[at] ?? 0) & mask) !== ((other[at] ?? 0) & mask)) return false
  }
  return true
}

/** Four bytes of an IPv4 address or sixteen of an IPv6 one; null for anything else. */
function bytesOf(text: string): readonly number[] | null {
  const address = parseAddress(text)
  if (address === null) return null
  if (!address.includes(':')) return address.split('.').map(Number)
  const [front = [], back = []] = address.split('::').map(groupsOf)
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0)
  return [...front, ...zeros, ...back].flatMap((group) => [group >> 8, group & 0xff])
}

function groupsOf(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}
