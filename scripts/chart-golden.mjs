// `npm run generate` with the chart's tools at hand: the manifests of every worked example, and the chart's README.
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const chart = join('helm', 'cognito-gateway')

function said(command, args) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 2 ** 26 })
  return { ok: status === 0, out: stdout ?? '', err: stderr ?? '' }
}

function output(command, args) {
  const { ok, out, err } = said(command, args)
  if (!ok) throw new Error(`${command} ${args.join(' ')}: ${err}`)
  return out
}

/** The files by name; none where the tools are not installed: `.ci/chart-tools` installs them. */
export function chartFiles() {
  const tools = said(join(root, '.ci', 'chart-tools'), ['--check'])
  if (!tools.ok) return {}
  const bin = join(tools.out.trim(), 'bin')
  const examples = readdirSync(join(root, chart, 'ci')).map((file) => file.replace('-values.yaml', ''))
  const manifests = examples.map((example) => [
    `test/chart/golden/${example}.yaml`,
    output(join(bin, 'helm'), [
      'template',
      'gw',
      chart,
      '--namespace',
      'gateway',
      '--values',
      join(chart, 'ci', `${example}-values.yaml`),
    ]),
  ])
  const readme = output(join(bin, 'helm-docs'), [
    '--dry-run',
    '--log-level=error',
    '--sort-values-order=file',
    '--chart-search-root',
    chart,
  ])
  return { ...Object.fromEntries(manifests), [`${chart}/README.md`]: readme }
}
