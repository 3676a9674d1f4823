import cluster, { type Worker } from 'node:cluster'
import type { Logger } from 'pino'
import { isWorkerMessage, type WorkerMessage } from './messages.ts'

/** The worker processes, always as many as were asked for. */
export interface Crew {
  /** Replaces nobody any more; resolves when all have ended, those who take longer than this by force. */
  stop(patienceMs: number): Promise<void>
  /** Ends all at once; safe while the process exits. */
  kill(): void
}

export interface CrewOptions {
  readonly size: number
  readonly log: Logger
  readonly now: () => number
  readonly onStart: (worker: Worker) => void
  readonly onMessage: (worker: Worker, message: WorkerMessage) => void
  readonly onEnd: (worker: Worker) => void
}

/** A worker that lived this long did not fail by its start: it is replaced at once. */
const STEADY_MS = 10_000
const PAUSE_MS = 1_000
const MAX_PAUSE_MS = 30_000

/** Starts the workers. Each runs this program again with the same arguments. */
export function startCrew({ size, log, now, onStart, onMessage, onEnd }: CrewOptions): Crew {
  const workers = new Map<number, Worker>()
  const pauses = new Set<NodeJS.Timeout>()
  let stopped: (() => void) | undefined
  cluster.setupPrimary({ serialization: 'advanced' })

  function hire(failures: number): void {
    const worker = cluster.fork()
    const startedAt = now()
    workers.set(worker.id, worker)
    worker.on('message', (message: unknown) => {
      if (isWorkerMessage(message)) onMessage(worker, message)
    })
    // A process that could not be made has no number and will never exit.
    worker.on('error', () => {
      if (worker.process.pid === undefined) ended('none', null)
    })
    worker.once('exit', ended)
    onStart(worker)

    function ended(code: number | string, signal: string | null): void {
      if (!workers.delete(worker.id)) return
      onEnd(worker)
      if (stopped === undefined) replace(now() - startedAt < STEADY_MS ? failures + 1 : 0, { code, signal })
      else if (workers.size === 0) stopped()
    }

    function replace(failures: number, how: { readonly code: number | string; readonly signal: string | null }): void {
      const pauseMs = failures === 0 ? 0 : Math.min(PAUSE_MS * 2 ** (failures - 1), MAX_PAUSE_MS)
      log.error(
        { event: 'worker_ended', ended: worker.id, ...how, replacedInSeconds: pauseMs / 1000 },
        'a worker ended without being told to; it is replaced',
      )
      const pause = setTimeout(() => {
        pauses.delete(pause)
        hire(failures)
      }, pauseMs)
      pauses.add(pause)
    }
  }

  function kill(): void {
    for (const worker of workers.values()) worker.process.kill('SIGKILL')
  }

  for (let hired = 0; hired < size; hired += 1) hire(0)

  return {
    kill,
    async stop(patienceMs) {
      for (const pause of pauses) clearTimeout(pause)
      const patience = setTimeout(kill, patienceMs)
      await new Promise<void>((resolve) => {
        stopped = resolve
        if (workers.size === 0) resolve()
      })
      clearTimeout(patience)
    },
  }
}
