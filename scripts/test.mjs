// `npm test [-- FILE…]`: installs what is missing, compiles, runs the tests, and closes with one line: N passed, N failed.
// `--portable` leaves out what needs a browser, outages that take long, and the benchmarks: CI runs the rest on every supported Node.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { install, node } from './prepare.mjs'

install()
rmSync('build', { recursive: true, force: true }) // a test that was deleted must not go on running
if (!node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.json')) process.exit(1) // some tests run the command as people do
if (!node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json')) process.exit(1)

const tap = 'node_modules/tap/dist/esm/run.mjs'
const marker = 'node_modules/.cache/tap-plugins'
// .taprc leaves out @tapjs/typescript, which needs the compiler interface of TypeScript 5: tap must be told before its first run.
if (!existsSync(marker)) {
  if (!node(tap, 'build')) process.exit(1)
  mkdirSync('node_modules/.cache', { recursive: true })
  writeFileSync(marker, '')
}

const portable = process.argv.includes('--portable')
const given = process.argv.slice(2).filter((argument) => argument !== '--portable')
const testFiles = () =>
  readdirSync('build/test', { recursive: true })
    .filter((file) => file.endsWith('.test.js') && !/browser|bench|-slow/.test(file))
    .map((file) => join('build', 'test', file))
const selection = portable ? testFiles() : given.map((file) => file.replace(/^test\/(.*)\.ts$/, 'build/test/$1.js'))

mkdirSync('.tap', { recursive: true })
// Two files at a time: most of them wait most of the time. Nobody reads coverage here, and counting it takes a third longer.
const passed = node(tap, '--output-file=.tap/results.tap', '--disable-coverage', '--jobs=2', ...selection)
const results = readFileSync('.tap/results.tap', 'utf8')
// The reporter keeps quiet where there is no terminal: failures are told here, with what was found and wanted.
for (const [, title, why] of results.matchAll(/^ *not ok \d+ - (.*)\n((?: +.*\n)*)/gm)) {
  if (/^ *---\n[\s\S]*(?:diff|found|wanted|stack|exitCode|signal|timeout)/m.test(why))
    console.log(`FAILED: ${title}\n${why.split('\n').slice(0, 30).join('\n')}`)
}
const skipped = [...results.matchAll(/^\s*(?:not )?ok \d+ - (.*?) # SKIP ?(.*)$/gm)]
for (const [, title, why] of skipped) console.log(`SKIPPED: ${title}${why ? ` (${why})` : ''}`)

const totals = Object.fromEntries(
  [...(results.match(/^# \{ (.*) \}$/m)?.[1] ?? '').matchAll(/(\w+): (\d+)/g)].map((m) => [m[1], Number(m[2])]),
)
const skipsFail = process.env.CI === 'true' && skipped.length > 0
if (skipsFail) console.log(`In CI a skipped test is a failure: ${skipped.length} skipped.`)
const failed = (totals.fail ?? 0) + (skipsFail ? skipped.length : 0)
// On a line of its own: the reporter leaves the cursor behind its last escape.
console.log(`\n${totals.pass ?? 0} passed, ${failed || (passed ? 0 : 1)} failed`)
process.exit(passed && !skipsFail ? 0 : 1)
