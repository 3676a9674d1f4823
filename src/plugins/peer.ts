import type { IncomingMessage } from 'node:http'
import type { FastifyPluginCallback } from 'fastify'
import fp from 'fastify-plugin'
import type { Metrics } from '../adapters/metrics.ts'
import type { TrustedProxies } from '../adapters/trusted-proxies.ts'
import { clientChain, type ConnectedPeer, type ForwardedName } from '../domain/client-address.ts'
import { parseHost } from '../domain/route-table.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks, and by which public address: the peer of the connection, or what proxies say that are trusted to. */
    readonly peer: Peer
    knownPeer: Peer | null
  }
}

export interface Peer {
  /** The client's address; empty where nobody knows it: the peer was gone, or a trusted proxy tells what is no address. */
  readonly address: string
  /** The client and the trusted proxies after it, for X-Forwarded-For; as empty. */
  readonly forwardedFor: string
  readonly proto: string
  readonly host: string
  readonly port: string
}

export interface PeerOptions {
  readonly trustedProxies: TrustedProxies
  readonly metrics: Metrics
  readonly publicUrl: string
  /** Hosts that a trusted proxy may name. */
  readonly servedHosts: ReadonlySet<string>
}

const NOBODY: ConnectedPeer = { address: '', believed: new Set() }

const hook: FastifyPluginCallback<PeerOptions> = (app, { trustedProxies, metrics, publicUrl, servedHosts }, ready) => {
  const { protocol, port } = new URL(publicUrl)
  const proto = protocol.slice(0, -1)
  const publicPort = port === '' ? defaultPort(proto) : port

  // What holds for every request of a connection whose peer is believed nothing, but for the host.
  const direct = new WeakMap<ConnectedPeer, Peer>()

  app.decorateRequest('knownPeer', null)
  app.decorateRequest('peer', {
    // Asked for by the forwarder and the log, not by a hook: a request that nobody asks about costs nothing.
    getter() {
      return (this.knownPeer ??= peerOf(this.raw, this.site.authority))
    },
  })

  function peerOf(raw: IncomingMessage, host: string): Peer {
    const connected = (raw.overHttp2 ?? raw.socket).peer ?? NOBODY
    if (connected.believed.size > 0) return believedPeer(raw, connected, host)
    const known = direct.get(connected)
    if (known !== undefined) return known.host === host ? known : { ...known, host }
    const { address } = connected
    const peer = { address, forwardedFor: address, proto, host, port: publicPort }
    direct.set(connected, peer)
    return peer
  }

  function believedPeer(raw: IncomingMessage, { address, believed }: ConnectedPeer, host: string): Peer {
    /** Undefined where it is not said; null where it is not understood. */
    const told = <T>(name: ForwardedName, read: (value: string) => T | null): T | null | undefined => {
      if (!believed.has(name)) return undefined
      const values = valuesOf(raw, `x-forwarded-${name}`)
      if (values.length === 0) return undefined
      // The list of addresses may stand on several lines (RFC 9110 5.3); the others have one value.
      const value = name === 'for' || values.length === 1 ? read(values.join(',')) : null
      if (value === null) metrics.count('forwarded_headers_ignored_total', { header: name })
      return value
    }
    const isTrusted = (hop: string): boolean => trustedProxies.believed(hop).has('for')
    const chain = told('for', (value) => clientChain(value, address, isTrusted))
    // Some client or other is behind the proxy, and none is the proxy itself: rules would take anybody for it.
    const known = chain === null ? [] : (chain ?? [address])
    const toldProto = told('proto', (value) => (value === 'https' || value === 'http' ? value : null)) ?? proto
    return {
      address: known[0] ?? '',
      forwardedFor: known.join(', '),
      proto: toldProto,
      host: told('host', (value) => (servedHosts.has(parseHost(value) ?? '') ? value : null)) ?? host,
      port: told('port', readPort) ?? (toldProto === proto ? publicPort : defaultPort(toldProto)),
    }
  }
  ready()
}

function valuesOf({ rawHeaders }: IncomingMessage, name: string): readonly string[] {
  return rawHeaders.flatMap((value, at) => (at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name ? [value] : []))
}

const defaultPort = (proto: string): string => (proto === 'https' ? '443' : '80')

const readPort = (value: string): string | null =>
  /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535 ? value : null

export const peer = fp(hook, { name: 'peer', fastify: '5.x' })
