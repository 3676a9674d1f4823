import type { Logger } from 'pino'
import type { TokenVerifier } from './token-verifier.ts'

export interface KeyWatch {
  /** Fetches the pool's keys, trying again until it has them, and renews them from then on. Resolves when they are there first. */
  start(): Promise<void>
  stop(): void
}

export interface KeyWatchOptions {
  readonly verifier: Pick<TokenVerifier, 'renewKeys' | 'keysAgeSeconds'>
  readonly log: Logger
  /** Calls later, and gives back what calls it off; a timer unless said otherwise. */
  readonly later?: (call: () => void, ms: number) => () => void
}

const RENEWAL_MS = 3_600_000
const RETRY_MS = 1_000
const MAX_RETRY_MS = 10_000
const STALE_SECONDS = 86_400

/**
 * Keeps the user pool's keys fresh, ahead of any token that needs a new one. A key that was taken away stops being trusted with the next
 * renewal. Where none succeeds, the keys that are known go on for as long as it takes: an outage of Cognito signs nobody out. Once they are
 * older than a day, the log says so.
 */
export function createKeyWatch({ verifier, log, later = timer }: KeyWatchOptions): KeyWatch {
  let callOff = (): void => undefined
  let stopped = false
  let failures = 0
  let toldStale = false

  async function renew(known: () => void): Promise<void> {
    let next = RENEWAL_MS
    try {
      await verifier.renewKeys()
      failures = 0
      toldStale = false
      known()
    } catch {
      next = Math.min(RETRY_MS * 2 ** failures, MAX_RETRY_MS)
      failures += 1
      log.warn({ event: 'keys_unavailable' }, "the user pool's keys cannot be fetched; trying again")
      tellStale()
    }
    if (!stopped) callOff = later(() => void renew(known), next)
  }

  function tellStale(): void {
    const age = verifier.keysAgeSeconds ?? 0
    if (toldStale || age < STALE_SECONDS) return
    toldStale = true
    log.error(
      { event: 'keys_stale', ageSeconds: Math.round(age) },
      "the user pool's keys are older than a day: a key that was taken away there is still trusted here",
    )
  }

  return {
    start: async () =>
      new Promise<void>((known) => {
        void renew(known)
      }),
    stop() {
      stopped = true
      callOff()
    },
  }
}

function timer(call: () => void, ms: number): () => void {
  const timeout = setTimeout(call, ms).unref()
  return () => clearTimeout(timeout)
}
