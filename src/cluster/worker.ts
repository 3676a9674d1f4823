import cluster, { type Worker } from 'node:cluster'
import type { LogLevel } from '../adapters/log.ts'
import type { MetricsSnapshot } from '../adapters/metrics.ts'
import type { RefreshOutcome } from '../adapters/refresher.ts'
import { updateGauges } from '../admin.ts'
import type { Revocation } from '../domain/revocation.ts'
import { createGatewayParts, startPublicServer, type GatewayOptions } from '../gateway.ts'
import type { LoginQuery, LoginRecord } from '../domain/login-record.ts'
import type { Shared } from '../parts.ts'
import { followSettings } from '../reload.ts'
import { createAsks } from './asks.ts'
import {
  isLoginList,
  isOutcome,
  isPrimaryMessage,
  isRevocationList,
  isSession,
  isTrue,
  type WorkerMessage,
} from './messages.ts'

/** Longer than discovery, a call to the token endpoint and a fetch of keys may take together. */
const REFRESH_PATIENCE_MS = 15_000
const PATIENCE_MS = 5_000

/** Tells the primary why this worker cannot start; the primary then ends it. */
export function tellFailure(says: string): void {
  sendTo(workerHere(), { type: 'failed', says })
}

/**
 * Serves as one of several workers until the primary says that it is enough, or is gone. Rejects with Node's own error where the port cannot
 * be had.
 */
export async function runWorker(options: GatewayOptions): Promise<void> {
  const worker = workerHere()
  const link = linkToPrimary(worker)
  const parts = createGatewayParts({ ...options, shared: link })
  const following = options.source === undefined ? undefined : followSettings(parts, options.source, { quiet: true })
  const known = await link.greet({
    learn: (revocation) => parts.revocations.learn(revocation),
    reload: () => void following?.look(),
    async count() {
      updateGauges(parts)
      return parts.metrics.snapshot()
    },
    setLogLevel(level) {
      options.log.level = level
    },
    findOwnLogins: (query) => parts.book.find(query),
  })
  for (const revocation of known) parts.revocations.learn(revocation)

  const server = await startPublicServer(parts)
  link.tell({ type: 'listening', port: server.port })
  options.log.info({ event: 'listening', port: server.port, pid: process.pid }, 'listening')
  void parts.watchKeys().then(() => link.tell({ type: 'keys' }))

  const told = await link.enough
  await server.drain(told === 'drain' ? options.settings.shutdown.drainDelaySeconds : 0)
  following?.stop()
  await parts.close()
  options.log.info({ event: 'stopped' }, 'stopped')
  worker.disconnect()
}

function workerHere(): Worker {
  if (cluster.worker === undefined) throw new TypeError('this process is no worker')
  return cluster.worker
}

function sendTo(worker: Worker, message: WorkerMessage): void {
  if (worker.isConnected()) worker.send(message, () => undefined)
}

interface Duties {
  readonly learn: (revocation: Revocation) => void
  readonly reload: () => void
  readonly count: () => Promise<MetricsSnapshot>
  readonly setLogLevel: (level: LogLevel) => void
  readonly findOwnLogins: (query: LoginQuery) => readonly LoginRecord[]
}

interface Link extends Shared {
  tell(message: WorkerMessage): void
  /** Takes up the duties and gets everything that was revoked so far. */
  greet(duties: Duties): Promise<readonly Revocation[]>
  /** Resolves when the worker is to end: told so, or left alone. */
  readonly enough: Promise<'drain' | 'alone'>
}

function linkToPrimary(worker: Worker): Link {
  const asks = createAsks()
  const tell = (message: WorkerMessage): void => sendTo(worker, message)
  let duties: Duties | undefined
  let end: (why: 'drain' | 'alone') => void
  const enough = new Promise<'drain' | 'alone'>((resolve) => {
    end = resolve
  })

  worker.on('message', (message: unknown) => {
    if (!isPrimaryMessage(message)) return
    switch (message.type) {
      case 'answer':
        asks.answer(message.ask, message.value)
        return
      case 'revoked':
        duties?.learn(message.revocation)
        tell({ type: 'answer', ask: message.ask, value: true })
        return
      case 'count':
        void duties?.count().then((value) => tell({ type: 'answer', ask: message.ask, value }))
        return
      case 'logins':
        tell({ type: 'answer', ask: message.ask, value: duties?.findOwnLogins(message.query) })
        return
      case 'log-level':
        duties?.setLogLevel(message.level)
        tell({ type: 'answer', ask: message.ask, value: true })
        return
      case 'reload':
        duties?.reload()
        return
      case 'drain':
        end('drain')
    }
  })
  worker.on('disconnect', () => {
    // Node would exit here and now; what is under way may be finished.
    worker.exitedAfterDisconnect = true
    asks.abandon()
    end('alone')
  })

  return {
    tell,
    enough,
    async greet(taken) {
      duties = taken
      const hello = (ask: number): void => tell({ type: 'hello', ask })
      const list = await asks.ask(hello, { fits: isRevocationList, withinMs: PATIENCE_MS })
      // Without the list, people who signed out would be let in again.
      if (list === undefined) throw new TypeError('the primary does not answer')
      return list
    },
    async refresh(session): Promise<RefreshOutcome> {
      const send = (ask: number): void => tell({ type: 'refresh', ask, session })
      const outcome = await asks.ask(send, { fits: isOutcome, withinMs: REFRESH_PATIENCE_MS })
      return outcome ?? { kind: 'unavailable', cause: new Error('the primary does not answer') }
    },
    async settle(session) {
      const send = (ask: number): void => tell({ type: 'settle', ask, session })
      return (await asks.ask(send, { fits: isSession, withinMs: REFRESH_PATIENCE_MS })) ?? session
    },
    async findLogins(query) {
      const send = (ask: number): void => tell({ type: 'logins', ask, query })
      return (await asks.ask(send, { fits: isLoginList, withinMs: PATIENCE_MS })) ?? []
    },
    async tellRevoked(revocation) {
      await asks.ask((ask) => tell({ type: 'revoke', ask, revocation }), { fits: isTrue, withinMs: PATIENCE_MS })
    },
  }
}
