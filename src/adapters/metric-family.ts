/** What Prometheus reads of one metric: the shape in which prom-client's own metrics hand it out. */
export interface Reading {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly aggregator: string
  readonly values: readonly {
    readonly metricName?: string
    readonly labels: Readonly<Record<string, string | number>>
    readonly value: number
  }[]
}

type Labels = Readonly<Record<string, string>>

/** One number that counts up, or is set. */
export class Tally {
  value = 0

  inc(): void {
    this.value += 1
  }

  add(difference: number): void {
    this.value += difference
  }
}

/** How many observations were how large. */
export class Distribution {
  readonly #bounds: readonly number[]
  /** How many fell into each bucket alone; the last has no upper bound. */
  readonly #counts: number[]
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = [...bounds.map(() => 0), 0]
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let at = 0
    while (at < bounds.length && value > (bounds[at] ?? 0)) at += 1
    this.#counts[at] = (this.#counts[at] ?? 0) + 1
    this.#sum += value
  }

  read(name: string, labels: Labels): Reading['values'] {
    let below = 0
    const buckets = [...this.#bounds, '+Inf'].map((le, at) => {
      below += this.#counts[at] ?? 0
      return { metricName: `${name}_bucket`, labels: { le, ...labels }, value: below }
    })
    return [
      ...buckets,
      { metricName: `${name}_sum`, labels, value: this.#sum },
      { metricName: `${name}_count`, labels, value: below },
    ]
  }
}

export interface FamilyOptions<Series> {
  readonly name: string
  readonly help: string
  readonly type: Reading['type']
  readonly labels: readonly string[]
  /** What several processes' values are together, in prom-client's words. */
  readonly aggregator: string
  readonly start: () => Series
  readonly read: (series: Series, labels: Labels) => Reading['values']
}

/**
 * All series of one metric. Counting is an addition: the library's own classes hash and check the labels each time, which was a tenth of
 * what a request cost. Read by the library, beside its default metrics.
 */
export class MetricFamily<Series> {
  readonly name: string
  readonly #options: FamilyOptions<Series>
  readonly #series = new Map<string, { readonly labels: Labels; readonly series: Series }>()

  constructor(options: FamilyOptions<Series>) {
    this.name = options.name
    this.#options = options
    // A metric without labels is there from the start.
    if (options.labels.length === 0) this.of({})
  }

  /** The series of these labels; made once, so whoever counts the same again and again may keep it. */
  of(labels: Labels): Series {
    const names = this.#options.labels
    let key = ''
    for (const name of names) key += `${labels[name] ?? ''}\n`
    let known = this.#series.get(key)
    if (known === undefined) {
      known = {
        labels: Object.fromEntries(names.map((name) => [name, labels[name] ?? ''])),
        series: this.#options.start(),
      }
      this.#series.set(key, known)
    }
    return known.series
  }

  /** Whoever kept a series of it counts in vain from now on. */
  clear(): void {
    this.#series.clear()
  }

  async get(): Promise<Reading> {
    const { name, help, type, aggregator, read } = this.#options
    const values = [...this.#series.values()].flatMap(({ labels, series }) => read(series, labels))
    return { name, help, type, aggregator, values }
  }
}
