// Which program builds images here, and what podman has to be told where it runs inside something else.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** What is made once for all checkouts of this machine. */
export const cacheFolder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cognito-gateway-ci')

export const onPath = (name) =>
  (process.env.PATH ?? '').split(delimiter).some((folder) => folder !== '' && existsSync(join(folder, name)))

/** The first of these engines that works, or undefined: the client of Docker alone does not. */
export function findEngine(names) {
  return names.find(
    (name) => onPath(name) && spawnSync(name, ['info'], { stdio: 'ignore', env: engineEnvironment(name) }).status === 0,
  )
}

/** The environment in which to run the engine. */
export function engineEnvironment(engine) {
  if (engine === 'docker' || process.env.CONTAINERS_CONF !== undefined || !isRootWithoutSystemd()) return process.env
  const file = join(cacheFolder, 'containers.conf')
  const conf = containersConf()
  if (!existsSync(file) || readFileSync(file, 'utf8') !== conf) {
    mkdirSync(cacheFolder, { recursive: true })
    writeFileSync(file, conf)
  }
  return { ...process.env, CONTAINERS_CONF: file }
}

const isRootWithoutSystemd = () => process.getuid?.() === 0 && !existsSync('/run/systemd/system')

/** No systemd that keeps control groups and logs, and limits that may be lower than what podman would ask for. */
function containersConf() {
  const limits = readFileSync('/proc/self/limits', 'utf8')
  const hard = (name) => Number(new RegExp(`^${name} +\\S+ +(\\d+)`, 'm').exec(limits)?.[1] ?? Number.NaN)
  const ulimits = [
    ['nofile', hard('Max open files')],
    // podman lowers its own to the number of processes that the system has room for, and gives away no more.
    ['nproc', Math.min(hard('Max processes'), Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8')))],
  ].filter(([, value]) => !Number.isNaN(value))
  const runtime = ['runc', 'crun'].find(onPath)
  return `[containers]
default_ulimits = [${ulimits.map(([name, value]) => `"${name}=${value}:${value}"`).join(', ')}]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
${runtime === undefined ? '' : `runtime = "${runtime}"\n`}`
}
