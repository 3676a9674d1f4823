import { spawn, type ChildProcess } from 'node:child_process'
import { connect } from 'node:net'
import { until } from './until.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** Runs a server that is installed on this machine until the test is over; resolves when it accepts connections at `port`. */
export async function startProgram(
  t: Teardown,
  [command = '', ...options]: readonly string[],
  port: number,
): Promise<void> {
  const program = spawn(command, options, { stdio: 'ignore' })
  t.teardown(() => program.kill('SIGKILL'))
  await until(() => {
    if (hasEnded(program)) throw new Error(`${command} ended with ${program.exitCode ?? program.signalCode}`)
    return accepts(port)
  })
}

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null

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
