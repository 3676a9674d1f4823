// `npm run nightly [-- NAME [RUNS]]`: what the suite does with a few random cases, with very many. Without a name, all of it.
import { install, node } from './prepare.mjs'

const jobs = {
  property: { file: 'build/test/attacks/paths-property.test.js', runs: 100_000 },
  smuggling: { file: 'build/test/end-to-end/smuggling.test.js', runs: 256 },
}

const [name, runs] = process.argv.slice(2)
const chosen = name === undefined ? Object.keys(jobs) : [name]
if (!chosen.every((one) => Object.hasOwn(jobs, one)) || (runs !== undefined && !/^[1-9]\d*$/.test(runs))) {
  console.error(`Usage: npm run nightly -- [${Object.keys(jobs).join(' | ')}] [RUNS]`)
  process.exit(2)
}

install()
if (!node('node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json')) process.exit(1)
process.env.TAP_TIMEOUT = '0'
let failures = 0
for (const one of chosen) {
  process.env.PROPERTY_RUNS = runs ?? String(jobs[one].runs)
  if (!node(jobs[one].file)) failures += 1
}
console.log(`${chosen.length - failures} passed, ${failures} failed`)
process.exit(failures === 0 ? 0 : 1)
