// Runs compiled test files, each in a process of its own. tap's own runner does it too, but loads for every one of them, and for every program
// that they start, what it needs for coverage and mocks; that took a fifth of the whole time.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'

/** For a whole file, in seconds: tap ends it in good order, and what does not end then is killed. */
const LIMIT = 180
const GRACE = 20

/** More than there are processors: most files wait some of the time. */
const JOBS = availableParallelism() + 1

const running = new Set()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))

/**
 * Runs the `files` of each of `suites` (`{ node, version, files }`) on its Node, all of them in one row, and tells what failed as it comes.
 * Resolves to `{ passed, failed, skipped }` for each of them, in their order.
 */
export async function runSuites(suites) {
  const totals = suites.map(() => ({ passed: 0, failed: 0, skipped: 0 }))
  const queue = suites.flatMap((suite, at) => suite.files.map((file) => ({ suite, file, total: totals[at] }))).values()
  const work = async (job) => {
    for (const { suite, file, total } of queue) {
      const { passed, failed, skipped } = await runFile(suite, file, job)
      total.passed += passed
      total.failed += failed
      total.skipped += skipped
    }
  }
  await Promise.all(Array.from({ length: JOBS }, async (_, job) => work(job)))
  return totals
}

async function runFile({ node, version }, file, job) {
  const environment = {
    ...process.env,
    TAP_TIMEOUT: String(LIMIT),
    // Ports that are looked for before they are used must not be found by two files at once.
    TEST_PORTS: `${job}/${JOBS}`,
    PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`,
    // From Node 22 on what one process has compiled of the code and the packages is there for the next.
    NODE_COMPILE_CACHE: resolve('build', 'compile-cache'),
  }
  const start = performance.now()
  const { ending, results, complaints } = await ended(
    spawn(node, ['--enable-source-maps', file], { env: environment, stdio: ['ignore', 'pipe', 'pipe'] }),
  )
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  keep(join('.tap', 'results', version, `${file}.tap`), results)
  const counts = countsIn(results)
  const isGood = ending === 0 && counts !== undefined
  console.log(`${isGood ? 'ok    ' : 'FAILED'} ${seconds.padStart(6)} s  ${version.padEnd(10)}${file}`)
  if (!isGood) tellFailures(results, { ending, complaints })
  const skips = [...results.matchAll(/^\s*(?:not )?ok \d+ - (.*?) # SKIP ?(.*)$/gm)]
  for (const [, title, why] of skips) console.log(`SKIPPED: ${title}${why ? ` (${why})` : ''}`)
  return {
    passed: counts?.pass ?? 0,
    failed: isGood ? 0 : Math.max(counts?.fail ?? 0, 1),
    skipped: skips.length,
  }
}

/** Resolves when a process has ended: to its status or signal, and what it wrote. */
async function ended(child) {
  running.add(child)
  const limit = setTimeout(() => child.kill('SIGKILL'), (LIMIT + GRACE) * 1000)
  const written = { results: '', complaints: '' }
  child.stdout.setEncoding('utf8').on('data', (text) => (written.results += text))
  child.stderr.setEncoding('utf8').on('data', (text) => (written.complaints += text))
  child.on('exit', () => {
    clearTimeout(limit)
    running.delete(child)
    // A program that it left behind may hold its output open for ever.
    setTimeout(() => [child.stdout, child.stderr].map((stream) => stream.destroy()), 2_000).unref()
  })
  const [status, signal] = await once(child, 'close')
  return { ending: status ?? signal, ...written }
}

function keep(file, content) {
  mkdirSync(dirname(file), { recursive: true })
  writeFileSync(file, content)
}

/** The sums that tap writes below the results of a file: `# { total: 3, pass: 2, skip: 1 }`. */
function countsIn(results) {
  const sums = [...results.matchAll(/^# \{ (.*) \}$/gm)].at(-1)?.[1]
  if (sums === undefined) return undefined
  return Object.fromEntries([...sums.matchAll(/(\w+): (\d+)/g)].map(([, name, number]) => [name, Number(number)]))
}

/** With what was found and wanted; a test that failed only because one inside it did is not told again. */
function tellFailures(results, { ending, complaints }) {
  for (const [, title, why] of results.matchAll(/^ *not ok \d+ - (.*)\n((?: +.*\n)*)/gm)) {
    if (/^ *---\n[\s\S]*(?:diff|found|wanted|stack|tapCaught|exitCode|signal|timeout)/m.test(why))
      console.log(`FAILED: ${title}\n${why.split('\n').slice(0, 30).join('\n')}`)
  }
  if (complaints !== '') console.log(complaints.split('\n').slice(-30).join('\n'))
  if (ending !== 0) console.log(`It ended with ${ending}.`)
}
