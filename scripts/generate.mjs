// `npm run generate`: writes what is derived from the code: the settings' schema and example, the schema of the chart's values, and the tables of README. `--check` writes nothing and names what is out of date.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chartFiles } from './chart-golden.mjs'
import { valuesSchema } from './chart-schema.mjs'
import { exampleFile } from './example.mjs'
import { build } from './prepare.mjs'
import { withTables } from './readme.mjs'

build()
const root = join(import.meta.dirname, '..')
const { publishedSchema } = await import('../dist/config/json-schema.js')
const { describeSettings } = await import('../dist/config/describe.js')
const { catalogue } = await import('../dist/domain/errors.js')
const { ownCookies } = await import('../dist/domain/own-cookies.js')
const { metricTable } = await import('../dist/adapters/metrics.js')

const files = {
  'config/gateway.schema.json': publishedSchema(),
  'helm/cognito-gateway/values.schema.json': valuesSchema(publishedSchema()),
  'config/gateway.example.yaml': exampleFile(describeSettings()),
  'README.md': withTables(readFileSync(join(root, 'README.md'), 'utf8'), {
    catalogue,
    metricTable,
    ownCookies,
    settings: describeSettings(),
  }),
}
const check = process.argv.includes('--check')
let stale = 0
function settle(derived) {
  for (const [name, content] of Object.entries(derived)) {
    const file = join(root, name)
    if (existsSync(file) && readFileSync(file, 'utf8') === content) continue
    if (check) {
      console.error(`${name} is out of date: run npm run generate`)
      stale += 1
    } else {
      writeFileSync(file, content)
      console.log(`wrote ${name}`)
    }
  }
}
settle(files)
// The manifests depend on the schema of the values. Their tests say what of them is out of date.
if (!check) settle(chartFiles())
process.exit(stale === 0 ? 0 : 1)
