import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

const MICROS_PER_TICK = 1_000_000 / Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** A process and all its descendants that live now. */
export function treeOf(pid: number): readonly number[] {
  const children = new Map<number, number[]>()
  for (const name of readdirSync('/proc')) {
    const one = Number(name)
    const parent = Number.isInteger(one) ? statOf(one)?.[1] : undefined
    if (parent !== undefined) children.set(Number(parent), [...(children.get(Number(parent)) ?? []), one])
  }
  const tree = [pid]
  for (const member of tree) tree.push(...(children.get(member) ?? []))
  return tree
}

/** In microseconds. */
export interface CpuTimes {
  readonly user: number
  readonly system: number
}

/** CPU time that a process and its descendants have used so far, those that have ended included. */
export function cpuTimesOf(pid: number): CpuTimes {
  let [user, system] = [0, 0]
  for (const member of treeOf(pid)) {
    // utime and stime of each, cutime and cstime of the children that it has waited for: proc(5).
    const [own = 0, ownSystem = 0, children = 0, childrenSystem = 0] = (statOf(member)?.slice(11, 15) ?? []).map(Number)
    user += own + children
    system += ownSystem + childrenSystem
  }
  return { user: user * MICROS_PER_TICK, system: system * MICROS_PER_TICK }
}

/** Both together. */
export function cpuMicrosOf(pid: number): number {
  const { user, system } = cpuTimesOf(pid)
  return user + system
}

/** Resident memory in MiB of a process and its descendants; what they share is counted once. */
export function memoryMiBOf(pid: number): number {
  let own = 0
  let shared = 0
  for (const member of treeOf(pid)) {
    const { Rss = 0, Private_Clean = 0, Private_Dirty = 0 } = rollupOf(member)
    const alone = Private_Clean + Private_Dirty
    own += alone
    shared = Math.max(shared, Rss - alone)
  }
  return (own + shared) / 1024
}

/** The fields of /proc/PID/stat behind the name, which may hold spaces: state, parent, … */
function statOf(pid: number): readonly string[] | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return undefined
  }
}

/** In KiB. */
function rollupOf(pid: number): Readonly<Record<string, number>> {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
    return Object.fromEntries([...text.matchAll(/^(\w+): +(\d+) kB$/gm)].map(([, name, size]) => [name, Number(size)]))
  } catch {
    return {}
  }
}
