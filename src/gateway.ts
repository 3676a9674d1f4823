import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import type { Logger } from 'pino'
import { createAdmin } from './admin.ts'
import { createApp } from './app.ts'
import type { Settings } from './config/settings.ts'
import { createParts } from './parts.ts'
import { MAX_SESSION_TEXT_BYTES } from './plugins/session-cookie.ts'
import { acceptUpgrades } from './upgrades.ts'

/** A gateway that listens on its ports. */
export interface Gateway {
  readonly port: number
  readonly adminPort: number
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
}

/** Starts both servers. Rejects with Node's own error, `EADDRINUSE` among them, where a port cannot be had; then nothing stays open. */
export async function startGateway({ settings, log, version, now = Date.now }: GatewayOptions): Promise<Gateway> {
  const parts = createParts({ settings, log, now, maxSessionTextBytes: MAX_SESSION_TEXT_BYTES })
  const { lifecycle } = parts
  parts.metrics.set('build_info', 1, { version, node: process.versions.node })
  const app = await createApp(parts)
  const endUpgraded = acceptUpgrades(app)
  const admin = await createAdmin(parts)

  async function close(): Promise<void> {
    lifecycle.draining = true
    app.server.closeAllConnections()
    endUpgraded()
    await Promise.all([app.close(), admin.close(), parts.close()])
  }

  try {
    await app.listen({ host: settings.listen.host, port: settings.listen.port })
    await admin.listen({ host: settings.admin.host, port: settings.admin.port })
  } catch (error) {
    await close()
    throw error
  }
  lifecycle.listening = true
  parts.watchKeys()
  log.info({ event: 'listening', port: portOf(app), adminPort: portOf(admin) }, 'listening')

  return {
    port: portOf(app),
    adminPort: portOf(admin),
    close,
    async drain() {
      const { drainDelaySeconds, shutdownTimeoutSeconds } = settings.shutdown
      lifecycle.draining = true
      log.info({ event: 'draining', drainDelaySeconds }, 'draining')
      await pause(drainDelaySeconds * 1000)
      parts.streams.drain((shutdownTimeoutSeconds * 1000) / 2)
      const patience = setTimeout(() => {
        app.server.closeAllConnections()
        endUpgraded()
      }, shutdownTimeoutSeconds * 1000)
      await app.close()
      clearTimeout(patience)
      await Promise.all([admin.close(), parts.close()])
      log.info({ event: 'stopped' }, 'stopped')
    },
  }
}

function portOf(app: FastifyInstance): number {
  const address: AddressInfo | string | null = app.server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function pause(milliseconds: number): Promise<void> {
  if (milliseconds > 0) await new Promise((resolve) => setTimeout(resolve, milliseconds))
}
