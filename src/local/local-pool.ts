import type { FastifyInstance } from 'fastify'
import { createControls, type PoolControls } from './pool-controls.ts'
import { Faults } from './pool-faults.ts'
import type { NewSigningKey } from './pool-keys.ts'
import { buildPoolServer } from './pool-server.ts'
import { PoolSettings, type PoolSettingsInput } from './pool-settings.ts'
import { TokenMint, type Tamper } from './pool-tokens.ts'
import type { PreTokenGeneration } from './pre-token-generation.ts'
import { UserPool } from './user-pool.ts'

const EXPOSE = 'expose-test-credentials'

/** What a file can say of a pool, and what only a program can. */
export interface LocalPoolOptions extends PoolSettingsInput {
  /** The pool's clock, in milliseconds; the machine's when absent. */
  readonly now?: () => number
  readonly preTokenGeneration?: PreTokenGeneration
  readonly tamper?: Tamper
  /** Where its signing keys come from; it makes them itself when absent. */
  readonly newSigningKey?: NewSigningKey
}

/** A running local user pool. */
export interface LocalPool extends PoolControls {
  /** Its address, without a slash at the end: the pool's domain and, with the pool's id, its issuer. */
  readonly url: string
  readonly issuer: string
  readonly userPoolId: string
  /** Ends every connection at once, also those that wait for an answer. */
  close(): Promise<void>
}

/**
 * Starts a user pool that behaves like Cognito's hosted one. It listens on loopback only, unless `allowNonLoopback` says the words.
 * Rejects with an error that lists every wrong setting, and with the system's own error (EADDRINUSE) when it cannot listen.
 */
export async function startLocalPool(options: LocalPoolOptions): Promise<LocalPool> {
  const { now = Date.now, preTokenGeneration, tamper, newSigningKey, ...given } = options
  const settings = readSettings(given)
  requireLoopback(settings)
  const pool = await UserPool.create(settings, now, newSigningKey)
  const mint = new TokenMint(pool, { tamper, trigger: preTokenGeneration })
  const context = { pool, mint, faults: new Faults(), tokenRequests: [] }
  const controls = createControls(context)
  const app = await buildPoolServer(context, controls)
  pool.url = await listen(app, settings)
  const { url, issuer, id: userPoolId } = pool
  return Object.assign(controls, { url, issuer, userPoolId, close: async () => app.close() })
}

function readSettings(given: PoolSettingsInput): PoolSettings {
  const checked = PoolSettings.safeParse(given)
  if (checked.success) return checked.data
  const faults = checked.error.issues.map(({ path, message }) => `${path.map(String).join('.')}: ${message}`)
  throw new Error(`The local user pool cannot start.\n${faults.join('\n')}`)
}

function requireLoopback({ host, allowNonLoopback }: PoolSettings): void {
  if (/^(?:localhost|::1|127(?:\.\d{1,3}){3})$/.test(host) || allowNonLoopback === EXPOSE) return
  throw new Error(
    `host: ${host} is not loopback, and the local user pool hands out tokens to anybody who reaches it. ` +
      `Use 127.0.0.1; or, where nobody else can reach ${host}, set allowNonLoopback: ${EXPOSE}`,
  )
}

async function listen(app: FastifyInstance, { host, port, publicUrl }: PoolSettings): Promise<string> {
  try {
    await app.listen({ host, port })
  } catch (error) {
    await app.close()
    throw error
  }
  if (publicUrl !== undefined) return publicUrl.replace(/\/+$/, '')
  const bound = app.addresses()[0]
  return `http://${host.includes(':') ? `[${host}]` : host}:${typeof bound === 'object' ? bound.port : port}`
}
