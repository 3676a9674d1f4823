/**
 * Remembers each entry for at least its time and at most twice that, without ever looking through all of them: every period begins a new map,
 * and the one before the last is thrown away as a whole.
 */
export class Generations<Value> {
  readonly #keepMs: number
  #young = new Map<string, Value>()
  #old = new Map<string, Value>()
  #startedAt = 0

  constructor(keepMs: number) {
    this.#keepMs = keepMs
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: string): Value | undefined {
    return this.#young.get(key) ?? this.#old.get(key)
  }

  has(key: string): boolean {
    return this.#young.has(key) || this.#old.has(key)
  }

  /** `now` in milliseconds of a clock that only goes forward. */
  set(key: string, value: Value, now: number): void {
    const age = now - this.#startedAt
    if (age >= this.#keepMs) {
      this.#old = age < 2 * this.#keepMs ? this.#young : new Map()
      this.#young = new Map()
      this.#startedAt = now
    }
    this.#young.set(key, value)
  }

  *entries(): Generator<readonly [string, Value]> {
    yield* this.#old
    yield* this.#young
  }
}
