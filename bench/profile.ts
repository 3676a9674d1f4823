import { mkdirSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { readArguments } from '../src/commands/arguments.ts'
import type { BenchCommand } from './command.ts'
import { startForMachines, startForPeople } from './contenders/gateway.ts'
import { summarize, type Share } from './cpu-profile.ts'
import { table } from './markdown.ts'
import { requireMachine } from './machine.ts'
import { measure } from './measure.ts'
import { wholeNumber } from './options.ts'
import { leaveProxyCore } from './programs.ts'
import { cpuTimesOf } from './process-tree.ts'
import { startSite } from './site.ts'

const MOST_FUNCTIONS = 30
const SMALLEST_SHARE = 0.002

export const profile: BenchCommand = {
  help: `Usage: npm run bench -- profile [options]

Runs the gateway with V8's profiler under the load of compare, and tells where its time goes: self time by package, by file of ours
and by function, in microseconds for each request. The profiler itself costs some.

  --seconds N       of load that is looked at, 1 to 60 (default 10); as much again before it
  --connections N   of wrk (default 64)
  --bearer          with a machine's access token, not with a session`,

  async run(args, run) {
    const { values } = readArguments(args, {
      seconds: { type: 'string' },
      connections: { type: 'string' },
      bearer: { type: 'boolean' },
    })
    const seconds = wholeNumber(values.seconds, { flag: '--seconds', default: 10, max: 60 })
    const connections = wholeNumber(values.connections, { flag: '--connections', default: 64, max: 1000 })
    requireMachine()
    leaveProxyCore()
    const site = await startSite(run)
    const folder = join(site.folder, 'profiles')
    mkdirSync(folder)
    const flags = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=200']
    const start = values.bearer === true ? startForMachines : startForPeople
    const running = await start(site, { name: 'gateway', node: flags })

    run.progress('warming up …')
    await measure(site, running, { seconds, connections, headers: await running.signIn() })
    run.progress('measuring …')
    const headers = await running.signIn()
    const before = cpuTimesOf(running.program.pid)
    const from = monotonicMicros()
    const cell = await measure(site, running, { seconds, connections, headers })
    const to = monotonicMicros()
    const after = cpuTimesOf(running.program.pid)
    await running.program.stop()

    const file = readdirSync(folder)[0]
    if (file === undefined) throw new Error('the gateway left no profile behind')
    const summary = summarize(join(folder, file), { from, to })
    const [user, system] = [after.user - before.user, after.system - before.system]
    const perRequest = cell.cpuMicrosPerRequest
    console.log(
      [
        `${perRequest.toFixed(1)} µs of CPU for each request with the profiler on, ${percent(system / (user + system))} of it in the kernel; ${summary.samples} samples.`,
        shareTable('where', summary.groups, perRequest),
        shareTable(
          'file of ours',
          summary.files.filter(({ name }) => name.startsWith('src/')),
          perRequest,
        ),
        shareTable('function', summary.functions.slice(0, MOST_FUNCTIONS), perRequest),
      ].join('\n\n'),
    )
    return 0
  },
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
