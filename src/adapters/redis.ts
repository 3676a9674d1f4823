import type { RedisAddress } from '../domain/redis-address.ts'
import {
  count,
  DISCONNECTED,
  inTime,
  isText,
  kindOf,
  oneOf,
  textOrNull,
  TIMEOUT,
  TooManyAtOnce,
  WRONG_ANSWER,
  WrongAnswer,
} from './redis/answers.ts'
import { connectToRedis, type Connection } from './redis/connection.ts'
import { createHealth } from './redis/health.ts'

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
   * written by this method begin with their version and a space, and so must the one that `set` wrote; see `versioned`.
   */
  replace(key: string, value: Versioned, lifeMs: number): Promise<'replaced' | 'gone' | 'older'>
  delete(key: string): Promise<void>
  /** Deletes the key only while it holds this value. */
  deleteIf(key: string, value: string): Promise<void>
  /** Appends to a log that forgets entries older than `keepMs`. */
  append(log: string, entry: string, keepMs: number): Promise<void>
  /** Entries after a position, `0` for all, oldest first, and the position after them. At most `limit` at a time. */
  entriesAfter(log: string, position: string, limit: number): Promise<LogPage>
  /** Whether it did what was asked of it last; after a failure it is tried until it does again. */
  readonly up: boolean
  /** Whether it was down at any time within the last milliseconds: then others may still have to tell what they did meanwhile. */
  wasDownWithin(milliseconds: number): boolean
  /** Whether it is up; asks it where the last thing heard was bad. Never rejects. */
  check(): Promise<boolean>
  /** What came back cannot be right: the connection is thrown away for another. */
  distrust(): void
  /** Called each time that it is up again, and the first time. */
  onUp(listener: () => void): void
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
  /** One word, such as `timeout` or `READONLY`; never anything of a command. */
  readonly kind: string

  constructor(operation: StoreOperation, kind: string) {
    super(`the session store did not answer as it should (${kind})`)
    this.operation = operation
    this.kind = kind
  }
}

export interface RedisOptions {
  readonly address: RedisAddress
  /** PEM of the authorities that vouch for the server; the system's own where absent. */
  readonly ca?: string | undefined
  /** A key that may be written to find out whether all is well. */
  readonly probeKey: string
  /** Called after each command, for the metrics. */
  readonly onCommand: (operation: StoreOperation, result: 'ok' | 'failed', seconds: number) => void
  /** Called once for each time that it fails and is well again. */
  readonly onChange: (up: boolean, kind: string) => void
  /** The server throws sessions away when its memory is full: told once, with its policy. */
  readonly onEviction: (policy: string) => void
}

const COMMAND_TIMEOUT_MS = 200
const MAX_IN_FLIGHT = 1_000
const PROBE_LIFE_MS = 1_000

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

/** A value that `replace` may replace. */
export const versioned = ({ version, text }: Versioned): string => `${version} ${text}`

export function createRedis(options: RedisOptions): Redis {
  const { connection, health, command, distrust, onUp } = createChannel(options)
  const { commands } = connection

  return {
    get up() {
      return health.up
    },
    wasDownWithin: (milliseconds) => health.wasDownWithin(milliseconds),
    check: async () => health.check(),
    distrust: () => distrust(WRONG_ANSWER),
    onUp,
    get: async (key) => command('read', async () => textOrNull(await commands.get(key))),
    async set(key, value, lifeMs) {
      await command('write', async () => oneOf(await commands.set(key, value, 'PX', life(lifeMs)), ['OK']))
    },
    setIfAbsent: async (key, value, lifeMs) =>
      command('lock', async () => {
        const said = oneOf(await commands.set(key, value, 'PX', life(lifeMs), 'NX'), ['OK', null])
        return said === 'OK'
      }),
    replace: async (key, { version, text }, lifeMs) =>
      command('write', async () =>
        oneOf(await commands.eval(REPLACE, 1, key, version, text, life(lifeMs)), [
          'replaced',
          'gone',
          'older',
        ] as const),
      ),
    async delete(key) {
      await command('delete', async () => count(await commands.del(key)))
    },
    async deleteIf(key, value) {
      await command('lock', async () => count(await commands.eval(DELETE_IF, 1, key, value)))
    },
    async append(log, entry, keepMs) {
      const least = String(Date.now() - keepMs)
      await command('log', async () => textOrNull(await commands.xadd(log, 'MINID', '~', least, '*', 'e', entry)))
    },
    entriesAfter: async (log, position, limit) =>
      command('log', async () => {
        const found: unknown = await commands.xrange(log, position === '0' ? '-' : `(${position}`, '+', 'COUNT', limit)
        return pageOf(found, position)
      }),
    close() {
      health.stop()
      connection.close()
    },
  }
}

