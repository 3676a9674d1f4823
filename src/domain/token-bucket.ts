/** So many a second on average, and after a pause a whole second's worth at once. Times in milliseconds of a clock that never goes back. */
export class TokenBucket {
  readonly #perSecond: number
  readonly #size: number
  #left: number
  #countedAt = -Infinity

  constructor(perSecond: number) {
    this.#perSecond = perSecond
    this.#size = Math.max(1, perSecond)
    this.#left = this.#size
  }

  /** Takes one where there is one. */
  take(now: number): boolean {
    this.#fill(now)
    if (this.#left < 1) return false
    this.#left -= 1
    return true
  }

  /** How long until there is one. */
  waitMs(now: number): number {
    this.#fill(now)
    return Math.max(0, ((1 - this.#left) / this.#perSecond) * 1000)
  }

  #fill(now: number): void {
    const since = now - this.#countedAt
    if (since > 0) this.#left = Math.min(this.#size, this.#left + (since / 1000) * this.#perSecond)
    this.#countedAt = Math.max(this.#countedAt, now)
  }
}
