import { createMetricsSum, type MetricsSum } from '../adapters/metrics-sum.ts'
import type { LogLevel } from '../adapters/log.ts'
import { updateGauges } from '../admin.ts'
import { createGatewayParts, type GatewayOptions } from '../gateway.ts'
import type { Parts } from '../parts.ts'
import { startPrivateServers } from '../private-servers.ts'
import { followSettings } from '../reload.ts'
import { startCrew, type Crew } from './crew.ts'
import { createDesk, type Desk, type Member } from './desk.ts'
import { isSnapshot, isTrue } from './messages.ts'
import { createReadiness } from './readiness.ts'

/** The process that owns the workers, the admin port, and what workers must not do each for itself. It takes no request of its own. */
export interface Primary {
  /** Resolves where the workers cannot start, with a sentence for the operator. */
  readonly failed: Promise<string>
  /** Every worker, and this process, takes over at once what has changed in the settings. */
  reload(): Promise<void>
  /** Ends as a load balancer wants it: unready at once, every worker serving on for the delay, then finishing what is under way. */
  drain(): Promise<void>
  /** Ends now. */
  close(): Promise<void>
}

/** How long one answer of /metrics waits for a worker that hangs; its last counts stand in. */
const COUNT_PATIENCE_MS = 1_000
/** How long a change waits for a worker that hangs; it follows as soon as it hears anything. */
const TELL_PATIENCE_MS = 1_000
/** What a worker may take beyond delay and timeout before it is ended by force. */
const END_PATIENCE_MS = 5_000

/** Rejects with Node's own error where one of the private ports cannot be had; then nothing stays open. */
export async function startPrimary(options: GatewayOptions): Promise<Primary> {
  const { settings, log } = options
  const parts = createGatewayParts(options)
  const sum = createMetricsSum()
  let fail: (says: string) => void
  const failed = new Promise<string>((resolve) => {
    fail = resolve
  })
  const desk = createDesk({ parts, onProgress, onFailed })
  const readiness = createReadiness(parts, desk.members)
  const following = options.source === undefined ? undefined : followSettings(parts, options.source)
  const own = await startPrivateServers(parts, {
    unreadiness: () => readiness.unreadiness(),
    expose: async () => {
      await countAll(parts, { desk, sum })
      return sum.expose()
    },
    findLogins: async (query) => desk.findLogins(query),
    setLogLevel: async (level) => setLogLevels(parts, { desk, level }),
    waiting: () => following?.waiting ?? [],
  }).catch(async (error: unknown) => {
    following?.stop()
    await parts.close()
    throw error
  })
  const { adminPort, controlPort } = own
  const closeOwn = async (): Promise<void> => {
    await Promise.all([own.close(), parts.close()])
  }

  function onProgress(member: Member): void {
    if (!readiness.progress()) return
    const { port } = member
    log.info({ event: 'listening', port, adminPort, controlPort, workers: settings.workers }, 'listening')
  }

  /** While others serve, one that cannot start is only tried again. */
  function onFailed(member: Member, says: string): void {
    if (parts.lifecycle.listening)
      log.error({ event: 'worker_failed', failed: member.id, says }, 'a worker cannot start')
    else fail(says)
    member.kill()
  }

  const crew = hireCrew(parts, { desk, sum })
  void parts.watchKeys()

  return {
    failed,
    async reload() {
      await following?.look()
      for (const { tell } of desk.members.values()) tell({ type: 'reload' })
    },
    async close() {
      following?.stop()
      const stopped = crew.stop(END_PATIENCE_MS)
      crew.kill()
      await stopped
      await closeOwn()
    },
    async drain() {
      parts.lifecycle.draining = true
      await drainCrew(parts, { crew, desk })
      following?.stop()
      await closeOwn()
      log.info({ event: 'stopped' }, 'stopped')
    },
  }
}

interface Counting {
  readonly desk: Desk
  readonly sum: MetricsSum
}

function hireCrew({ settings, log, ticks }: Parts, { desk, sum }: Counting): Crew {
  return startCrew({
    size: settings.workers,
    log,
    now: ticks,
    onStart: (worker) => desk.join(worker),
    onMessage: (worker, message) => desk.receive(worker, message),
    onEnd(worker) {
      desk.leave(worker)
      sum.retire(worker.id)
    },
  })
}

/** The newest counts of the primary, which come first, and of every worker that answers in time. */
async function countAll(parts: Parts, { desk, sum }: Counting): Promise<void> {
  updateGauges(parts)
  sum.update(0, await parts.metrics.snapshot())
  await Promise.all(
    [...desk.members.values()].map(async ({ id, asks, tell }) => {
      const expected = { fits: isSnapshot, withinMs: COUNT_PATIENCE_MS }
      const snapshot = await asks.ask((ask) => tell({ type: 'count', ask }), expected)
      if (snapshot !== undefined) sum.update(id, snapshot)
    }),
  )
}

async function setLogLevels({ log }: Parts, { desk, level }: { desk: Desk; level: LogLevel }): Promise<void> {
  log.level = level
  await Promise.all(
    [...desk.members.values()]
      .filter(({ greeted }) => greeted)
      .map(async ({ asks, tell }) =>
        asks.ask((ask) => tell({ type: 'log-level', ask, level }), { fits: isTrue, withinMs: TELL_PATIENCE_MS }),
      ),
  )
}

async function drainCrew({ settings, log }: Parts, { crew, desk }: { crew: Crew; desk: Desk }): Promise<void> {
  const { drainDelaySeconds, shutdownTimeoutSeconds } = settings.shutdown
  log.info({ event: 'draining', drainDelaySeconds }, 'draining')
  // A second signal ends this process at once; the workers must not outlive it then.
  const kill = (): void => crew.kill()
  process.once('exit', kill)
  const stopped = crew.stop((drainDelaySeconds + shutdownTimeoutSeconds) * 1000 + END_PATIENCE_MS)
  for (const member of desk.members.values()) {
    // Who has not greeted yet has no connections either.
    if (member.greeted) member.tell({ type: 'drain' })
    else member.kill()
  }
  await stopped
  process.off('exit', kill)
}
