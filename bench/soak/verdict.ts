import { median } from '../statistics.ts'
import type { Sample } from './sampler.ts'

/** This part of a run at its beginning is warm-up: code is compiled, memos fill (in three minutes of ten), the memory finds its size. */
export const WARM_UP = 0.4
/** What memory may grow by in an hour, beside what the swing of garbage collection makes of a short run. */
const GROWTH_PER_HOUR_MIB = 1
const SWING_MIB = 8
const HEAP_SWING = 0.1
const DESCRIPTORS_AT_REST = 2
/** Bursts open connections that stay for a minute. */
const DESCRIPTORS_SWING = 0.25
const DESCRIPTORS_MORE = 25
const P99_DRIFT = 0.1
const P99_NOISE_MS = 1
const MOST_SKIPPED = 0.001

export interface Evidence {
  /** From the beginning of the load to its end. */
  readonly samples: readonly Sample[]
  /** Before the first client came, and after the last had gone. */
  readonly descriptorsBefore: number
  readonly descriptorsAfter: number
  readonly inFlightAfter: number
  readonly unexpected: number
  readonly skipped: number
  readonly total: number
}

export interface Judgement {
  readonly what: string
  readonly measured: string
  readonly bound: string
  readonly holds: boolean
}

/** Whether the gateway ended as it began, point by point. */
export function judge(evidence: Evidence): readonly Judgement[] {
  const steady = steadyPart(evidence.samples)
  const hours = ((steady.at(-1)?.seconds ?? 0) - (steady[0]?.seconds ?? 0)) / 3600
  return [
    judgeMemory(steady, hours),
    judgeHeap(steady),
    judgeDescriptors(steady),
    judgeP99(steady),
    ...judgeCounts(evidence),
  ]
}

/** What comes after the warm-up. */
export function steadyPart(samples: readonly Sample[]): readonly Sample[] {
  const end = samples.at(-1)?.seconds ?? 0
  return samples.filter(({ seconds }) => seconds >= end * WARM_UP)
}

function judgeMemory(steady: readonly Sample[], hours: number): Judgement {
  const perHour = slopeOf(steady.map(({ seconds, rssMiB }) => [seconds / 3600, rssMiB]))
  const bound = GROWTH_PER_HOUR_MIB + SWING_MIB / hours
  return {
    what: 'memory (RSS), slope after warm-up',
    measured: `${signed(perHour)} MiB/h, ${signed(perHour * hours)} MiB in ${(hours * 60).toFixed(1)} minutes`,
    bound: `≤ ${bound.toFixed(1)} MiB/h: ${GROWTH_PER_HOUR_MIB} and a swing of ${SWING_MIB} MiB over the time`,
    holds: perHour <= bound,
  }
}

/** The lowest heap of a part is the nearest that one comes from outside to what is alive. */
function judgeHeap(steady: readonly Sample[]): Judgement {
  const [first, last] = thirds(steady).map((part) => Math.min(...part.map(({ heapMiB }) => heapMiB))) as [
    number,
    number,
  ]
  return {
    what: 'heap, its lowest in the first and in the last third',
    measured: `${first.toFixed(1)} and ${last.toFixed(1)} MiB`,
    bound: `at most ${HEAP_SWING * 100} % more`,
    holds: last <= first * (1 + HEAP_SWING),
  }
}

function judgeDescriptors(steady: readonly Sample[]): Judgement {
  const [first, last] = thirds(steady).map((part) => median(part.map(({ descriptors }) => descriptors))) as [
    number,
    number,
  ]
  return {
    what: 'open descriptors under load, median of the first and of the last third',
    measured: `${first} and ${last}`,
    bound: `at most ${DESCRIPTORS_SWING * 100} % and ${DESCRIPTORS_MORE} more`,
    holds: last <= first * (1 + DESCRIPTORS_SWING) + DESCRIPTORS_MORE,
  }
}

function judgeP99(steady: readonly Sample[]): Judgement {
  const [first, last] = thirds(steady).map((part) => ownP99Ms(part)) as [number, number]
  return {
    what: "the gateway's own time, p99 in the first and in the last third (the first bucket ends at 5 ms)",
    measured: `${first.toFixed(1)} and ${last.toFixed(1)} ms`,
    bound: `at most ${P99_DRIFT * 100} % or ${P99_NOISE_MS} ms more`,
    holds: last <= Math.max(first * (1 + P99_DRIFT), first + P99_NOISE_MS),
  }
}

/** Within the bucket in which it lies, by even parts, as Prometheus does it. */
function ownP99Ms(part: readonly Sample[]): number {
  const before = new Map(part[0]?.own)
  const counts = (part.at(-1)?.own ?? []).map(([bound, count]) => [bound, count - (before.get(bound) ?? 0)] as const)
  const wanted = (counts.at(-1)?.[1] ?? 0) * 0.99
  let [lower, below] = [0, 0]
  for (const [bound, count] of counts) {
    if (count >= wanted && count > below)
      return (
        (bound === Number.POSITIVE_INFINITY ? lower : lower + ((bound - lower) * (wanted - below)) / (count - below)) *
        1000
      )
    lower = bound
    below = count
  }
  return 0
}

function judgeCounts(evidence: Evidence): readonly Judgement[] {
  const { descriptorsBefore, descriptorsAfter, inFlightAfter, unexpected, skipped, total } = evidence
  return [
    {
      what: 'descriptors before the first client and after the last',
      measured: `${descriptorsBefore} and ${descriptorsAfter}`,
      bound: `at most ${DESCRIPTORS_AT_REST} more`,
      holds: descriptorsAfter <= descriptorsBefore + DESCRIPTORS_AT_REST,
    },
    {
      what: 'requests in flight after the last client has gone',
      measured: String(inFlightAfter),
      bound: '0',
      holds: inFlightAfter === 0,
    },
    {
      what: 'visits that ended otherwise than expected',
      measured: String(unexpected),
      bound: '0',
      holds: unexpected === 0,
    },
    {
      what: 'visits left out because too many were under way',
      measured: String(skipped),
      bound: `≤ ${MOST_SKIPPED * 100} %`,
      holds: skipped <= total * MOST_SKIPPED,
    },
  ]
}

function thirds(samples: readonly Sample[]): readonly [readonly Sample[], readonly Sample[]] {
  const third = Math.max(1, Math.floor(samples.length / 3))
  return [samples.slice(0, third), samples.slice(-third)]
}

/** By least squares. */
export function slopeOf(points: readonly (readonly [number, number])[]): number {
  const meanOf = (at: 0 | 1): number => points.reduce((sum, point) => sum + point[at], 0) / points.length
  const [middleX, middleY] = [meanOf(0), meanOf(1)]
  let [above, below] = [0, 0]
  for (const [x, y] of points) {
    above += (x - middleX) * (y - middleY)
    below += (x - middleX) ** 2
  }
  return below === 0 ? 0 : above / below
}

const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(1)}`
