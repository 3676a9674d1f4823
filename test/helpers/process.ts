import { spawn, type ChildProcess } from 'node:child_process'
import { join } from 'node:path'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface Run {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  readonly ended: Promise<number | null>
  /** Resolves when the output holds the text; rejects when the process ends before. */
  shows(text: string | RegExp): Promise<void>
}

/** The folder of the checkout, from the compiled tests in build/. */
export const root = join(import.meta.dirname, '..', '..', '..')

/** Runs the command as people do, from the compiled sources. */
export function runCommand(
  t: Teardown,
  args: readonly string[],
  options: { env?: Record<string, string>; script?: string; node?: readonly string[] } = {},
): Run {
  const script = join(root, options.script ?? 'dist/main.js')
  return runProgram(t, [process.execPath, ...(options.node ?? []), script, ...args], options.env)
}

/** Runs any program until the test is over, and shows what it says. */
export function runProgram(
  t: Teardown,
  [command = '', ...args]: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Run {
  const child = spawn(command, args, {
    cwd: root,
    env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  const watchers = new Set<() => void>()
  const notify = (): void => {
    for (const watcher of watchers) watcher()
  }
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString()
    notify()
  })
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString()
    notify()
  })
  const ended = new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  t.teardown(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    child,
    out: () => out,
    err: () => err,
    ended,
    async shows(text) {
      await new Promise<void>((resolve, reject) => {
        const look = (): void => {
          if (typeof text === 'string' ? out.includes(text) : text.test(out)) {
            watchers.delete(look)
            resolve()
          }
        }
        watchers.add(look)
        look()
        void ended.then((code) => {
          look()
          reject(new Error(`ended with ${code} before it showed ${text}\n${out}\n${err}`))
        })
      })
    },
  }
}
