import type { AddressInfo } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { createAdmin, type AdminOptions } from './admin.ts'
import { createControl, type ControlOptions } from './control.ts'
import type { Parts } from './parts.ts'
import { createReach } from './reach.ts'
import type { AdminPagesOptions } from './routes/admin-pages.ts'
import type { ReachOptions } from './routes/control/reach.ts'
import type { RevokeOptions } from './routes/control/revoke.ts'

/** The servers for those who run the gateway, each on a port of its own. */
export interface PrivateServers {
  readonly adminPort: number
  /** Undefined where the settings name no control port. */
  readonly controlPort: number | undefined
  close(): Promise<void>
}

/** What is asked of the whole gateway, however many processes it has. */
export type Duties = Omit<AdminOptions, 'host' | keyof AdminPagesOptions> &
  Omit<ControlOptions, 'host' | 'token' | 'log' | keyof RevokeOptions | keyof ReachOptions> & {
    /** Names of settings that were changed and hold from the next start on. */
    readonly waiting: () => readonly string[]
  }

/** Rejects with Node's own error where a port cannot be had; then none of them stays open. */
export async function startPrivateServers(
  parts: Pick<
    Parts,
    'settings' | 'version' | 'log' | 'revocations' | 'names' | 'now' | 'table' | 'bearers' | 'inForce'
  >,
  duties: Duties,
): Promise<PrivateServers> {
  const { settings } = parts
  const poolNames = settings.pools.map(({ name }) => name)
  const admin = await createAdmin({ ...parts, host: settings.admin.host, ...duties })
  const control =
    settings.control === undefined
      ? undefined
      : await createControl({ ...parts, ...settings.control, ...duties, poolNames, reach: createReach(parts) })
  const close = async (): Promise<void> => {
    await Promise.all([admin.close(), control?.close()])
  }
  try {
    await admin.listen({ host: settings.admin.host, port: settings.admin.port })
    if (settings.control !== undefined)
      await control?.listen({ host: settings.control.host, port: settings.control.port })
  } catch (error) {
    await close()
    throw error
  }
  return {
    adminPort: portOf(admin),
    controlPort: control === undefined ? undefined : portOf(control),
    close,
  }
}

/** The port that a server got. */
export function portOf(app: FastifyInstance): number {
  const address: AddressInfo | string | null = app.server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
