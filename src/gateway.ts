import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { updateGauges } from './admin.ts'
import { createApp } from './app.ts'
import type { Settings } from './config/settings.ts'
import { createForwardAuth } from './forward-auth.ts'
import { createParts, type Parts, type Shared } from './parts.ts'
import { unreadiness } from './readiness.ts'
import { followSettings, type SettingsSource } from './reload.ts'
import { MAX_SESSION_TEXT_BYTES } from './plugins/session-cookie.ts'
import { portOf, startPrivateServers } from './private-servers.ts'
import { acceptUpgrades } from './upgrades.ts'

const SWEEP_MS = 100
const REVOCATIONS_PATIENCE_MS = 1_000

/** A gateway that listens on its ports. */
export interface Gateway {
  readonly port: number
  readonly adminPort: number
  /** Undefined where the settings name no control port. */
  readonly controlPort: number | undefined
  /** Undefined where no proxy may ask. */
  readonly forwardAuthPort: number | undefined
  /** Takes over at once what has changed in the settings and in secret files, which else takes a moment. */
  reload(): Promise<void>
  /** Ends as a load balancer wants it: unready at once, serving on for the delay, then finishing what is under way. */
  drain(): Promise<void>
  /** Ends now. */
  close(): Promise<void>
}

export interface GatewayOptions {
  readonly settings: Settings
  readonly log: Logger
  readonly version: string
  readonly now?: () => number
  /** Milliseconds that only go forward, whatever becomes of the time of day; `now` where only that is given. */
  readonly ticks?: () => number
  /** Without it nothing changes while the process runs. */
  readonly source?: SettingsSource | undefined
}

/** Starts all servers. Rejects with Node's own error, `EADDRINUSE` among them, where a port cannot be had; then nothing stays open. */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const { settings, log, source } = options
  const parts = createGatewayParts(options)
  const server = await startPublicServer(parts)
  const following = source === undefined ? undefined : followSettings(parts, source)
  const closePublic = async (): Promise<void> => {
    following?.stop()
    await Promise.all([server.close(), parts.close()])
  }
  const own = await startPrivateServers(parts, {
    unreadiness: () => unreadiness(parts),
    expose: async () => {
      updateGauges(parts)
      return parts.metrics.expose()
    },
    setLogLevel(level) {
      log.level = level
    },
    findLogins: parts.findLogins,
    waiting: () => following?.waiting ?? [],
  }).catch(async (error: unknown) => {
    await closePublic()
    throw error
  })
  const { port, forwardAuthPort } = server
  const { adminPort, controlPort } = own
  void parts.watchKeys()
  log.info({ event: 'listening', port, adminPort, controlPort, forwardAuthPort }, 'listening')

  return {
    port,
    adminPort,
    controlPort,
    forwardAuthPort,
    reload: async () => following?.look(),
    async close() {
      await Promise.all([own.close(), closePublic()])
    },
    async drain() {
      await server.drain(settings.shutdown.drainDelaySeconds)
      following?.stop()
      await Promise.all([own.close(), parts.close()])
      log.info({ event: 'stopped' }, 'stopped')
    },
  }
}

/** Everything that a process of the gateway is made of, and the metric that says which version it is. */
export function createGatewayParts(options: GatewayOptions & { readonly shared?: Shared }): Parts {
  const { settings, log, version, now, ticks = now, shared } = options
  const parts = createParts({ settings, version, log, now, ticks, maxSessionTextBytes: MAX_SESSION_TEXT_BYTES, shared })
  parts.metrics.set('build_info', 1, { version, node: process.versions.node })
  return parts
}

/** The public server, listening, and the one that answers proxies where there is one. */
export interface PublicServer {
  readonly port: number
  readonly forwardAuthPort: number | undefined
  /** Serves on for the delay, says so, and then finishes what is under way, for as long as the settings give it. */
  drain(delaySeconds: number): Promise<void>
  /** Ends now. */
  close(): Promise<void>
}

/** Rejects with Node's own error where a port cannot be had; then nothing stays open, the parts neither. */
export async function startPublicServer(parts: Parts): Promise<PublicServer> {
  const { settings, log, lifecycle } = parts
  const servers = await createServers(parts)
  // Redis needs a moment only, and until it has answered nobody's session is one.
  await parts.revocations.waitUntilKnown(REVOCATIONS_PATIENCE_MS)
  try {
    await servers.listen()
  } catch (error) {
    await Promise.all([servers.close(), parts.close()])
    throw error
  }
  lifecycle.listening = true
  // Who has nothing to ask at the moment may come back on another connection.
  parts.overload.watch(() => servers.closeIdle())

  return {
    port: portOf(servers.app),
    forwardAuthPort: servers.asked === undefined ? undefined : portOf(servers.asked),
    async close() {
      lifecycle.draining = true
      servers.endConnections()
      await servers.close()
    },
    async drain(delaySeconds) {
      lifecycle.draining = true
      log.info({ event: 'draining', drainDelaySeconds: delaySeconds }, 'draining')
      await pause(delaySeconds * 1000)
      const patienceMs = settings.shutdown.shutdownTimeoutSeconds * 1000
      parts.streams.drain(patienceMs / 2)
      const patience = setTimeout(() => servers.endConnections(), patienceMs)
      // Closing ends connections that are idle now; one whose answer was under way becomes idle later, and would be waited for.
      const sweep = setInterval(() => servers.closeIdle(), SWEEP_MS)
      await servers.close()
      clearInterval(sweep)
      clearTimeout(patience)
    },
  }
}

/** The servers that judge requests, as one. */
interface Servers {
  readonly app: FastifyInstance
  /** For proxies that ask; undefined where there are none. */
  readonly asked: FastifyInstance | undefined
  listen(): Promise<void>
  closeIdle(): void
  endConnections(): void
  close(): Promise<void>
}

async function createServers(parts: Parts): Promise<Servers> {
  const { listen, forwardAuth } = parts.settings
  const app = await createApp(parts)
  const endUpgraded = acceptUpgrades(app)
  const asked = forwardAuth === undefined ? undefined : await createForwardAuth(parts, forwardAuth)
  return {
    app,
    asked,
    async listen() {
      await app.listen({ host: listen.host, port: listen.port })
      if (forwardAuth !== undefined) await asked?.listen({ host: forwardAuth.host, port: forwardAuth.port })
    },
    closeIdle() {
      app.server.closeIdleConnections()
      asked?.server.closeIdleConnections()
    },
    endConnections() {
      app.server.closeAllConnections()
      asked?.server.closeAllConnections()
      endUpgraded()
    },
    async close() {
      await Promise.all([app.close(), asked?.close()])
    },
  }
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds))
}
