import { constants } from 'node:crypto'
import { Server, type RequestListener, type ServerOptions } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket, type TlsOptions } from 'node:tls'
import type { Logger } from 'pino'
import type { Certificate, CertificateChange, CertificatePair } from '../adapters/certificate.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { TrustedProxies } from '../adapters/trusted-proxies.ts'
import type { Settings } from '../config/settings.ts'
import { parseAddress, type ConnectedPeer } from '../domain/client-address.ts'
import { createHttp2Sessions, type Http2Sessions } from './http2.ts'
import { inTurn } from './in-turn.ts'
import { closeLingering } from './lingering-close.ts'
import { readProxyHeader } from './proxied-connection.ts'

declare module 'node:net' {
  interface Socket {
    /** Who is at the other end; set on every connection of the public listener before its first request. */
    peer?: ConnectedPeer
  }
}

export interface ListenerOptions {
  readonly listen: Settings['listen']
  /** Given, the listener speaks TLS. */
  readonly certificate: Certificate | null
  readonly trustedProxies: TrustedProxies
  readonly metrics: Metrics
  readonly log: Logger
}

const CONNECTION_CHECK_MS = 5_000
const PROXY_HEADER_MS = 5_000
const HANDSHAKE_MS = 10_000
/** Forward secret, authenticated, and none that HTTP/2 forbids (RFC 9113 9.2.2). */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * The server of the public listener, whatever is spoken there: a connection may begin with a PROXY protocol header and go on with TLS, and
 * requests over HTTP/2 come out as `request` events like all others. To Fastify it is a server of node:http.
 */
export class Listener extends Server {
  readonly #options: ListenerOptions
  readonly #serveHttp1: ReturnType<Server['listeners']>
  /** Open connections by both of their ends. */
  readonly #open = new Map<string, Socket>()
  readonly #tls: TlsServer | null
  readonly #http2: Http2Sessions | null

  constructor(options: ListenerOptions, handler: RequestListener) {
    const { listen, certificate, log } = options
    super(httpOptions(listen), (raw, response) => inTurn(raw, response, handler))
    this.#options = options
    // Node would drop headers beyond its count without a word; the size limits them, and locate counts.
    this.maxHeadersCount = 0
    this.#serveHttp1 = this.listeners('connection')
    this.removeAllListeners('connection')
    this.on('connection', (socket: Socket) => this.#admit(socket))
    // Node would answer these itself, and nobody would hear of them.
    this.on('checkExpectation', (raw, response) => this.emit('request', raw, response))
    this.#http2 = listen.http2 ? createHttp2Sessions(this.#http2Options()) : null
    this.#tls = certificate === null ? null : this.#createTls(certificate)
    // An error once the port is ours is one connection that could not be taken, for want of file descriptors mostly.
    this.on('error', (error: Error & { code?: string }) => {
      if (this.listening) this.#refused('accept', null)
      if (this.listening) log.error({ event: 'accept_failed', cause: error.code }, 'a connection could not be taken')
    })
  }

  /** Also asks the clients of HTTP/2 to go elsewhere. */
  override closeIdleConnections(): void {
    super.closeIdleConnections()
    this.#http2?.close()
  }

  override closeAllConnections(): void {
    super.closeAllConnections()
    for (const socket of this.#open.values()) socket.destroy()
  }

  /** Goes on with HTTP/1.1 on a connection that Node let go of for an upgrade; what stood before HTTP on it was read long ago. */
  takeBack(socket: Duplex): void {
    // Node takes its listeners off for an upgrade, but for this one; a client may offer one with every request.
    socket.removeAllListeners('timeout')
    this.#hand(socket)
  }

  #hand(socket: Duplex): void {
    for (const serve of this.#serveHttp1) Reflect.apply(serve, this, [socket])
  }

  #admit(socket: Socket): void {
    const { listen, trustedProxies } = this.#options
    const address = addressOf(socket)
    socket.peer = { address, believed: trustedProxies.believed(address) }
    const id = endsOf(socket)
    this.#open.set(id, socket)
    socket.once('close', () => this.#open.delete(id))
    if (!trustedProxies.speaksProxyProtocol(address)) {
      this.#serve(socket)
      return
    }
    readProxyHeader(socket, {
      timeoutMs: Math.min(PROXY_HEADER_MS, listen.headersTimeoutSeconds * 1000),
      refused: () => this.#refused('proxy_header', socket.peer),
      accepted: (source) => {
        if (source !== null) socket.peer = this.#behindProxy(address, source)
        this.#serve(socket)
      },
    })
  }

  /** Whoever speaks PROXY protocol tells the address of the client by it, so an X-Forwarded-For is the word of that client. */
  #behindProxy(proxy: string, source: string): ConnectedPeer {
    const { trustedProxies } = this.#options
    const ofProxy = [...trustedProxies.believed(proxy)].filter((name) => name !== 'for')
    return { address: source, believed: new Set([...ofProxy, ...trustedProxies.believed(source)]) }
  }

  #serve(socket: Socket): void {
    if (this.#tls === null) this.#speakHttp1(socket)
    else this.#tls.emit('connection', socket)
  }

  #speakHttp1(socket: Socket): void {
    closeLingering(socket)
    this.#hand(socket)
  }

