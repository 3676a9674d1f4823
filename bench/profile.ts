import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readArguments } from '../src/commands/arguments.ts'
import { UsageError } from '../src/commands/command.ts'
import type { BenchCommand, BenchRun } from './command.ts'
import { startForMachines, startForPeople } from './contenders/gateway.ts'
import { summarize, type ProfileSummary, type Share } from './cpu-profile.ts'
import { table } from './markdown.ts'
import { requireMachine } from './machine.ts'
import { measure } from './measure.ts'
import { wholeNumber } from './options.ts'
import { leaveProxyCore } from './programs.ts'
import { cpuTimesOf } from './process-tree.ts'
import { mintSessions } from './scale/minted-sessions.ts'
import { startSite } from './site.ts'

const MOST_FUNCTIONS = 30
const SMALLEST_SHARE = 0.002

export const profile: BenchCommand = {
  help: `Usage: npm run bench -- profile [options]

Runs the gateway with V8's profiler under the load of compare, and tells where its time goes: self time by package, by file of ours
and by function, in microseconds for each request. The profiler itself costs some.

  --seconds N       of load that is looked at, 1 to 60 (default 10); as much again before it
  --connections N   of wrk (default 64)
  --bearer          with a machine's access token, not with a session
  --sessions N      with so many sessions in turn, up to 200000; beyond 10000 none of them is remembered`,

  async run(args, run) {
    const { values } = readArguments(args, {
      seconds: { type: 'string' },
      connections: { type: 'string' },
      bearer: { type: 'boolean' },
      sessions: { type: 'string' },
    })
    const plan: Plan = {
      seconds: wholeNumber(values.seconds, { flag: '--seconds', default: 10, max: 60 }),
      connections: wholeNumber(values.connections, { flag: '--connections', default: 64, max: 1000 }),
      sessions: wholeNumber(values.sessions, { flag: '--sessions', default: 1, max: 200_000 }),
      bearer: values.bearer === true,
    }
    if (plan.bearer && plan.sessions > 1) throw new UsageError('--bearer has no sessions: leave one of the two out.')
    requireMachine()
    leaveProxyCore()
    console.log(report(await takeProfile(plan, run)))
    return 0
  },
}

interface Plan {
  readonly seconds: number
  readonly connections: number
  readonly sessions: number
  readonly bearer: boolean
}

interface Taken {
  readonly summary: ProfileSummary
  readonly microsPerRequest: number
  /** The kernel's part of that. */
  readonly kernelShare: number
}

async function takeProfile({ seconds, connections, sessions, bearer }: Plan, run: BenchRun): Promise<Taken> {
  const site = await startSite(run)
  const folder = join(site.folder, 'profiles')
  mkdirSync(folder)
  const node = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200']
  const gateway = await (bearer ? startForMachines : startForPeople)(site, { name: 'gateway', node })
  const signedIn = await gateway.signIn()
  const { settingsFile } = gateway
  const several = { settingsFile, cookie: signedIn['Cookie'] ?? '', count: sessions }
  const who = sessions === 1 ? { headers: signedIn } : { headers: {}, cookiesFile: await mintSessions(site, several) }

  run.progress('warming up …')
  await measure(site, gateway, { seconds, connections, ...who })
  run.progress('measuring …')
  const [before, from] = [cpuTimesOf(gateway.program.pid), monotonicMicros()]
  const cell = await measure(site, gateway, { seconds, connections, ...who })
  const [after, to] = [cpuTimesOf(gateway.program.pid), monotonicMicros()]
  await gateway.program.stop()

  const file = readdirSync(folder)[0]
  if (file === undefined) throw new Error('the gateway left no profile behind')
  const [user, system] = [after.user - before.user, after.system - before.system]
  return {
    summary: summarize(join(folder, file), { from, to }),
    microsPerRequest: cell.cpuMicrosPerRequest,
    kernelShare: system / (user + system),
  }
}

function report({ summary, microsPerRequest, kernelShare }: Taken): string {
  const ours = summary.files.filter(({ name }) => name.startsWith('src/'))
  return [
    `${microsPerRequest.toFixed(1)} µs of CPU for each request with the profiler on, ${percent(kernelShare)} of it in the kernel; ${summary.samples} samples.`,
    shareTable('where', summary.groups, microsPerRequest),
    shareTable('file of ours', ours, microsPerRequest),
    shareTable('function', summary.functions.slice(0, MOST_FUNCTIONS), microsPerRequest),
  ].join('\n\n')
}

function shareTable(head: string, shares: readonly Share[], perRequest: number): string {
  const rows = shares
    .filter(({ share }) => share >= SMALLEST_SHARE)
    .map(({ name, share }) => [name, percent(share), (share * perRequest).toFixed(1)])
  return table([head, 'self time', 'µs/request'], rows)
}

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

// The clock that V8 takes its samples by.
const monotonicMicros = (): number => Number(process.hrtime.bigint() / 1_000n)
