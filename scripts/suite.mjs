// Runs compiled test files, each in a process of its own. tap's own runner does it too, but loads for every one of them, and for every program
// that they start, what it needs for coverage and mocks; that took a fifth of the whole time.
import { spawn } from 'node:child_process'
import { createWriteStream, mkdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

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
 * Runs `files` for each of `suites` (`{ node, files }`), all in one row, and tells what failed as it comes.
 * Resolves to `{ passed, failed, skipped }` for each of them, in their order.
 */
export async function runSuites(suites) {
  const totals = suites.map(() => ({ passed: 0, failed: 0, skipped: 0 }))
  const queue = suites.flatMap(({ node, files }, suite) => files.map((file) => ({ node, file, suite }))).values()
  const work = async () => {
    for (const { node, file, suite } of queue) {
      const { passed, failed, skipped } = await runFile(node, file)
      totals[suite].passed += passed
      totals[suite].failed += failed
      totals[suite].skipped += skipped
    }
  }
  await Promise.all(Array.from({ length: JOBS }, work))
  return totals
}

async function runFile(node, file) {
  const output = join('.tap', 'results', `${file.replaceAll(/[\\/]/g, '-')}.tap`)
  mkdirSync(dirname(output), { recursive: true })
  const environment = {
    ...process.env,
    TAP_TIMEOUT: String(LIMIT),
    PATH: `${dirname(node)}${delimiter}${process.env.PATH ?? ''}`,
    // From Node 22 on what one file has compiled of our code and the packages is there for the next.
    NODE_COMPILE_CACHE: join('build', 'compile-cache'),
  }
  const start = performance.now()
  const { ending, complaints } = await ended(node, file, output, environment)
  const seconds = ((performance.now() - start) / 1000).toFixed(1)
  const results = readFileSync(output, 'utf8')
  const counts = countsIn(results)
  const isWhole = ending === 0 && counts !== undefined
  const failed = counts?.fail ?? 0
  console.log(`${isWhole ? 'ok    ' : 'FAILED'} ${seconds.padStart(6)} s  ${file}`)
  if (!isWhole) tellFailures(results, { ending, complaints })
  const skips = [...results.matchAll(/^\s*(?:not )?ok \d+ - (.*?) # SKIP ?(.*)$/gm)]
  for (const [, title, why] of skips) console.log(`SKIPPED: ${title}${why ? ` (${why})` : ''}`)
  return { passed: counts?.pass ?? 0, failed: isWhole ? failed : Math.max(failed, 1), skipped: skips.length }
}

/** Resolves when the process of a file has ended, to its status or signal and what it complained of. */
async function ended(node, file, output, env) {
  const child = spawn(node, ['--enable-source-maps', file], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  const results = createWriteStream(output)
  child.stdout.pipe(results)
  let complaints = ''
  child.stderr.on('data', (chunk) => (complaints += chunk))
  const limit = setTimeout(() => child.kill('SIGKILL'), (LIMIT + GRACE) * 1000)
  const [ending] = await Promise.all([
    new Promise((resolve) => child.on('close', (status, signal) => resolve(status ?? signal))),
    new Promise((resolve) => results.on('finish', resolve)),
  ])
  clearTimeout(limit)
  running.delete(child)
  return { ending, complaints }
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
    if (/^ *---\n[\s\S]*(?:diff|found|wanted|stack|exitCode|signal|timeout)/m.test(why))
      console.log(`FAILED: ${title}\n${why.split('\n').slice(0, 30).join('\n')}`)
  }
  if (complaints !== '') console.log(complaints.split('\n').slice(-30).join('\n'))
  if (ending !== 0) console.log(`It ended with ${ending}.`)
}
