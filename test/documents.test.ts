import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { metricTable } from '../src/adapters/metrics.ts'
import { catalogue } from '../src/domain/errors.ts'
import { root } from './helpers/process.ts'

const read = (file: string): string => readFileSync(join(root, file), 'utf8')
const readme = read('README.md')
const section = (name: string): string =>
  readme.split(`<!-- ${name}:begin -->`)[1]?.split(`<!-- ${name}:end -->`)[0] ?? ''

t.test('README lists every error code with its status and sentence, and no other', async (t) => {
  const rows = [...section('errors').matchAll(/^\| `(GW_\w+)` \| (\d{3}) \| (.*) \|$/gm)].map(
    ([, code, status, says]) => [code, Number(status), says],
  )
  t.same(
    rows.toSorted(),
    Object.entries(catalogue)
      .map(([code, { status, says }]) => [code, status, says])
      .toSorted(),
  )
})

t.test('README lists every metric with its labels and help, and no other', async (t) => {
  const rows = [...section('metrics').matchAll(/^\| `(\w+)` \| (\w+) \| (.*?) \| (.*) \|$/gm)].map(
    ([, name, kind, labels, help]) => [name, kind, labels, help],
  )
  const expected = Object.entries(metricTable).map(([name, { kind, labels, help }]) => [
    name,
    kind,
    labels.map((label) => `\`${label}\``).join(', '),
    help,
  ])
  t.same(rows.toSorted(), expected.toSorted())
})

t.test('the map of the inside names every folder of the sources', async (t) => {
  const map = read('src/README.md')
  const folders = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isDirectory(),
  )
  for (const folder of folders) {
    const path = join(folder.parentPath ?? folder.path, folder.name).slice(join(root, 'src').length + 1)
    t.ok(map.includes(`\`${path}/\``), `src/README.md names ${path}/`)
  }
})

t.test('every file that the documents point to exists', async (t) => {
  for (const document of ['README.md', 'src/README.md', 'CHANGELOG.md']) {
    const folder = document.includes('/') ? 'src' : '.'
    for (const [, target = ''] of read(document).matchAll(/\]\((?!https?:|#)([^)]+)\)/g)) {
      t.doesNotThrow(() => readFileSync(join(root, folder, target)), `${document} points to ${target}`)
    }
  }
  for (const [, file = ''] of read('src/README.md').matchAll(
    /`((?:domain|adapters|plugins|routes|config)\/[\w/-]+\.ts)`/g,
  )) {
    t.doesNotThrow(() => readFileSync(join(root, 'src', file)), `src/README.md names ${file}`)
  }
})
