import { writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { Pool } from 'undici'
import { readArguments } from '../src/commands/arguments.ts'
import { UsageError } from '../src/commands/command.ts'
import { valueOf } from '../test/helpers/gateway-process.ts'
import { benchFile, writeReport } from './bench-readme.ts'
import type { BenchCommand, BenchRun } from './command.ts'
import { describeMachine } from './machine.ts'
import { wholeNumber } from './options.ts'
import { cpuMicrosOf } from './process-tree.ts'
import { leaveProxyCore, missingPrograms, pause } from './programs.ts'
import { machineToken } from './site.ts'
import { Pacer } from './soak/pacer.ts'
import { People } from './soak/people.ts'
import { isFlat, soakChart, soakReport, type Soak } from './soak/report.ts'
import { descriptorsOf, Sampler } from './soak/sampler.ts'
import { startSoakSite, type SoakSite } from './soak/site.ts'
import { Tally } from './soak/tally.ts'
import { judge, type Evidence } from './soak/verdict.ts'
import { kinds, type Grounds } from './soak/visits.ts'

const MOST_PER_SECOND = 2_000
const SAMPLE_MS = 2_000
const PROGRESS_SECONDS = 10
const TOKEN_MS = 20_000
const DOORS = 4
const CALIBRATION_MS = 4_000
const CALIBRATION_CONNECTIONS = 32
/** How long what is under way may take to end, and connections to close. */
const REST_MS = 30_000
const REST_LOOK_MS = 1_000
const REST_LOOKS = 3

export const soak: BenchCommand = {
  help: `Usage: npm run bench -- soak [options]

Puts a steady load of every kind on the gateway and says whether it ends as it began: people who sign in and out, tokens renewed every
few seconds, bodies, downloads, slow readers, event streams, WebSockets, clients that go away, an application that fails.
At half of what one core gives, and at most ${MOST_PER_SECOND} visits a second. Needs a machine that does little else. Ends with 1 where memory, descriptors or latency grew, or a
visit ended otherwise than expected.

  --minutes N       how long (default 10)
  --rate N          visits a second, where half of a core is not wanted
  --people N        how many people have sessions (default 200)
  --json FILE       writes the figures to a file
  --write           puts table and picture into bench/README.md`,

  async run(args, run) {
    const { values } = readArguments(args, {
      minutes: { type: 'string' },
      people: { type: 'string' },
      rate: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean' },
    })
    const minutes = readMinutes(values.minutes)
    const people = wholeNumber(values.people, { flag: '--people', default: 200, max: 5_000 })
    const most = wholeNumber(values.rate, { flag: '--rate', default: MOST_PER_SECOND, max: MOST_PER_SECOND })
    requireTwoCores()
    leaveProxyCore()
    const found = await soakFor({ minutes, people, most }, run)
    const report = soakReport(found)
    console.log(report)
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(forPrograms(found), null, 2))
    if (values.write === true) {
      writeFileSync(benchFile('soak.svg'), soakChart(found))
      writeReport('soak', report)
    }
    return isFlat(found) ? 0 : 1
  },
}

function readMinutes(text: string | undefined): number {
  const minutes = Number(text ?? 10)
  if (minutes >= 0.1 && minutes <= 2_880) return minutes
  throw new UsageError(`--minutes takes a number from 0.1 to 2880, not '${text}'.`)
}

function requireTwoCores(): void {
  const missing = missingPrograms('taskset', 'getconf')
  if (missing !== undefined)
    throw new UsageError(`Nothing can be measured: ${missing}. On Debian: apt-get install util-linux libc-bin`)
  if (cpus().length < 2)
    throw new UsageError(
      'Nothing can be measured on one core: gateway and load would share it. Use a machine with two.',
    )
}

interface Size {
  readonly minutes: number
  readonly people: number
  /** Visits a second at most. */
  readonly most: number
}

async function soakFor({ minutes, people: count, most }: Size, run: BenchRun): Promise<Soak> {
  const names = Array.from({ length: count }, (_, nth) => `person-${nth}`)
  const site = await startSoakSite(run, names)
  const { gateway } = site
  const { pid } = gateway.program
  await settle(site)
  const descriptorsBefore = descriptorsOf(pid).descriptors

  const tally = new Tally()
  const people = new People({ url: gateway.url, names, tally, doors: DOORS })
  const { grounds, close } = await openGrounds(run, site, { people, tally })
  run.progress(`${count} people sign in …`)
  const coming = people.comeAndGo()
  while (people.present < count && tally.unexpectedCount === 0) await pause(100)
  const capacity = await measureCapacity(grounds, pid)
  const perSecond = Math.round(Math.min(most, capacity / 2))
  run.progress(
    `A core gives ${Math.round(capacity)} quick answers a second; ${perSecond} visits a second for ${minutes} minutes.`,
  )

  tally.takeP99()
  const sampler = new Sampler(gateway, tally)
  const pacer = new Pacer(grounds)
  run.teardown(() => pacer.stop())
  pacer.start(kinds, perSecond)
  await sampleFor(minutes * 60, { sampler, tally, pacer, run })
  pacer.stop()
  people.end()
  await coming
  for (const until = Date.now() + REST_MS; pacer.underWay > 0 && Date.now() < until;) await pause(100)
  await close()
  const refreshes = await refreshesOf(site)
  // It would keep idle connections for longer than anybody wants to wait.
  await site.pool.close()
  await settle(site)

  const evidence: Evidence = {
    samples: sampler.samples,
    descriptorsBefore,
    descriptorsAfter: descriptorsOf(pid).descriptors,
    inFlightAfter: await inFlightOf(site),
    unexpected: tally.unexpectedCount,
    skipped: tally.skipped,
    total: tally.total,
  }
  return {
    date: new Date().toISOString(),
    machine: describeMachine(),
    minutes,
    perSecond,
    capacity,
    people: count,
    refreshes,
    samples: sampler.samples,
    kinds: tally.kinds,
    unexpected: tally.unexpected,
    judgements: [...judge(evidence), gatewayLives(site)],
  }
}

