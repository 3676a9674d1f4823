// `npm test [-- FILE…]`: installs what is missing, compiles, runs the tests, and closes with one line: N passed, N failed.
// `--portable` leaves out what needs a browser, outages that take long, the benchmarks, the image and the chart. `--portable-on=NODE`, as often
// as wanted, runs just the rest once more on another Node: CI does so for every supported line.
import { execFileSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, buildTests, install } from './prepare.mjs'
import { runSuites } from './suite.mjs'

const OTHER_NODE = '--portable-on='
const otherNodes = process.argv
  .filter((each) => each.startsWith(OTHER_NODE))
  .map((each) => each.slice(OTHER_NODE.length))
const given = process.argv.slice(2).filter((each) => !each.startsWith('--'))

process.chdir(join(import.meta.dirname, '..'))
install()
build() // some tests run the command as people do
rmSync('build', { recursive: true, force: true }) // a test that was deleted must not go on running
buildTests()

const all = readdirSync('build/test', { recursive: true })
  .filter((file) => file.endsWith('.test.js'))
  .toSorted()
const portable = all.filter((file) => !/browser|bench|-slow|^image|^chart/.test(file))
const built = (files) => files.map((file) => join('build', 'test', file))
const chosen = given.map((file) => file.replace(/^test\/(.*)\.ts$/, 'build/test/$1.js'))
const files = chosen.length > 0 ? chosen : built(process.argv.includes('--portable') ? portable : all)
const suites = [
  { node: process.execPath, version: process.version, files },
  ...otherNodes.map((node) => ({
    node,
    version: execFileSync(node, ['--version'], { encoding: 'utf8' }).trim(),
    files: built(portable),
  })),
]

const totals = await runSuites(suites)
const sum = (kind) => totals.reduce((total, each) => total + each[kind], 0)
for (const [at, { passed, failed }] of totals.entries())
  console.log(`On Node ${suites[at].version.slice(1)}: ${passed} passed, ${failed} failed`)
const skipsFail = process.env.CI === 'true' && sum('skipped') > 0
if (skipsFail) console.log(`In CI a skipped test is a failure: ${sum('skipped')} skipped.`)
const failed = sum('failed') + (skipsFail ? sum('skipped') : 0)
console.log(`${sum('passed')} passed, ${failed} failed`)
process.exit(failed === 0 ? 0 : 1)
