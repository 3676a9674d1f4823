import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import { UsageError } from '../src/commands/command.ts'
import { missingPrograms } from './programs.ts'

/** The folder of the checkout, from the compiled files in build/. */
export const packageFolder = join(import.meta.dirname, '..', '..')

/** What a figure was measured on, without which it says nothing. */
export interface Machine {
  readonly cpu: string
  readonly cores: number
  readonly system: string
  readonly node: string
}

export function describeMachine(): Machine {
  const all = cpus()
  return {
    cpu: all[0]?.model.trim() ?? 'unknown',
    cores: all.length,
    system: `${distribution()}, Linux ${release()}`,
    node: process.version,
  }
}

/** One line that says where, when and how long was measured. */
export function machineLine(run: {
  readonly date: string
  readonly machine: Machine
  readonly seconds: number
  readonly repetitions: number
}): string {
  const { cpu, cores, system, node } = run.machine
  return `${run.date.slice(0, 10)}, ${cpu} with ${cores} cores, ${system}, Node ${node}; ${run.repetitions} × ${run.seconds} s for each figure, median of the repetitions.`
}

/** Throws a usage error with the remedy where nothing can be measured at all. */
export function requireMachine(): void {
  const missing = missingPrograms('wrk', 'nginx', 'taskset')
  if (missing !== undefined)
    throw new UsageError(`Nothing can be measured: ${missing}. On Debian: apt-get install wrk nginx util-linux`)
  if (cpus().length < 2)
    throw new UsageError('Nothing can be measured on one core: proxy and load would share it. Use a machine with two.')
}

/** The version of an installed package, or of ours where the name is `.`. */
export function packageVersion(name: string): string {
  const folder = name === '.' ? packageFolder : join(packageFolder, 'node_modules', name)
  const { version } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { version: string }
  return version
}

/** The first match of a pattern in what a program says of itself on either output. */
export function programVersion(command: readonly string[], pattern: RegExp): string {
  const [program = '', ...args] = command
  const said = execFileSync('sh', ['-c', '"$0" "$@" 2>&1', program, ...args], { encoding: 'utf8' })
  return pattern.exec(said)?.[1] ?? 'unknown'
}

/** The version of an installed Debian package. */
export function debianVersion(name: string): string {
  return execFileSync('dpkg-query', ['-W', '-f', '${Version}', name], { encoding: 'utf8' })
}

function distribution(): string {
  try {
    return /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? 'Linux'
  } catch {
    return 'Linux'
  }
}
