// `npm run check`: everything that can be said about the code without running it, in order, all of it even when a step fails.
import { install, node } from './prepare.mjs'

install()
const steps = [
  ['types', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.json'],
  ['types of the tests', 'node_modules/typescript/bin/tsc', '-p', 'tsconfig.test.json'],
  ['lint', 'node_modules/oxlint/bin/oxlint', '--type-aware', '--deny-warnings'],
  ['format', 'node_modules/prettier/bin/prettier.cjs', '--check', '--log-level=warn', '.'],
  ['dead code', 'node_modules/knip/bin/knip.js'],
  ['generated files', 'scripts/generate.mjs', '--check'],
]
let failures = 0
for (const [name, ...command] of steps) {
  const ok = node(...command)
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name}`)
  if (!ok) failures += 1
}
process.exit(failures === 0 ? 0 : 1)
