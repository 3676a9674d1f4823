import type { Running } from '../contenders/contender.ts'
import { measure, type Load } from '../measure.ts'
import { memoryMiBOf } from '../process-tree.ts'
import type { Site } from '../site.ts'

/** One question of `scale`, and how it is answered. */
export interface Topic {
  readonly name: string
  readonly asks: string
  run(site: Site, effort: Effort): Promise<readonly Finding[]>
}

export interface Effort {
  readonly seconds: number
  readonly repetitions: number
}

/** One row of the table. */
export interface Finding {
  readonly what: string
  readonly measured: string
  /** Without one a figure is told and not judged. */
  readonly target?: string
  readonly reached?: boolean
  /** The figures behind the text, for programs. */
  readonly figures: Readonly<Record<string, number>>
}

/** The same gateway, or another, under one of several loads that are measured in turn. */
export interface Variant {
  readonly running: Running
  load(repetition: number): Promise<Omit<Load, 'seconds'>>
}

/** CPU microseconds per request of each variant, one for each repetition; before the first, each has one for nothing. */
export async function interleave<Name extends string>(
  site: Site,
  { seconds, repetitions }: Effort,
  variants: Readonly<Record<Name, Variant>>,
): Promise<Readonly<Record<Name, readonly number[]>>> {
  const names = Object.keys(variants) as Name[]
  const found = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>
  for (let repetition = 0; repetition <= repetitions; repetition += 1) {
    for (const name of names) {
      const { running, load } = variants[name]
      const cell = await measure(site, running, { seconds, ...(await load(repetition)) })
      if (repetition === 0) continue
      found[name].push(cell.cpuMicrosPerRequest)
      site.progress(`  ${repetition}/${repetitions}  ${name.padEnd(28)} ${cell.cpuMicrosPerRequest.toFixed(1)} µs`)
    }
  }
  return found
}

/** Differences and ratios are taken repetition by repetition. */
export function pairwise(
  ones: readonly number[],
  others: readonly number[],
  combine: (one: number, other: number) => number,
): readonly number[] {
  return ones.flatMap((one, at) => {
    const other = others[at]
    return other === undefined ? [] : [combine(one, other)]
  })
}

const SAMPLE_MS = 100

/** The most memory in MiB that a process and its children had while something was done. */
export async function peakMemoryMiB(pid: number, work: () => Promise<unknown>): Promise<number> {
  let peak = memoryMiBOf(pid)
  const timer = setInterval(() => {
    peak = Math.max(peak, memoryMiBOf(pid))
  }, SAMPLE_MS)
  try {
    await work()
    return Math.max(peak, memoryMiBOf(pid))
  } finally {
    clearInterval(timer)
  }
}

// Less than this cannot be told from the machine's moods.
export const NO_GROWTH = 1.1
