import type { ExchangeOutcome } from './circuit.ts'

const FAILURES_IN_A_ROW = 3
const FIRST_OUT_MS = 10_000
const LONGEST_OUT_MS = 300_000
const RETURN_MS = 30_000
const LEAST_SHARE = 0.1

/**
 * How far one of several addresses of an application can be relied on. After three failures in a row it is left out, each time twice as
 * long, then comes back with a share that grows; a failure on the way back leaves it out again at once. Times in milliseconds.
 */
export class Standing {
  #failures = 0
  #timesOut = 0
  #outUntil: number | null = null

  /** 0 while left out, 1 in full standing, between while coming back. */
  share(now: number): number {
    if (this.#outUntil === null) return 1
    if (now < this.#outUntil) return 0
    return Math.min(1, Math.max(LEAST_SHARE, (now - this.#outUntil) / RETURN_MS))
  }

  /** Returns for how long the address is left out from now on; 0 where it is not. */
  record(outcome: ExchangeOutcome, now: number): number {
    const share = this.share(now)
    if (outcome === 'abandoned' || share === 0) return 0
    if (outcome === 'answered') {
      this.#failures = 0
      if (share === 1) this.#timesOut = 0
      return 0
    }
    this.#failures += 1
    if (share === 1 && this.#failures < FAILURES_IN_A_ROW) return 0
    const outMs = Math.min(LONGEST_OUT_MS, FIRST_OUT_MS * 2 ** this.#timesOut)
    this.#outUntil = now + outMs
    this.#timesOut += 1
    this.#failures = 0
    return outMs
  }
}
