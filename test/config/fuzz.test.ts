import t from 'tap'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import {
  createWorkspace,
  isMap,
  newKey,
  writeIdentityFiles,
  writeTlsFiles,
  type Values,
  type Workspace,
} from './workspace.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const uncommented = (text: string): string => text.replaceAll(/^( *)#(\w+:)/gm, '$1$2')

type Path = readonly (string | number)[]

function paths(value: unknown, above: Path = []): Path[] {
  const members: readonly (readonly [string | number, unknown])[] = Array.isArray(value)
    ? value.map((member: unknown, at) => [at, member] as const)
    : isMap(value)
      ? Object.entries(value)
      : []
  return [...(above.length > 0 ? [above] : []), ...members.flatMap(([key, member]) => paths(member, [...above, key]))]
}

function replaced(value: unknown, [key, ...rest]: Path, by: unknown): unknown {
  if (key === undefined) return by
  if (Array.isArray(value))
    return value.map((member: unknown, at) => (at === key ? replaced(member, rest, by) : member))
  const map: Values = isMap(value) ? value : {}
  return { ...map, [key]: replaced(map[key], rest, by) }
}

const wrong: readonly (readonly [string, unknown])[] = [
  ['null', null],
  ['a list', ['canary-value']],
  ['a map', { 'canary-key': 'canary-value' }],
  ['a long text', 'x'.repeat(3_000)],
  ['a text of odd characters', '\u0000\u202e\ud800"\'{}[]'],
  ['an odd number', 1e300],
  ['a list of lists', [[['canary-value']]]],
  ['a fraction', -0.5],
]

const example = readFileSync(join(root, 'config/gateway.example.yaml'), 'utf8')
const good = [
  [['session', 'keys', 0, 'file'], 'session-key'] as const,
  [['control', 'token', 'file'], 'control-token'] as const,
  [['assertion', 'keys', 0, 'file'], 'assertion-key'] as const,
  [['assertion', 'albKeys', 0, 'file'], 'alb-key'] as const,
  [['applications', 'wiki', 'identity', 'basic', 'password', 'file'], 'wiki-password'] as const,
  [['listen', 'tls', 'certFile'], 'tls.crt'] as const,
  [['listen', 'tls', 'keyFile'], 'tls.key'] as const,
].reduce<unknown>((settings, [path, file]) => replaced(settings, path, file), parse(example))
const everything: unknown = parse(uncommented(example))
const environment = {
  CLIENT_SECRET: 'example-secret',
  REDIS_URL: 'rediss://gateway:example-secret@redis.internal:6379',
}
const scalars = paths(good).filter((path) => typeof at(good, path) !== 'object')

/** A workspace with every file that the example names. */
function createFullWorkspace(t: Parameters<typeof createWorkspace>[0]): Workspace {
  const workspace = createWorkspace(t)
  writeTlsFiles(t, workspace)
  writeIdentityFiles(workspace)
  workspace.write('control-token', newKey('control'))
  return workspace
}

/** What is said of these settings. YAML reads JSON. */
const faultsIn = (workspace: Workspace, settings: unknown): readonly string[] =>
  workspace.faults(JSON.stringify(settings), environment)

/** What is wrong with how settings are refused; undefined where nothing is. */
function complaint(faults: readonly string[]): string | undefined {
  if (faults.length === 0) return 'accepted'
  return faults.find((line) => /canary-value|x{200}|^ +at /.test(line))?.slice(0, 300)
}

for (const [title, value] of wrong.slice(0, 4)) {
  // Where a single value belongs, these are of another kind everywhere; a text or a list may be of the right kind and wrong in many ways.
  const isOneFault = value === null || isMap(value)
  const where = isOneFault ? 'in its own place, by one fault' : 'without a crash'
  t.test(`K22 ${title} in the place of any single value is refused ${where}`, async (t) => {
    const workspace = createFullWorkspace(t)
    for (const path of scalars) {
      const faults = faultsIn(workspace, replaced(good, path, value))
      const said = complaint(faults)
      if (said !== undefined) t.fail(`${path.join('.')}: ${said}`)
      const key = path.findLast((each) => typeof each === 'string') ?? ''
      if (isOneFault && (faults.length !== 1 || !faults[0]?.includes(key)))
        t.fail(`${path.join('.')}: ${faults.join(' | ')}`)
    }
    t.ok(scalars.length > 40)
  })
}

t.test('K22 something odd in the place of any setting, supported or not, is refused, without a crash', async (t) => {
  const workspace = createFullWorkspace(t)
  const places = paths(everything)
  for (const [index, path] of places.entries()) {
    const [title, value] = wrong[index % wrong.length] ?? []
    const said = complaint(faultsIn(workspace, replaced(everything, path, value)))
    if (said !== undefined) t.fail(`${title} at ${path.join('.')}: ${said}`)
  }
  t.ok(places.length > 150)
})

function at(value: unknown, path: Path): unknown {
  let here = value
  for (const key of path)
    here = Array.isArray(here) ? (here[Number(key)] as unknown) : isMap(here) ? here[key] : undefined
  return here
}
