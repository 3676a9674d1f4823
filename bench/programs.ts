import { execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { delimiter, join } from 'node:path'
import type { Teardown } from './command.ts'
import { treeOf } from './process-tree.ts'

/** What is measured runs alone on one core; what makes its work, and everything else of a run, on the other. */
export const PROXY_CORE = 0
export const LOAD_CORE = 1

const START_MS = 20_000
// Long enough to write down what a profiler has seen.
const STOP_MS = 20_000

export interface ProgramOptions {
  readonly core: number
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Where it writes its complaints, if not to its standard error. */
  readonly logFile?: string
}

export interface Program {
  readonly pid: number
  /** What became of it, where it has ended by itself, with the end of what it wrote to its standard error; undefined while it runs. */
  end(): string | undefined
  /** Resolves when it listens at the port; rejects with the end of what it wrote when it ends before or takes too long. */
  listens(port: number): Promise<void>
  /** Asks it to end and waits for that; what has not ended in time is killed with all its children. */
  stop(): Promise<void>
}

/** Where a program of this machine lies; undefined where it has none. System programs are not always in a user's path. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin', '/usr/local/go/bin']
  return folders.map((folder) => join(folder, name)).find((file) => isExecutable(file))
}

/** Why these programs cannot be used here; undefined when all are there. */
export function missingPrograms(...names: readonly string[]): string | undefined {
  const missing = names.filter((name) => findProgram(name) === undefined)
  return missing.length === 0 ? undefined : `there is no ${missing.join(' and no ')} on this machine`
}

/** Runs a program on one core until it is stopped, or the run is over. Its standard output goes nowhere. */
export function startProgram(t: Teardown, command: readonly string[], options: ProgramOptions): Program {
  const env = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...options.env }
  // taskset becomes the program: the pid stays.
  const child = spawn('taskset', ['-c', String(options.core), ...command], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  })
  let complaint = ''
  child.stderr.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString()).slice(-2_000)
  })
  const ended = new Promise<void>((resolve) => {
    child.on('close', () => resolve())
    child.on('error', (error) => {
      complaint += error.message
      resolve()
    })
  })
  const complaints = (): string =>
    options.logFile !== undefined && existsSync(options.logFile)
      ? readFileSync(options.logFile, 'utf8').slice(-2_000).trim()
      : complaint.trim()
  const hasEnded = (): boolean => child.pid === undefined || child.exitCode !== null || child.signalCode !== null

  const end = (): string | undefined =>
    hasEnded() ? `${command[0]} ended with ${child.exitCode ?? child.signalCode}: ${complaints()}` : undefined

  async function stop(): Promise<void> {
    if (hasEnded()) return
    const tree = treeOf(child.pid ?? 0)
    child.kill('SIGTERM')
    const late = setTimeout(() => tree.forEach(killHard), STOP_MS)
    await ended
    clearTimeout(late)
  }
  t.teardown(stop)

  return {
    pid: child.pid ?? 0,
    end,
    stop,
    async listens(port) {
      const deadline = Date.now() + START_MS
      while (!(await accepts(port))) {
        if (hasEnded()) throw new Error(end())
        if (Date.now() > deadline) throw new Error(`${command[0]} does not listen at ${port}: ${complaints()}`)
        await pause(20)
      }
    },
  }
}

/** Puts this process, and so everything that it starts from now on, on the core of the load. */
export function leaveProxyCore(): void {
  execFileSync('taskset', ['-a', '-c', '-p', String(LOAD_CORE), String(process.pid)], { stdio: 'ignore' })
}

export async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false
  }
}

function killHard(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
