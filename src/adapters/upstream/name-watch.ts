import type { LookupFunction } from 'node:net'

const LOOK_EVERY_MS = 30_000
const LEAST_MS = 1_000

export interface NameWatchOptions {
  readonly hostname: string
  readonly lookup: LookupFunction
  readonly now: () => number
  /** All addresses that the name has now, sorted; never none. */
  readonly onAddresses: (ips: readonly string[]) => void
}

/** Follows the addresses of a name: looked up at once, every 30 seconds, and when asked. */
export interface NameWatch {
  /** Looks the name up, unless that was done a moment ago. */
  look(): void
  stop(): void
}

export function watchName({ hostname, lookup, now, onAddresses }: NameWatchOptions): NameWatch {
  let stopped = false
  let lookedAt = Number.NEGATIVE_INFINITY

  function look(): void {
    if (stopped || now() - lookedAt < LEAST_MS) return
    lookedAt = now()
    lookup(hostname, { all: true }, (error, found) => {
      // A name that cannot be looked up right now still has the addresses that it had.
      if (stopped || error !== null || typeof found === 'string' || found.length === 0) return
      onAddresses([...new Set(found.map(({ address }) => address))].sort())
    })
  }

  const timer = setInterval(look, LOOK_EVERY_MS).unref()
  look()
  return {
    look,
    stop() {
      stopped = true
      clearInterval(timer)
    },
  }
}
