/** What became of one visit, in a few words: a status, or how it ended. */
export type Outcome = string

const EXAMPLES = 10

export interface KindTally {
  readonly kind: string
  readonly outcomes: ReadonlyMap<Outcome, number>
}

/** What has happened, by kind of visit; what was not expected is kept with an example. */
export class Tally {
  readonly #outcomes = new Map<string, Map<Outcome, number>>()
  readonly unexpected: string[] = []
  unexpectedCount = 0
  /** Visits that were due while too many were under way. */
  skipped = 0
  /** Of quick answers since it was last asked for, in milliseconds. */
  #latencies: number[] = []

  count(kind: string, outcome: Outcome, expected: readonly Outcome[]): void {
    const outcomes = this.#outcomes.get(kind) ?? new Map<Outcome, number>()
    this.#outcomes.set(kind, outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1))
    if (expected.includes(outcome)) return
    this.unexpectedCount += 1
    if (this.unexpected.length < EXAMPLES) this.unexpected.push(`${kind}: ${outcome}`)
  }

  took(milliseconds: number): void {
    this.#latencies.push(milliseconds)
  }

  /** The 99th percentile of what took since the last time. */
  takeP99(): number {
    const sorted = this.#latencies.sort((one, other) => one - other)
    this.#latencies = []
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * 0.99))] ?? 0
  }

  get kinds(): readonly KindTally[] {
    return [...this.#outcomes].map(([kind, outcomes]) => ({ kind, outcomes }))
  }

  get total(): number {
    return this.kinds.reduce(
      (sum, { outcomes }) => sum + [...outcomes.values()].reduce((all, count) => all + count, 0),
      0,
    )
  }
}
