import { spawnSync } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { root, runProgram, type Run } from './process.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** As `prepareImage` builds it of this checkout. */
export const IMAGE = 'localhost/cognito-gateway:test'

/** As strict as a cluster can be; on the host's network, where a test's pool and application are. */
export const HARDENED = [
  '--network=host',
  '--read-only',
  '--cap-drop=ALL',
  '--security-opt=no-new-privileges',
  '--tmpfs=/tmp',
  '--memory=256m',
] as const

/** Builds the image, which takes seconds when nothing has changed. Why no container can be run on this machine, or false. */
export function prepareImage(): string | false {
  if (process.getuid?.() !== 0) return 'containers are built and run as root here'
  const missing = ['podman', 'mmdebstrap'].find((name) => !onPath(name))
  if (missing !== undefined) return `no ${missing} on this machine`
  const { status, stdout, stderr } = buildImage(`--tag=${IMAGE}`)
  const lastOf = (text: string): string => text.split('\n').slice(-30).join('\n')
  if (status !== 0) throw new Error(`The image was not built:\n${lastOf(stdout)}${lastOf(stderr)}`)
  const trial = podman('run', '--rm', ...HARDENED, IMAGE, '--version')
  // 125 to 127 are podman's own; what ran in the container ends with less.
  return trial.status !== null && trial.status < 125 ? false : `podman runs nothing here: ${trial.err.trim()}`
}

/** Builds one of this checkout on a base that is made here. */
export function buildImage(...options: readonly string[]) {
  const build = ['scripts/image.mjs', '--engine=podman', '--base', ...options]
  return spawnSync(process.execPath, build, { cwd: root, encoding: 'utf8' })
}

const onPath = (name: string): boolean =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)))

/** What podman has to be told on this machine; scripts/engine.mjs writes it down where that is anything. */
export function podmanEnvironment(): Record<string, string> {
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const file = process.env['CONTAINERS_CONF'] ?? join(cache, 'cognito-gateway-ci', 'containers.conf')
  return existsSync(file) ? { CONTAINERS_CONF: file } : {}
}

/** Runs a command of podman to its end. */
export function podman(...args: readonly string[]): {
  readonly status: number | null
  readonly out: string
  readonly err: string
} {
  const { status, stdout, stderr } = spawnSync('podman', args, {
    encoding: 'utf8',
    env: { ...process.env, ...podmanEnvironment() },
    maxBuffer: 64 * 1_048_576,
  })
  return { status, out: stdout, err: stderr }
}

export interface Container extends Run {
  readonly name: string
}

/** Runs a hardened container of the image with these arguments for the gateway; signals to its `child` reach the gateway, whose exit code is its own. */
export function runContainer(
  t: Teardown,
  args: readonly string[],
  options: { readonly podman?: readonly string[] } = {},
): Container {
  const name = `gateway-${randomUUID()}`
  const command = ['podman', 'run', '--rm', `--name=${name}`, ...HARDENED, ...(options.podman ?? []), IMAGE, ...args]
  const run = runProgram(t, command, podmanEnvironment())
  t.teardown(() => podman('rm', '--force', '--ignore', '--time=0', name))
  return { ...run, name }
}
