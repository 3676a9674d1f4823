import { spawn, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { root } from './process.ts'

export const chartFolder = join(root, 'helm', 'cognito-gateway')
export const goldenFolder = join(root, 'test', 'chart', 'golden')

const check = spawnSync(join(root, '.ci', 'chart-tools'), ['--check'], { encoding: 'utf8' })
export const toolsFolder = (check.stdout ?? '').trim()
/** Why the chart's tools cannot be used; false where they can. For `skip` of a test. */
export const toolsMissing =
  check.status === 0
    ? false
    : 'helm and its kin are not installed: .ci/chart-tools does it once, with Go 1.26 and Python'

/** The worked examples by name. */
export const examples = readdirSync(join(chartFolder, 'ci')).map((file) => file.replace('-values.yaml', ''))
export const valuesFile = (example: string): string => join(chartFolder, 'ci', `${example}-values.yaml`)
export const golden = (example: string): string => readFileSync(join(goldenFolder, `${example}.yaml`), 'utf8')

export interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** Runs one of the chart's tools. */
export async function tool(name: string, args: readonly string[], input = ''): Promise<Ran> {
  const child = spawn(join(toolsFolder, 'bin', name), args, { cwd: root })
  const ran = { out: '', err: '' }
  child.stdout.on('data', (data: Buffer) => (ran.out += data.toString()))
  child.stderr.on('data', (data: Buffer) => (ran.err += data.toString()))
  child.stdin.end(input)
  const code = await new Promise<number | null>((resolve) => {
    child.on('close', resolve)
  })
  return { code, ...ran }
}

/** The chart as `helm template` renders it. */
export const template = async (...args: readonly string[]): Promise<Ran> =>
  tool('helm', ['template', 'gw', chartFolder, '--namespace', 'gateway', ...args])

/** The four values and the Secret that every installation needs. */
export const LEAST = [
  '--set',
  'publicUrl=https://wiki.example.com,userPoolId=eu-west-1_AbCdEfGhI,clientId=4example23456789,upstream=http://wiki:8080,existingSecret=gateway',
]

export interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly labels?: Readonly<Record<string, string>> }
  readonly [key: string]: any
}

export function manifestsIn(text: string): readonly Manifest[] {
  return parseAllDocuments(text, { version: '1.1' }).flatMap((document): Manifest[] => {
    const value: unknown = document.toJS()
    return value === null ? [] : [value as Manifest]
  })
}

/** The one object of a kind; throws where there is none. */
export function only(manifests: readonly Manifest[], kind: string, name = /./): Manifest {
  const [found, ...more] = manifests.filter((one) => one.kind === kind && name.test(one.metadata.name))
  if (found === undefined || more.length > 0) throw new Error(`${more.length + (found ? 1 : 0)} of ${kind}`)
  return found
}
