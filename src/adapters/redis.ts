import { Redis as Client } from 'ioredis'
import type { Secret } from '../domain/secret.ts'

/**
 * Redis or Valkey, as the gateway uses it. Every method rejects with `StoreError` where no answer came in time, and with nothing else; an answer
 * that says "there is none" is no error. All times in milliseconds.
 */
export interface Redis {
  get(key: string): Promise<string | null>
  set(key: string, value: string, lifeMs: number): Promise<void>
  /** False where the key is there already. */
  setIfAbsent(key: string, value: string, lifeMs: number): Promise<boolean>
  /**
   * Replaces what is there by something newer: `gone` where nothing is there (any more), `older` where what is there has a higher version. Values
   * written by this method begin with their version and a space, and so must the one that `create` wrote.
   */
  replace(key: string, value: Versioned, lifeMs: number): Promise<'replaced' | 'gone' | 'older'>
  delete(key: string): Promise<void>
  /** Deletes the key only while it holds this value. */
  deleteIf(key: string, value: string): Promise<void>
  /** Appends to a log that forgets entries older than `keepMs`. */
  append(log: string, entry: string, keepMs: number): Promise<void>
  /** Entries after a position, `0` for all, oldest first, and the position after them. At most `limit` at a time. */
  entriesAfter(log: string, position: string, limit: number): Promise<LogPage>
  /** Whether the last thing heard of the server was good. */
  readonly up: boolean
  close(): void
}

export interface Versioned {
  readonly version: number
  readonly text: string
}

export interface LogPage {
  readonly entries: readonly string[]
  readonly position: string
}

export type StoreOperation = 'read' | 'write' | 'delete' | 'lock' | 'log'

/** The store gave no answer, or one that says nothing about what was asked. */
export class StoreError extends Error {
  readonly operation: StoreOperation

  constructor(operation: StoreOperation, why: string) {
    super(`the session store did not answer as it should (${why})`)
    this.operation = operation
  }
}

export interface RedisOptions {
  readonly url: Secret
  /** PEM of the authorities that vouch for the server; the system's own where absent. */
  readonly ca?: string | undefined
  /** Called after each command, for the metrics. */
  readonly onCommand: (operation: StoreOperation, result: 'ok' | 'failed', seconds: number) => void
}

const COMMAND_TIMEOUT_MS = 200
const CONNECT_TIMEOUT_MS = 1_000
const MAX_RECONNECT_PAUSE_MS = 2_000

const REPLACE = `
local held = redis.call('GET', KEYS[1])
if not held then return 'gone' end
local version = tonumber(string.match(held, '^(%d+) '))
if version and version > tonumber(ARGV[1]) then return 'older' end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
return 'replaced'`

const DELETE_IF = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

export function createRedis({ url, ca, onCommand }: RedisOptions): Redis {
  const client = new Client(url.reveal(), {
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: false,
    retryStrategy: (times) => Math.min(times * 100, MAX_RECONNECT_PAUSE_MS),
    ...(ca === undefined ? {} : { tls: { ca } }),
  })
  let up = false
  // Without a listener an error of the connection would end the process; each command fails by itself as well.
  client.on('error', () => {
    up = false
  })

  async function command<T>(operation: StoreOperation, send: () => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    let result: 'ok' | 'failed' = 'failed'
    try {
      const answer = await send()
      up = true
      result = 'ok'
      return answer
    } catch (error) {
      up = false
      throw new StoreError(operation, kindOf(error))
    } finally {
      onCommand(operation, result, (performance.now() - startedAt) / 1000)
    }
  }

  return {
    get up() {
      return up
    },
    get: async (key) => command('read', async () => client.get(key)),
    async set(key, value, lifeMs) {
      await command('write', async () => client.set(key, value, 'PX', life(lifeMs)))
    },
    setIfAbsent: async (key, value, lifeMs) =>
      command('lock', async () => (await client.set(key, value, 'PX', life(lifeMs), 'NX')) === 'OK'),
    replace: async (key, { version, text }, lifeMs) =>
      command('write', async () => {
        const said = await client.eval(REPLACE, 1, key, version, text, life(lifeMs))
        if (said === 'replaced' || said === 'gone' || said === 'older') return said
        throw new TypeError('an unknown answer')
      }),
    async delete(key) {
      await command('delete', async () => client.del(key))
    },
    async deleteIf(key, value) {
      await command('lock', async () => client.eval(DELETE_IF, 1, key, value))
    },
    async append(log, entry, keepMs) {
      const least = String(Date.now() - keepMs)
      await command('log', async () => client.xadd(log, 'MINID', '~', least, '*', 'e', entry))
    },
    entriesAfter: async (log, position, limit) =>
      command('log', async () => {
        const found = await client.xrange(log, position === '0' ? '-' : `(${position}`, '+', 'COUNT', limit)
        return {
          entries: found.map(([, fields]) => fields[1] ?? ''),
          position: found.at(-1)?.[0] ?? position,
        }
      }),
    close: () => client.disconnect(),
  }
}

const life = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds))

/** Messages of the library can quote commands, and commands hold sessions: only the kind of an error is told. */
function kindOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  if (error.message === 'Command timed out') return 'timeout'
  return /^[A-Z]{2,20}(?= )/.exec(error.message)?.[0] ?? ('code' in error ? String(error.code) : error.constructor.name)
}
