import type { Machine } from './machine.ts'
import { spreadOf, type Spread } from './statistics.ts'

/** What one run of load on one contender gave. */
export interface Cell {
  readonly cpuMicrosPerRequest: number
  readonly requestsPerSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly memoryMiB: number
}

export interface Row {
  readonly name: string
  readonly does: string
  readonly version?: string
  /** Why there are no figures. */
  readonly reason?: string
  /** By number of connections, one for each repetition. */
  readonly cells: Readonly<Record<string, readonly Cell[]>>
}

/** A whole run, as it is written to a file. */
export interface Comparison {
  readonly date: string
  readonly machine: Machine
  readonly seconds: number
  readonly repetitions: number
  readonly connections: readonly number[]
  readonly rows: readonly Row[]
  readonly targets: readonly TargetResult[]
}

export interface Target {
  readonly ours: string
  readonly against: string
  /** Highest ratio of CPU per request that is wanted. */
  readonly target: number
  /** Beyond this one the build would be a failure. */
  readonly failing: number
}

export interface TargetResult extends Target {
  /** By number of connections. */
  readonly ratios: Readonly<Record<string, Spread>>
  readonly verdict: 'reached' | 'missed' | 'failing' | 'not measured'
}

const TARGETS: readonly Target[] = [
  { ours: 'gateway', against: 'floor', target: 1.25, failing: 1.5 },
  { ours: 'gateway', against: 'stock', target: 0.75, failing: 1 },
  { ours: 'gateway', against: 'nginx-auth-request', target: 2, failing: 2.8 },
  { ours: 'gateway', against: 'apache-openidc-shm', target: 0.4, failing: 0.55 },
  { ours: 'gateway', against: 'apache-openidc-cookie', target: 0.25, failing: 0.35 },
  { ours: 'gateway-bearer', against: 'apache-openidc-bearer', target: 0.55, failing: 0.75 },
  { ours: 'gateway', against: 'oauth2-proxy', target: 0.8, failing: 1 },
]

/** CPU per request of one against another, taken repetition by repetition, because the machine's moods are alike within one. Undefined without figures of both. */
export function ratioOf(rows: readonly Row[], ours: string, against: string, connections: number): Spread | undefined {
  const [mine = [], theirs = []] = [ours, against].map((name) => cellsOf(rows, name, connections))
  const ratios = mine.flatMap((cell, repetition) => {
    const other = theirs[repetition]
    return other === undefined ? [] : [cell.cpuMicrosPerRequest / other.cpuMicrosPerRequest]
  })
  return ratios.length === 0 ? undefined : spreadOf(ratios)
}

export function judgeTargets(rows: readonly Row[], connections: readonly number[]): readonly TargetResult[] {
  return TARGETS.map((target) => {
    const found = connections.flatMap((count) => {
      const ratio = ratioOf(rows, target.ours, target.against, count)
      return ratio === undefined ? [] : [[String(count), ratio] as const]
    })
    return { ...target, ratios: Object.fromEntries(found), verdict: verdictOf(target, found) }
  })
}

/** A target holds for every number of connections that was measured: the worst of them decides. */
function verdictOf(
  { target, failing }: Target,
  found: readonly (readonly [string, Spread])[],
): TargetResult['verdict'] {
  if (found.length === 0) return 'not measured'
  const worst = Math.max(...found.map(([, { median }]) => median))
  if (worst <= target) return 'reached'
  return worst <= failing ? 'missed' : 'failing'
}

export function cellsOf(rows: readonly Row[], name: string, connections: number): readonly Cell[] {
  return rows.find((row) => row.name === name)?.cells[connections] ?? []
}