  #createTls(certificate: Certificate): TlsServer {
    const { listen, metrics, log } = this.#options
    const protocols = this.#http2 === null ? ['http/1.1'] : ['h2', 'http/1.1']
    const secure = (pair: CertificatePair): void =>
      metrics.set('certificate_expiry_timestamp_seconds', pair.expiresAt / 1000, { name: 'listener' })
    const tls = createTlsServer({
      ...tlsOptions(certificate.current()),
      ALPNProtocols: protocols,
      handshakeTimeout: Math.min(HANDSHAKE_MS, listen.headersTimeoutSeconds * 1000),
    })
    secure(certificate.current())
    tls.on('secureConnection', (socket) => {
      const peer = this.#open.get(endsOf(socket))?.peer
      if (peer !== undefined) socket.peer = peer
      if (socket.alpnProtocol === 'h2' && this.#http2 !== null) this.#http2.serve(socket)
      else this.#speakHttp1(socket)
    })
    tls.on('tlsClientError', (error: Error & { code?: string }, socket) => {
      socket.destroy()
      // Health checks connect and say nothing.
      if (error.code !== 'ECONNRESET') this.#refused('tls_handshake', this.#open.get(endsOf(socket))?.peer)
    })
    certificate.watch((change) => {
      if (change.kind === 'renewed') {
        tls.setSecureContext(tlsOptions(change.pair))
        secure(change.pair)
      }
      tellOfCertificate(change, metrics, log)
    })
    this.once('close', () => certificate.stop())
    return tls
  }

  #http2Options(): Parameters<typeof createHttp2Sessions>[0] {
    const { maxHeaderBytes, headersTimeoutSeconds, keepAliveTimeoutSeconds } = this.#options.listen
    return {
      maxHeaderBytes,
      headersTimeoutMs: headersTimeoutSeconds * 1000,
      keepAliveTimeoutMs: keepAliveTimeoutSeconds * 1000,
      deliverTo: this,
      refused: ({ peer }) => this.#refused('http2', peer),
    }
  }

  #refused(
    reason: 'proxy_header' | 'tls_handshake' | 'http2' | 'accept',
    peer: ConnectedPeer | undefined | null,
  ): void {
    const { metrics, log } = this.#options
    metrics.count('connections_refused_total', { reason })
    if (peer !== null) log.info({ event: 'connection_refused', reason, client: peer?.address }, 'connection refused')
  }
}

function httpOptions(listen: Settings['listen']): ServerOptions {
  return {
    maxHeaderSize: listen.maxHeaderBytes,
    headersTimeout: listen.headersTimeoutSeconds * 1000,
    keepAliveTimeout: listen.keepAliveTimeoutSeconds * 1000,
    // No limit on a whole request: uploads take as long as they take.
    requestTimeout: 0,
    connectionsCheckingInterval: CONNECTION_CHECK_MS,
    // We answer a missing Host ourselves, with the code of the catalogue.
    requireHostHeader: false,
  }
}

function tlsOptions({ cert, key }: CertificatePair): TlsOptions {
  return {
    cert,
    key,
    minVersion: 'TLSv1.2',
    ciphers: CIPHERS,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
  }
}

function tellOfCertificate(change: CertificateChange, metrics: Metrics, log: Logger): void {
  if (change.kind === 'renewed') {
    metrics.count('config_reloads_total', { result: 'applied' })
    log.info({ event: 'certificate_renewed' }, 'new connections get the new certificate')
    return
  }
  metrics.count('config_reloads_total', { result: 'refused' })
  const cause = change.cause instanceof Error ? change.cause.message : undefined
  log.error({ event: 'certificate_refused', cause }, 'the new certificate cannot be used: the one before goes on')
}

const addressOf = ({ remoteAddress }: Socket): string => parseAddress(remoteAddress?.split('%', 1)[0] ?? '') ?? ''

/** Tells open connections of one port apart, and finds the connection below TLS. */
const endsOf = ({ remoteAddress, remotePort, localAddress }: Socket | TLSSocket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`