interface Under {
  readonly people: People
  readonly tally: Tally
}

/** Connections of the load, and a bearer token that is always valid. */
async function openGrounds(
  run: BenchRun,
  { gateway, pool }: SoakSite,
  under: Under,
): Promise<{ readonly grounds: Grounds; readonly close: () => Promise<void> }> {
  let token = await machineToken(pool)
  const renewal = setInterval(() => void machineToken(pool).then((fresh) => (token = fresh)), TOKEN_MS)
  const connections = new Pool(gateway.url, { connections: 128 })
  let closed = false
  const close = async (): Promise<void> => {
    clearInterval(renewal)
    if (!closed) await connections.destroy()
    closed = true
  }
  run.teardown(close)
  return { grounds: { url: gateway.url, pool: connections, token: () => token, ...under }, close }
}

/** Quick answers a second that one core would give, by the CPU time that each takes; or fewer, where the load itself cannot ask for them. */
async function measureCapacity(grounds: Grounds, pid: number): Promise<number> {
  const pages = kinds.filter(({ name }) => name === 'pages by session')
  const [before, countBefore] = [cpuMicrosOf(pid), grounds.tally.total]
  const startedAt = performance.now()
  const until = startedAt + CALIBRATION_MS
  await Promise.all(
    Array.from({ length: CALIBRATION_CONNECTIONS }, async () => {
      while (performance.now() < until)
        for (const { name, visit, expected } of pages) grounds.tally.count(name, await visit(grounds), expected)
    }),
  )
  const answers = grounds.tally.total - countBefore
  const microsEach = (cpuMicrosOf(pid) - before) / answers
  return Math.min(1_000_000 / microsEach, answers / ((performance.now() - startedAt) / 1000))
}

interface Sampling {
  readonly sampler: Sampler
  readonly tally: Tally
  readonly pacer: Pacer
  readonly run: BenchRun
}

async function sampleFor(seconds: number, { sampler, tally, pacer, run }: Sampling): Promise<void> {
  let toldAt = 0
  for (let at = 0; at < seconds;) {
    await pause(SAMPLE_MS)
    const sample = await sampler.take()
    at = sample.seconds
    if (at - toldAt < PROGRESS_SECONDS) continue
    toldAt = at
    const { rssMiB, heapMiB, descriptors, p99Ms, cpuPercent, inFlight } = sample
    run.progress(
      `${at.toFixed(0)} s  RSS ${rssMiB.toFixed(0)} MiB  heap ${heapMiB.toFixed(0)} MiB  ${descriptors} descriptors  p99 ${p99Ms.toFixed(1)} ms  CPU ${cpuPercent.toFixed(0)} %  ${inFlight} in flight  ${pacer.underWay} under way  ${tally.total} visits, ${tally.unexpectedCount} not as expected`,
    )
  }
}

/** Waits until nothing is under way and every connection that nobody uses is closed, for as long as that may take. */
async function settle(site: SoakSite): Promise<void> {
  const { pid } = site.gateway.program
  let [last, equal] = [Number.NaN, 0]
  for (const until = Date.now() + REST_MS; Date.now() < until;) {
    site.application.closeIdle()
    await pause(REST_LOOK_MS)
    const { descriptors } = descriptorsOf(pid)
    equal = descriptors === last && (await inFlightOf(site)) === 0 ? equal + 1 : 0
    if (equal === REST_LOOKS) return
    last = descriptors
  }
}

async function metricsOf({ gateway }: SoakSite): Promise<string> {
  return (await fetch(`${gateway.adminUrl}/metrics`)).text()
}

async function inFlightOf(site: SoakSite): Promise<number> {
  return valueOf(await metricsOf(site), 'cognito_gateway_requests_in_flight')
}

async function refreshesOf(site: SoakSite): Promise<number> {
  return valueOf(await metricsOf(site), 'cognito_gateway_token_refreshes_total{result="renewed",reason=""}')
}

function gatewayLives({ gateway }: SoakSite): Soak['judgements'][number] {
  const end = gateway.program.end()
  return { what: 'the gateway', measured: end ?? 'runs', bound: 'runs', holds: end === undefined }
}

const forPrograms = (found: Soak): object => ({
  ...found,
  kinds: found.kinds.map(({ kind, outcomes }) => ({ kind, outcomes: Object.fromEntries(outcomes) })),
})
