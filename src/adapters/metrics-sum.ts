import { AggregatorRegistry } from 'prom-client'
import type { Exposition, MetricsSnapshot } from './metrics.ts'

/** The counts of many processes as those of one. */
export interface MetricsSum {
  /** The newest counts of a process. */
  update(id: number, snapshot: MetricsSnapshot): void
  /** The process is gone: what it counted, as far as it was told, stays in the sum; its gauges do not. So no counter ever falls. */
  retire(id: number): void
  expose(): Promise<Exposition>
}

/** Where the library's own way would mislead: an average hides the one worker that hangs, and alerts need the start of the whole. */
const AGGREGATES: Readonly<Record<string, 'first' | 'max'>> = {
  process_start_time_seconds: 'first',
  nodejs_eventloop_lag_seconds: 'max',
  nodejs_eventloop_lag_mean_seconds: 'max',
  nodejs_eventloop_lag_stddev_seconds: 'max',
  nodejs_eventloop_lag_p50_seconds: 'max',
  nodejs_eventloop_lag_p90_seconds: 'max',
  nodejs_eventloop_lag_p99_seconds: 'max',
}

/** What `first` takes comes from the process that was updated first. */
export function createMetricsSum(): MetricsSum {
  const living = new Map<number, MetricsSnapshot>()
  let departed: readonly MetricsSnapshot[] = []

  /** Many that are gone become one, so that a process that crashes again and again costs nothing. */
  async function condense(): Promise<void> {
    const gone = departed
    if (gone.length < 2) return
    const sum = await AggregatorRegistry.aggregate([...gone]).getMetricsAsJSON()
    // Another reader may have been quicker; counting twice would be worse than condensing later.
    if (gone.every((one) => departed.includes(one))) departed = [sum, ...departed.filter((one) => !gone.includes(one))]
  }

  return {
    update(id, snapshot) {
      living.set(
        id,
        snapshot.map((metric) => ({ ...metric, aggregator: AGGREGATES[metric.name] ?? metric.aggregator })),
      )
    },
    retire(id) {
      const last = living.get(id)
      living.delete(id)
      if (last !== undefined) departed = [...departed, last.filter((metric) => isCumulative(metric))]
    },
    async expose() {
      const registry = AggregatorRegistry.aggregate([...living.values(), ...departed])
      const exposition = { text: await registry.metrics(), contentType: registry.contentType }
      await condense()
      return exposition
    },
  }
}

/** The library's types say a number here; what it hands out is a word. */
function isCumulative({ type }: MetricsSnapshot[number]): boolean {
  return ['counter', 'histogram'].includes(String(type))
}
