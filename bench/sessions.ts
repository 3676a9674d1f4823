import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRedis, type Redis } from '../src/adapters/redis.ts'
import { createRedisKeys } from '../src/adapters/redis-keys.ts'
import { createRedisStore } from '../src/adapters/redis-session-store.ts'
import { createRevocations } from '../src/adapters/revocations.ts'
import { createSeal } from '../src/adapters/seal.ts'
import { createSessionRecords } from '../src/adapters/session-records.ts'
import type { SessionStore } from '../src/adapters/session-store.ts'
import { readArguments } from '../src/commands/arguments.ts'
import { UsageError } from '../src/commands/command.ts'
import { createClock } from '../test/helpers/clock.ts'
import { redisCli } from '../test/helpers/redis.ts'
import { newSession } from '../test/helpers/sessions.ts'
import { freePort } from '../test/helpers/world.ts'
import { writeReport } from './bench-readme.ts'
import type { BenchCommand, BenchRun } from './command.ts'
import { describeMachine, programVersion, type Machine } from './machine.ts'
import { table } from './markdown.ts'
import { wholeNumber } from './options.ts'
import { LOAD_CORE, missingPrograms, pause, startProgram } from './programs.ts'

const CONNECTIONS = 64
/** Beyond this a lookup would show in a person's request. */
const P99_TARGET_MS = 10
const BYTES_TARGET = 4_096
const GROUPS = Array.from({ length: 10 }, (_, at) => `department-${at}-of-the-company`)

export const sessions: BenchCommand = {
  help: `Usage: npm run bench -- sessions [options]

Fills a Redis of this machine with sessions and looks them up: what they take there, and how long a lookup waits.

  --sessions N   how many (default 50,000)
  --json FILE    writes the figures to a file
  --write        puts the table into bench/README.md`,

  async run(args, run) {
    const { values } = readArguments(args, {
      sessions: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean' },
    })
    const count = wholeNumber(values.sessions, { flag: '--sessions', default: 50_000, max: 1_000_000 })
    const missing = missingPrograms('redis-server', 'redis-cli', 'taskset')
    if (missing !== undefined)
      throw new UsageError(`Nothing can be measured: ${missing}. On Debian: apt-get install redis-server util-linux`)
    const figures = await measureSessions(run, count)
    const report = sessionsReport(figures, { date: new Date().toISOString(), machine: describeMachine() })
    console.log(report)
    if (values.write === true) writeReport('sessions', report)
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(figures, null, 2))
    return 0
  },
}

interface Figures {
  readonly count: number
  readonly bytesPerSession: number
  readonly asked: Quantiles
  readonly remembered: Quantiles
  readonly crowded: Quantiles & { readonly perSecond: number }
}

/** In milliseconds. */
interface Quantiles {
  readonly p50: number
  readonly p99: number
}

async function measureSessions(run: BenchRun, count: number): Promise<Figures> {
  const port = await freePort()
  const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'))
  run.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const place = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '']
  await startProgram(run, ['redis-server', ...place], { core: LOAD_CORE }).listens(port)
  const openStore = storeOpener(run, port)
  const store = await openStore()

  run.progress(`writing ${count.toLocaleString('en')} sessions`)
  const clock = createClock()
  const before = usedMemory(port)
  const handles: string[] = []
  for (let at = 0; at < count; at += 1) {
    const { person, ...one } = newSession(clock, { refreshToken: refreshToken() }, GROUPS)
    const name = `person-${at}`
    const own = { ...person, subject: name, username: name, email: `${name}@example.com` }
    handles.push((await store.create({ ...one, person: own })) ?? '')
  }
  const bytesPerSession = (usedMemory(port) - before) / count

  run.progress('looking them up one by one')
  const forgetful = await openStore()
  const asked = quantilesOf(await timesOf(handles, async (handle) => forgetful.read(handle)))
  run.progress('looking remembered ones up')
  const few = handles.slice(-5_000)
  const reader = await openStore()
  await timesOf(few, async (handle) => reader.read(handle))
  const remembered = quantilesOf(few.map((handle) => timeOf(() => void reader.read(handle))))
  run.progress(`looking them up ${CONNECTIONS} at a time`)
  const crowd = await openStore()
  const shares = Array.from({ length: CONNECTIONS }, (_, nth) => handles.filter((_, at) => at % CONNECTIONS === nth))
  const startedAt = performance.now()
  const times = await Promise.all(shares.map(async (share) => timesOf(share, async (handle) => crowd.read(handle))))
  const perSecond = (count * 1_000) / (performance.now() - startedAt)
  return { count, bytesPerSession, asked, remembered, crowded: { ...quantilesOf(times.flat()), perSecond } }
}

