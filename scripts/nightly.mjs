// `npm run nightly [-- NAME [NUMBER]]`: what the suite does with a few cases or clients, with very many. Without a name, all of it.
import { build, buildTests, install, node } from './prepare.mjs'

const jobs = {
  property: { file: 'build/test/attacks/paths-property.test.js', variable: 'PROPERTY_RUNS', number: 100_000 },
  rules: { file: 'build/test/attacks/rules-property.test.js', variable: 'PROPERTY_RUNS', number: 20_000 },
  smuggling: { file: 'build/test/end-to-end/smuggling.test.js', variable: 'PROPERTY_RUNS', number: 256 },
  'slow-clients': { file: 'build/test/faults/overload.test.js', variable: 'SLOW_CLIENTS', number: 10_000 },
}

const [name, number] = process.argv.slice(2)
const chosen = name === undefined ? Object.keys(jobs) : [name]
if (!chosen.every((one) => Object.hasOwn(jobs, one)) || (number !== undefined && !/^[1-9]\d*$/.test(number))) {
  console.error(`Usage: npm run nightly -- [${Object.keys(jobs).join(' | ')}] [NUMBER]`)
  process.exit(2)
}

install()
build() // some run the command as people do
buildTests()
process.env.TAP_TIMEOUT = '0'
let failures = 0
for (const one of chosen) {
  const { file, variable } = jobs[one]
  process.env[variable] = number ?? String(jobs[one].number)
  if (!node(file)) failures += 1
}
console.log(`${chosen.length - failures} passed, ${failures} failed`)
process.exit(failures === 0 ? 0 : 1)
