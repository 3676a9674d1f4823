/** Something under way that may not wait for ever. */
export interface Watched {
  /** Told once a second what the watch shows; ends itself when its time is over. */
  tick(second: number): void
}

/** One clock for everything that is under way: exact to the second, where a timer for each exchange would cost more than the exchange's own steps. */
export class Watch {
  /** Seconds since the watch began; monotonic enough for limits in whole seconds. */
  second = 0
  readonly #watched = new Set<Watched>()
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#tick(), 1_000)
    this.#timer.unref()
  }

  add(watched: Watched): void {
    this.#watched.add(watched)
  }

  delete(watched: Watched): void {
    this.#watched.delete(watched)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    this.second += 1
    for (const watched of this.#watched) watched.tick(this.second)
  }
}