/** What every command goes through: bounded in number and time, counted, and judged. */
function createChannel({ address, ca, probeKey, onCommand, onChange, onEviction }: RedisOptions) {
  let inFlight = 0
  let heardAt = 0
  let lastFault = DISCONNECTED
  let askedForPolicy = false
  const listeners: (() => void)[] = []
  const health = createHealth({
    probe: async () => command('write', async () => void (await commands.set(probeKey, '1', 'PX', PROBE_LIFE_MS))),
    onUp() {
      for (const listener of listeners) listener()
      if (!askedForPolicy) void askForPolicy(connection, onEviction)
      askedForPolicy = true
    },
    onChange,
  })
  const connection = connectToRedis({
    address,
    ca,
    onReady() {
      lastFault = DISCONNECTED
      void health.check()
    },
    onFault(error) {
      lastFault = kindOf(error)
    },
    onClose: () => health.disconnected(),
  })
  const { commands } = connection

  async function command<T>(operation: StoreOperation, send: () => Promise<T>): Promise<T> {
    const startedAt = performance.now()
    let result: 'ok' | 'failed' = 'failed'
    inFlight += 1
    try {
      if (inFlight > MAX_IN_FLIGHT) throw new TooManyAtOnce()
      const answer = await inTime(send(), COMMAND_TIMEOUT_MS)
      heardAt = performance.now()
      result = 'ok'
      return answer
    } catch (error) {
      const kind = kindOf(error)
      // Nothing at all came back: the server stands still, or nothing gets through. What follows fails at once until that is over.
      const isSilent = kind === TIMEOUT && connection.single && heardAt < startedAt
      if (isSilent || kind === WRONG_ANSWER) distrust(kind)
      // A command that could not even be sent fails for what is wrong with the connection.
      const failure = new StoreError(operation, kind === DISCONNECTED ? lastFault : kind)
      // That there is too much to ask says nothing about who is asked.
      if (!(error instanceof TooManyAtOnce)) health.failed(failure.kind)
      throw failure
    } finally {
      inFlight -= 1
      onCommand(operation, result, (performance.now() - startedAt) / 1000)
    }
  }

  function distrust(kind: string): void {
    lastFault = kind
    connection.renew()
    health.failed(kind)
  }

  return { connection, health, command, distrust, onUp: (listener: () => void) => void listeners.push(listener) }
}

/** Every session has an end, so even a policy for keys that have one throws sessions away. */
async function askForPolicy({ commands }: Connection, onEviction: (policy: string) => void): Promise<void> {
  try {
    const info = await commands.info('memory')
    const policy = /^maxmemory_policy:(\S+)/m.exec(info)?.[1]
    if (policy !== undefined && policy !== 'noeviction' && !/^maxmemory:0\r?$/m.test(info)) onEviction(policy)
  } catch {
    // Our user may not be allowed to ask, and nothing depends on it.
  }
}

const life = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds))

function pageOf(found: unknown, position: string): LogPage {
  if (!Array.isArray(found)) throw new WrongAnswer()
  const items = found.map((item: unknown) => {
    const [at, fields]: readonly unknown[] = Array.isArray(item) ? item : []
    const entry: unknown = Array.isArray(fields) ? fields[1] : undefined
    if (!isText(at) || !isText(entry)) throw new WrongAnswer()
    return { at, entry }
  })
  return { entries: items.map(({ entry }) => entry), position: items.at(-1)?.at ?? position }
}
