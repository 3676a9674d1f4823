import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRedis, type Redis, type RedisOptions } from '../../src/adapters/redis.ts'
import { parseRedisAddress } from '../../src/domain/redis-address.ts'
import { until } from './until.ts'
import { freePort } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** Why a test that needs Redis must be skipped; undefined where it is installed. */
export const noRedis: string | undefined =
  spawnSync('redis-server', ['--version']).error === undefined ? undefined : 'redis-server is not installed'

export interface RedisServer {
  readonly url: string
  readonly port: number
  /** Takes connections and answers nothing, until `thaw`. */
  freeze(): void
  thaw(): void
  /** Ends at once; what was written stays on the disk as far as its arguments say so. */
  stop(): Promise<void>
  /** The same server on the same port once more. */
  start(): Promise<void>
}

/**
 * A real Redis on a free port; it writes every change down, so that it comes back from `stop` as it was. It does not wait for the disk: the
 * system keeps what a killed process has written, and a busy disk would be an outage to a gateway that waits for 200 ms.
 */
export async function startRedis(t: Teardown, args: readonly string[] = []): Promise<RedisServer> {
  return startServer(t, ({ port, folder }) => {
    const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder]
    return [...place, '--save', '', '--appendonly', 'yes', '--appendfsync', 'no', ...args]
  })
}

/** What watches over a master and puts another in its place when that was away for a second. */
export async function startSentinel(t: Teardown, masterPort: number): Promise<RedisServer> {
  return startServer(t, ({ port, folder }) => {
    const config = join(folder, 'sentinel.conf')
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${folder}`,
      `sentinel monitor mymaster 127.0.0.1 ${masterPort} 1`,
      'sentinel down-after-milliseconds mymaster 1000',
      'sentinel failover-timeout mymaster 3000',
    ]
    writeFileSync(config, lines.join('\n'))
    return [config, '--sentinel']
  })
}

interface Place {
  readonly port: number
  readonly folder: string
}

async function startServer(t: Teardown, argsAt: (place: Place) => readonly string[]): Promise<RedisServer> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'redis-'))
  const args = argsAt({ port, folder })
  let child: ChildProcess | undefined

  async function start(): Promise<void> {
    child = spawn('redis-server', args, { stdio: 'ignore' })
    await until(async () => answers(port))
  }
  async function stop(): Promise<void> {
    const running = child
    if (running === undefined || running.exitCode !== null || running.signalCode !== null) return
    const ended = new Promise((resolve) => running.once('exit', resolve))
    running.kill('SIGKILL')
    await ended
  }

  t.teardown(async () => {
    await stop()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    freeze: () => void child?.kill('SIGSTOP'),
    thaw: () => void child?.kill('SIGCONT'),
    stop,
    start,
  }
}

/** Any answer will do: a server that wants a password is there as well. */
async function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    const finish = (is: boolean) => (): void => {
      socket.destroy()
      resolve(is)
    }
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', (data: Buffer) => finish(!data.toString().startsWith('-LOADING'))())
    socket.once('error', finish(false))
    socket.once('close', finish(false))
  })
}

/** The gateway's own client, towards a server of a test. */
export function connectRedis(t: Teardown, url: string, more: Partial<RedisOptions> = {}): Redis {
  const { address, fault } = parseRedisAddress(url)
  if (address === undefined) throw new Error(fault)
  const redis = createRedis({
    address,
    probeKey: 'probe',
    onCommand: () => undefined,
    onChange: () => undefined,
    onEviction: () => undefined,
    ...more,
  })
  t.teardown(() => redis.close())
  return redis
}

/** What an operator would type into redis-cli. Answers as it prints them, without the line's end. */
export function redisCli(port: number, ...args: readonly string[]): string {
  const { stdout, stderr } = spawnSync('redis-cli', ['-p', String(port), '-h', '127.0.0.1', ...args], {
    encoding: 'utf8',
  })
  return (stdout + stderr).trimEnd()
}

/** Runs a script without end; resolves when the server says BUSY to everybody else. `SCRIPT KILL` ends it. */
export async function keepBusy({ port }: RedisServer): Promise<void> {
  spawn('redis-cli', ['-p', String(port), 'eval', 'while true do end', '0'], { stdio: 'ignore' })
  await until(() => redisCli(port, 'ping').startsWith('BUSY'))
}
