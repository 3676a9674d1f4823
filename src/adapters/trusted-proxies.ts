import type { ForwardedName } from '../domain/client-address.ts'
import { networkOf } from '../domain/networks.ts'

export interface TrustedProxy {
  /** A network such as 10.0.0.0/8. */
  readonly cidr: string
  readonly headers: readonly ForwardedName[]
  readonly proxyProtocol: boolean
}

/** What is believed of the peers in front of the gateway, by their address as `parseAddress` writes it. */
export interface TrustedProxies {
  believed(address: string): ReadonlySet<ForwardedName>
  /** Whether connections from there must begin with a PROXY protocol header. */
  speaksProxyProtocol(address: string): boolean
  /** Whether anybody does. */
  readonly proxyProtocol: boolean
}

const NOTHING: ReadonlySet<ForwardedName> = new Set()

/** An address in several networks is believed what any of them is. */
export function createTrustedProxies(proxies: readonly TrustedProxy[]): TrustedProxies {
  const networks = proxies.map((proxy) => ({ ...proxy, contains: networkOf(proxy.cidr) }))
  const proxyProtocol = networks.filter((network) => network.proxyProtocol)
  return {
    proxyProtocol: proxyProtocol.length > 0,
    speaksProxyProtocol: (address) => proxyProtocol.some(({ contains }) => contains(address)),
    believed(address) {
      const headers = networks.filter(({ contains }) => contains(address)).flatMap((network) => network.headers)
      return headers.length === 0 ? NOTHING : new Set(headers)
    },
  }
}
