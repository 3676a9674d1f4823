import type { Duplex } from 'node:stream'
import type { Logger } from 'pino'
import type { OpenStreams } from '../../adapters/open-streams.ts'
import { answerHeaders } from '../../domain/answer-headers.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Errand } from './errand.ts'
import { Tunnel } from './tunnel.ts'
import type { Watch } from './watch.ts'

export interface OpenTunnelOptions {
  readonly rawHeaders: readonly string[]
  readonly application: Duplex
  readonly watch: Watch
  readonly streams: OpenStreams
  readonly log: Logger
}

/** Passes the application's yes to an upgrade on to the client, and then the bytes of both. */
export function openTunnel(errand: Errand, options: OpenTunnelOptions): void {
  const { request, reply, session, route, permit, passage } = errand
  const { rawHeaders, application, watch, streams, log } = options
  const client = request.raw.upgradeSocket
  if (client === undefined) throw new GatewayError('GW_INTERNAL', { detail: 'no connection to upgrade' })
  errand.bound?.follow(rawHeaders)
  const { headers } = answerHeaders(rawHeaders, passage.rules, {
    identified: false,
    closing: false,
    cookies: request.cookiesToSet,
    cookiesAreOptional: false,
    ownConnection: false,
  })
  reply.raw.writeHead(101, [...headers, 'connection', 'Upgrade', 'upgrade', 'websocket'])
  reply.hijack()
  reply.raw.end()

  const openedAt = performance.now()
  const tunnel = new Tunnel({
    client,
    application,
    watch,
    idleSeconds: route.webSocket.idleSeconds,
    closed: (closing) => {
      leave()
      const seconds = Math.round((performance.now() - openedAt) / 100) / 10
      log.info(
        { event: 'web_socket_closed', requestId: request.id, route: route.name, ...closing, seconds },
        'WebSocket closed',
      )
    },
  })
  const end: Tunnel['end'] = (why) => tunnel.end(why)
  const { address } = request.peer
  const leave = streams.add({ rule: route, address, webSocket: true, identity: permit.identity, end }, session)
  tunnel.open()
}
