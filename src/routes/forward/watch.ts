/** Something under way that may not wait for ever. */
export interface Watched {
  /** Its place, kept for the watch; -1 while it is not watched. */
  watchedAt: number
  /** Told once a second what the watch shows; ends itself when its time is over. */
  tick(second: number): void
}

/** How long a client may do nothing while others wait for what it holds on to. */
export const CROWDED_IDLE_SECONDS = 20

/** One clock for everything that is under way: exact to the second, where a timer for each exchange would cost more than the exchange's own steps. */
export class Watch {
  /** Seconds since the watch began; monotonic enough for limits in whole seconds. */
  second = 0
  // Places, not a Set: a Set copies itself again and again, and each dead copy keeps all that was in it alive until the next full collection.
  readonly #places: (Watched | null)[] = []
  readonly #free: number[] = []
  readonly #timer: NodeJS.Timeout

  constructor() {
    this.#timer = setInterval(() => this.#tick(), 1_000)
    this.#timer.unref()
  }

  add(watched: Watched): void {
    if (watched.watchedAt !== -1) return
    watched.watchedAt = this.#free.pop() ?? this.#places.length
    this.#places[watched.watchedAt] = watched
  }

  delete(watched: Watched): void {
    if (watched.watchedAt === -1) return
    this.#places[watched.watchedAt] = null
    this.#free.push(watched.watchedAt)
    watched.watchedAt = -1
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    this.second += 1
    for (const watched of this.#places) watched?.tick(this.second)
  }
}
