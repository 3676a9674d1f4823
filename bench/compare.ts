import { writeFileSync } from 'node:fs'
import { readArguments } from '../src/commands/arguments.ts'
import { benchFile, writeReport } from './bench-readme.ts'
import type { BenchCommand, BenchRun } from './command.ts'
import { comparePicture, compareReport } from './compare-report.ts'
import { judgeTargets, type Cell, type Comparison, type Row } from './comparison.ts'
import { contenders } from './contenders/contenders.ts'
import type { Contender, Running } from './contenders/contender.ts'
import { describeMachine, requireMachine } from './machine.ts'
import { checkContender, measure, withCookies } from './measure.ts'
import { chosen, numbers, wholeNumber } from './options.ts'
import { leaveProxyCore } from './programs.ts'
import { startSite, type Site } from './site.ts'

interface Plan {
  readonly contenders: readonly Contender[]
  readonly connections: readonly number[]
  readonly seconds: number
  readonly warmUpSeconds: number
  readonly repetitions: number
}

interface Entrant {
  readonly contender: Contender
  readonly running?: Running
  readonly reason?: string
  readonly cells: Record<string, Cell[]>
}

export const compare: BenchCommand = {
  help: `Usage: npm run bench -- compare [options]

Measures the gateway and its peers side by side: CPU per request of the proxy's processes, which run on one core, while wrk and
the application behind are on another. Repetitions are interleaved, and ratios are taken repetition by repetition.

  --seconds N          of load for each cell, 1 to 20 (default 5)
  --warm-up N          seconds of load for each contender before anything is measured (default 4)
  --repetitions N      how often everything is measured (default 5)
  --connections N,…    of wrk (default 16,64)
  --only NAME,…        some of ${contenders.map(({ name }) => name).join(', ')}
  --json FILE          writes every figure of every repetition to a file
  --write              puts tables and picture into bench/README.md and bench/compare.svg`,

  async run(args, run) {
    const { values } = readArguments(args, {
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      repetitions: { type: 'string' },
      connections: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean' },
    })
    const plan: Plan = {
      seconds: wholeNumber(values.seconds, { flag: '--seconds', default: 5, max: 20 }),
      warmUpSeconds: wholeNumber(values['warm-up'], { flag: '--warm-up', default: 4, max: 60 }),
      repetitions: wholeNumber(values.repetitions, { flag: '--repetitions', default: 5, max: 100 }),
      connections: numbers(values.connections, { flag: '--connections', default: [16, 64], max: 1000 }),
      contenders: chosen(values.only, contenders),
    }
    requireMachine()
    const { comparison, failed } = await runComparison(plan, run)
    console.log(compareReport(comparison))
    if (values.write === true) {
      writeReport('compare', compareReport(comparison))
      writeFileSync(benchFile('compare.svg'), comparePicture(comparison))
    }
    if (values.json !== undefined) writeFileSync(values.json, JSON.stringify(comparison, null, 2))
    return failed ? 1 : 0
  },
}

async function runComparison(plan: Plan, run: BenchRun): Promise<{ comparison: Comparison; failed: boolean }> {
  leaveProxyCore()
  const site = await startSite(run)
  const entrants: Entrant[] = []
  for (const contender of plan.contenders) entrants.push(await enter(contender, site, run))
  const cookies = await sessionCookies(entrants)
  for (const [at, entrant] of entrants.entries()) entrants[at] = await proven(entrant, { site, plan, cookies, run })
  await measureAll(entrants, { site, plan, cookies, run })
  const rows = entrants.map(rowOf)
  const comparison: Comparison = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    seconds: plan.seconds,
    repetitions: plan.repetitions,
    connections: plan.connections,
    rows,
    targets: judgeTargets(rows, plan.connections),
  }
  // What this machine lacks is told and no failure; what is there and does not work is one.
  return {
    comparison,
    failed: entrants.some(({ contender, reason }) => reason !== undefined && !contender.unavailable()),
  }
}

interface Context {
  readonly site: Site
  readonly plan: Plan
  /** The session that requests carry to contenders at which nobody signs in. */
  readonly cookies: string
  readonly run: BenchRun
}

async function enter(contender: Contender, site: Site, run: BenchRun): Promise<Entrant> {
  const unavailable = contender.unavailable()
  if (unavailable !== undefined) {
    run.progress(`${contender.name} is left out: ${unavailable}`)
    return { contender, reason: unavailable, cells: {} }
  }
  run.progress(`${contender.name} is started`)
  return attempt(contender, run, async () => ({ contender, running: await contender.start(site), cells: {} }))
}

/** After it was shown to do what it is measured for, and was warm. */
async function proven(entrant: Entrant, { site, plan, cookies, run }: Context): Promise<Entrant> {
  const { contender, running } = entrant
  if (running === undefined) return entrant
  const more = contender.signsIn ? '' : cookies
  return attempt(contender, run, async () => {
    await checkContender(site, contender, running, more)
    const headers = withCookies(await running.signIn(), more)
    await measure(site, running, { seconds: plan.warmUpSeconds, connections: Math.max(...plan.connections), headers })
    return entrant
  })
}

async function attempt(contender: Contender, run: BenchRun, work: () => Promise<Entrant>): Promise<Entrant> {
  try {
    return await work()
  } catch (error) {
    const reason = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : String(error)
    run.progress(`${contender.name} does not run: ${reason}`)
    return { contender, reason, cells: {} }
  }
}

const FILLER = `session=${'x'.repeat(1_000)}`

async function sessionCookies(entrants: readonly Entrant[]): Promise<string> {
  const gateway = entrants.find(({ contender }) => contender.name === 'gateway')?.running
  return (await gateway?.signIn())?.['Cookie'] ?? FILLER
}

async function measureAll(entrants: readonly Entrant[], { site, plan, cookies, run }: Context): Promise<void> {
  // Once for nothing: what is compiled while it runs, or forks when it is asked, is measured as it is after its first seconds.
  for (let repetition = 0; repetition <= plan.repetitions; repetition += 1) {
    for (const connections of plan.connections) {
      for (const { contender, running, reason, cells } of entrants) {
        if (running === undefined || reason !== undefined) continue
        const headers = withCookies(await running.signIn(), contender.signsIn ? '' : cookies)
        const cell = await measure(site, running, { seconds: plan.seconds, connections, headers })
        if (repetition === 0) continue
        ;(cells[connections] ??= []).push(cell)
        run.progress(
          `${repetition}/${plan.repetitions}  ${String(connections).padStart(3)} connections  ${contender.name.padEnd(22)} ` +
            `${cell.cpuMicrosPerRequest.toFixed(1).padStart(6)} µs  ${cell.requestsPerSecond.toFixed(0).padStart(6)} requests/s`,
        )
      }
    }
  }
}

function rowOf({ contender, running, reason, cells }: Entrant): Row {
  return {
    name: contender.name,
    does: contender.does,
    ...(running === undefined ? {} : { version: contender.version() }),
    ...(reason === undefined ? {} : { reason }),
    cells,
  }
}
