import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import type { Comparison } from '../bench/comparison.ts'
import { missingPrograms } from '../bench/programs.ts'
import { runCommand } from './helpers/process.ts'
import { until } from './helpers/until.ts'

const script = 'build/bench/main.js'
const skip =
  missingPrograms('wrk', 'nginx', 'taskset') ?? (cpus().length < 2 ? 'proxy and load need a core each' : false)

function folderFor(t: { teardown(fn: () => unknown): unknown }): string {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Command lines of running processes that name this folder. */
const processesOf = (folder: string): readonly string[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => commandLine(pid))
    .filter((line) => line.includes(folder))

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1')
  } catch {
    return ''
  }
}

t.test('npm run bench tells what can be measured, and each command what it takes', async (t) => {
  const overview = runCommand(t, [], { script })
  t.equal(await overview.ended, 0)
  const names = [...overview.out().matchAll(/^ {2}(\S+) +\S/gm)].map(([, name]) => name ?? '')
  t.ok(names.includes('compare') && names.includes('scale') && names.includes('profile'), names.join(', '))
  for (const name of names) {
    const help = runCommand(t, [name, '--help'], { script })
    t.equal(await help.ended, 0)
    t.match(help.out(), `Usage: npm run bench -- ${name}`)
  }
})

t.test('what a benchmark does not take is told with what it takes, and measures nothing', async (t) => {
  for (const args of [
    ['compere'],
    ['compare', '--seconds', '0'],
    ['compare', '--only', 'gateway,nobody'],
    ['compare', '--fast'],
  ]) {
    const run = runCommand(t, args, { script })
    t.equal(await run.ended, 2, args.join(' '))
    t.match(run.err(), /Usage: npm run bench/)
    t.equal(run.out(), '')
  }
})

t.test('the comparison measures the gateway and another in one run', { skip }, async (t) => {
  const folder = folderFor(t)
  const file = join(folder, 'comparison.json')
  const least = ['--seconds', '1', '--warm-up', '1', '--repetitions', '1', '--connections', '16']
  const run = runCommand(t, ['compare', '--only', 'gateway,floor', ...least, '--json', file], {
    script,
    env: { TMPDIR: folder },
  })
  t.equal(await run.ended, 0, run.err())
  t.match(run.out(), /^\| gateway +\| +\d+\.\d/m)
  const { rows, targets, connections } = JSON.parse(readFileSync(file, 'utf8')) as Comparison
  t.same(connections, [16])
  t.same(
    rows.map(({ name }) => name),
    ['gateway', 'floor'],
  )
  for (const { name, cells, reason } of rows) {
    t.equal(reason, undefined, name)
    const [cell, ...more] = cells[16] ?? []
    t.equal(more.length, 0)
    for (const figure of Object.values(cell ?? { none: 0 })) t.ok(figure > 0, `${name}: ${JSON.stringify(cell)}`)
  }
  const measured = targets.filter(({ verdict }) => verdict !== 'not measured')
  t.same(
    measured.map(({ ours, against }) => [ours, against]),
    [['gateway', 'floor']],
  )
  const [ours, floors] = rows.map(({ cells }) => cells[16]?.[0]?.cpuMicrosPerRequest ?? 0)
  t.equal(measured[0]?.ratios[16]?.median, (ours ?? 0) / (floors ?? 1))
  t.same(readdirSync(folder), ['comparison.json'], 'its own files are gone')
  t.same(processesOf(folder), [], 'its programs have ended')
})

t.test('Ctrl-C stops a benchmark with all that it has started', { skip }, async (t) => {
  const folder = folderFor(t)
  const args = ['compare', '--only', 'gateway,nginx-auth-request', '--warm-up', '20']
  const run = runCommand(t, args, { script, env: { TMPDIR: folder } })
  await until(() => {
    if (run.child.exitCode !== null) throw new Error(`it ended: ${run.err()}`)
    return processesOf(folder).some((line) => line.startsWith('wrk'))
  })
  t.ok(processesOf(folder).some((line) => line.includes('serve')))
  run.child.kill('SIGINT')
  t.equal(await run.ended, 130)
  t.same(processesOf(folder), [])
  t.same(readdirSync(folder), [])
})

t.test('sessions in Redis are measured', { skip: missingPrograms('redis-server', 'taskset') ?? false }, async (t) => {
  const file = join(folderFor(t), 'sessions.json')
  const run = runCommand(t, ['sessions', '--sessions', '300', '--json', file], { script })
  t.equal(await run.ended, 0, run.err())
  const { count, bytesPerSession, asked, crowded } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, any>
  t.equal(count, 300)
  t.ok(bytesPerSession > 1_000 && bytesPerSession < 20_000, String(bytesPerSession))
  t.ok(asked.p50 > 0 && asked.p99 >= asked.p50 && crowded.perSecond > 0)
})