/** As long and as incompressible as Cognito's, and another for everybody. */
const refreshToken = (): string => `eyJjdHkiOiJKV1QifQ.${randomBytes(1_290).toString('base64url')}`

/** Stores as replicas have them: each with a connection and a memory of its own. */
function storeOpener(run: BenchRun, port: number): () => Promise<SessionStore> {
  const key = randomBytes(32)
  const keys = createRedisKeys('bench')
  return async () => {
    const redis = openRedis(port, keys.probe)
    run.teardown(() => redis.close())
    while (!(await redis.check())) await pause(10)
    const seal = createSeal([key], 'session', 'bench')
    const limits = { idleTimeoutSeconds: 28_800, maxAgeSeconds: 43_200 }
    return createRedisStore({
      redis,
      records: createSessionRecords({ redis, keys, seal, limits, now: Date.now }),
      seal,
      revocations: createRevocations({
        now: Date.now,
        ticks: () => performance.now(),
        userPoolOf: (pool) => pool,
        keepMs: { sessions: 43_200_000, others: 43_200_000 },
        openLog: null,
      }),
      outageGraceSeconds: 300,
      ticks: () => performance.now(),
    })
  }
}

function openRedis(port: number, probeKey: string): Redis {
  const address = {
    kind: 'single',
    tls: false,
    hosts: [{ host: '127.0.0.1', port }],
    user: undefined,
    password: undefined,
    sentinelsAsk: false,
    master: '',
    database: 0,
  } as const
  const ignore = (): void => undefined
  return createRedis({ address, probeKey, onCommand: ignore, onChange: ignore, onEviction: ignore })
}

const usedMemory = (port: number): number =>
  Number(/^used_memory:(\d+)/m.exec(redisCli(port, 'info', 'memory'))?.[1] ?? 0)

async function timesOf(
  handles: readonly string[],
  read: (handle: string) => Promise<unknown>,
): Promise<readonly number[]> {
  const times: number[] = []
  for (const handle of handles) {
    const startedAt = performance.now()
    if ((await read(handle)) === null) throw new Error('a session that was just written is not there')
    times.push(performance.now() - startedAt)
  }
  return times
}

function timeOf(read: () => void): number {
  const startedAt = performance.now()
  read()
  return performance.now() - startedAt
}

function quantilesOf(times: readonly number[]): Quantiles {
  const sorted = [...times].sort((one, other) => one - other)
  const at = (share: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
  return { p50: at(0.5), p99: at(0.99) }
}

interface Circumstances {
  readonly date: string
  readonly machine: Machine
}

function sessionsReport(figures: Figures, { date, machine: { cpu, cores, system, node } }: Circumstances): string {
  const { count, bytesPerSession, asked, remembered, crowded } = figures
  const version = programVersion(['redis-server', '--version'], /v=(\S+)/)
  const head = `${date.slice(0, 10)}, ${cpu} with ${cores} cores, ${system}, Node ${node}, Redis ${version} on the same machine; ${count.toLocaleString('en')} sessions with a refresh token of real size and ten groups.`
  const quantiles = ({ p50, p99 }: Quantiles): string => `p50 ${inMs(p50)}, p99 ${inMs(p99)}`
  const judged = (p99: number): readonly string[] => [
    `p99 ≤ ${P99_TARGET_MS} ms`,
    p99 <= P99_TARGET_MS ? 'reached' : '**missed**',
  ]
  return `${head}\n\n${table(
    ['what', 'measured', 'target', 'verdict'],
    [
      [
        'memory in Redis for each session',
        `${Math.round(bytesPerSession).toLocaleString('en')} bytes`,
        `≤ ${BYTES_TARGET.toLocaleString('en')} bytes`,
        bytesPerSession <= BYTES_TARGET ? 'reached' : '**missed**',
      ],
      ['a lookup of a session that is not remembered', quantiles(asked), ...judged(asked.p99)],
      ['one of a session that is', quantiles(remembered), '–', '–'],
      [
        `${CONNECTIONS} lookups at a time, ${Math.round(crowded.perSecond).toLocaleString('en')} a second`,
        quantiles(crowded),
        '–',
        '–',
      ],
    ],
  )}`
}

const inMs = (milliseconds: number): string =>
  milliseconds < 0.1 ? `${(milliseconds * 1_000).toFixed(1)} µs` : `${milliseconds.toFixed(2)} ms`
