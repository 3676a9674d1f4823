import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { metricTable } from '../src/adapters/metrics.ts'
import { loadSettings } from '../src/config/load.ts'
import { findCookies } from '../src/domain/cookie-findings.ts'
import { isOwnCookie } from '../src/domain/cookie-header.ts'
import { catalogue } from '../src/domain/errors.ts'
import { ALB_ACCESS_TOKEN, ALB_DATA, ASSERTION, FAMILIES } from '../src/domain/identity-headers.ts'
import { ownCookies } from '../src/domain/own-cookies.ts'
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

t.test('README lists every cookie of the gateway, and no application sees or sets one of them', async (t) => {
  const rows = [...section('cookies').matchAll(/^\| `(__Host-[^`]+)` \| (.*) \| (.*) \|$/gm)].map(
    ([, name = '', lives, holds]) => ({ name: name.replace('…', ''), lives, holds }),
  )
  const units: Readonly<Record<string, number>> = { minute: 60, hour: 3_600 }
  const secondsIn = (life = ''): number | string => {
    const [, count, unit = ''] = /^(\d+) (minute|hour)s?$/.exec(life) ?? []
    return count === undefined ? life : Number(count) * (units[unit] ?? Number.NaN)
  }
  t.same(
    rows.map((row) => ({ ...row, lives: secondsIn(row.lives) })),
    Object.values(ownCookies),
  )
  for (const { name } of Object.values(ownCookies)) {
    const whole = name.endsWith('-') ? `${name}Ab-_9012` : name
    t.ok(isOwnCookie(whole), whole)
    t.equal(findCookies([`${whole}=x`]).own[0]?.fault, null, `${whole} is a spelling of ours`)
  }
})

t.test('README says what each family of identity headers holds, as the code has it', async (t) => {
  const told: Record<string, Record<string, string>> = {}
  let family = ''
  for (const [, name, header = '', source = ''] of readme.matchAll(
    /^\| (?:`(\w+)`[^|]*)?\| `([\w-]+)` \| (\w+) \|$/gm,
  )) {
    family = name ?? family
    told[family] = { ...told[family], [header]: source }
  }
  const { forwarded, authRequest, remote, alb } = told
  t.same(
    { forwarded, authRequest, remote, alb },
    Object.fromEntries(Object.entries(FAMILIES).map(([name, { headers }]) => [name, headers])),
  )
  for (const name of [ALB_ACCESS_TOKEN, ALB_DATA, ASSERTION]) t.ok(readme.includes(`\`${name}\``), name)
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

t.test('H29 README says that applications must be reachable through the gateway only, and why', async (t) => {
  const [, start = ''] = readme.split('### 3. Start it')
  t.match(
    start.split('\n## ', 1)[0],
    /Applications must be reachable through the gateway only: whoever reaches one directly can send it any header\./,
    'where people set an application up',
  )
})

const ANALYZE = '/usr/bin/systemd-analyze'

t.test(
  'the unit for systemd is one, and starts what is there',
  { skip: existsSync(ANALYZE) ? false : `no ${ANALYZE} on this machine` },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'unit-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const unit = read('config/examples/cognito-gateway.service').replace('/usr/bin/node', process.execPath)
    t.match(unit, / \/opt\/cognito-gateway\/dist\/main\.js serve --config /)
    const file = join(folder, 'cognito-gateway.service')
    writeFileSync(file, unit)
    const { status, stderr } = spawnSync(ANALYZE, ['verify', file], { encoding: 'utf8' })
    t.equal(status, 0)
    t.notMatch(stderr, file, 'nothing in it is unknown')
  },
)

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

t.test('the settings that README shows are settings, without a fault or a warning', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'readme-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const [, text = ''] = /```yaml\n(# gateway\.yaml\n[\s\S]*?)```/.exec(readme) ?? []
  writeFileSync(join(folder, 'gateway.yaml'), text)
  writeFileSync(join(folder, 'client-secret'), 'a-secret-of-cognito', { mode: 0o600 })
  writeFileSync(join(folder, 'session-key'), randomBytes(32).toString('base64url'), { mode: 0o600 })
  const { settings, warnings } = loadSettings({ file: join(folder, 'gateway.yaml'), environment: {} })
  t.same(warnings, [])
  t.equal(settings.publicUrl, 'https://app.example.com')
  const callback = settings.publicUrl + settings.endpoints.callback
  t.ok(readme.includes(`| Allowed callback URL | \`${callback}\` |`), 'the address to register is the one that is used')
  for (const way of ['--callback-urls ', 'callback_urls                        = ["'])
    t.ok(readme.includes(way + callback))
})

t.test('every rule that README shows is one', async (t) => {
  const rules = [...readme.matchAll(/^\| `(access: .*?)` \|/gm)].map(([, rule = '']) => rule)
  t.ok(rules.length >= 6)
  const folder = mkdtempSync(join(tmpdir(), 'rules-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, 'session-key'), randomBytes(32).toString('base64url'), { mode: 0o600 })
  for (const rule of rules) {
    const file = join(folder, 'gateway.yaml')
    writeFileSync(
      file,
      `publicUrl: https://app.example.com\npools: { a: { userPoolId: eu-west-1_AbCdEfGhI, clientId: abc } }\nsession: { keys: [{ file: session-key }] }\napplications:\n  app:\n    upstream: http://app.internal\n    ${rule}\n`,
    )
    t.doesNotThrow(() => loadSettings({ file, environment: {} }), rule)
  }
})
