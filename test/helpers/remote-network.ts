import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import { until } from './until.ts'
import { freePort } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

// Networks for documentation (RFC 5737): no machine should have them, though virtual ones do.
const NETWORKS = ['203.0.113', '198.51.100', '192.0.2']
const NOBODY = '02:00:00:00:00:99'

/** Why this machine lets nobody make networks; false where it does. */
export function networksForbidden(): string | false {
  const names = [`gwa${process.pid}`, `gwb${process.pid}`]
  const made = spawnSync('ip', ['link', 'add', names[0] ?? '', 'type', 'veth', 'peer', 'name', names[1] ?? ''])
  if (made.status === 0) spawnSync('ip', ['link', 'del', names[0] ?? ''])
  const entered = spawnSync('unshare', ['--net', 'true'])
  return made.status === 0 && entered.status === 0 ? false : 'needs ip, unshare, and NET_ADMIN on this machine'
}

export interface RemoteApplication {
  readonly url: string
  readonly address: string
  readonly port: number
  /** Method and path of every request that reached it, oldest first. */
  readonly received: readonly string[]
  /** From now on every packet is lost, both ways, and nobody is told. */
  cut(): void
  heal(): void
  /** Ends the application and the way to it, so that another may have its address. */
  end(): void
  /** The application resets all its connections; resolves when it has. */
  reset(): Promise<void>
}

/** An application on a machine of its own, as far as the network is concerned. What is made here ends with its process. */
export async function startRemoteApplication(t: Teardown): Promise<RemoteApplication> {
  const script = join(import.meta.dirname, 'remote-application.js')
  const port = await freePort()
  const child = spawn('unshare', ['--net', process.execPath, script, String(port)])
  const lines: string[] = []
  createInterface({ input: child.stdout }).on('line', (line) => lines.push(line))
  await until(() => lines.includes('listening') || child.exitCode !== null)

  const taken = run('ip -o address')
  const network = NETWORKS.find((prefix) => !taken.includes(` ${prefix}.`))
  const [addressHere, addressThere] = [`${network}.1`, `${network}.2`]
  const [here, there] = [`gwh${child.pid}`, `gwt${child.pid}`]
  const inside = ['nsenter', '-t', String(child.pid), '-n']
  run(`ip link add ${here} type veth peer name ${there} netns ${child.pid}`)
  run(`ip address add ${addressHere}/30 dev ${here}`)
  run(`ip link set ${here} up`)
  run(...inside, `ip address add ${addressThere}/30 dev ${there}`)
  run(...inside, `ip link set ${there} up`)
  const [hardwareHere, hardwareThere] = [
    hardwareOf(run(`ip -o link show ${here}`)),
    hardwareOf(run(...inside, `ip -o link show ${there}`)),
  ]

  // Packets for a hardware address that nobody has are lost without a word, as on a broken line.
  function point(toThere: string, toHere: string): void {
    run(`ip neighbour replace ${addressThere} lladdr ${toThere} dev ${here} nud permanent`)
    run(...inside, `ip neighbour replace ${addressHere} lladdr ${toHere} dev ${there} nud permanent`)
  }
  // The namespace itself lives on for as long as its kernel tries to deliver what was lost.
  function end(): void {
    spawnSync('ip', ['link', 'delete', here])
    child.kill('SIGKILL')
  }
  t.teardown(end)
  const heal = (): void => point(hardwareThere, hardwareHere)
  heal()
  return {
    url: `http://${addressThere}:${port}`,
    address: addressThere,
    port,
    get received() {
      return lines.filter((line) => line.includes(' /'))
    },
    cut: () => point(NOBODY, NOBODY),
    heal,
    end,
    async reset() {
      const before = lines.length
      child.stdin.write('reset\n')
      await until(() => lines.slice(before).includes('reset'))
    },
  }
}

function run(...words: readonly string[]): string {
  const [command = '', ...options] = words.flatMap((text) => text.split(' '))
  return execFileSync(command, options, { encoding: 'utf8' })
}

const hardwareOf = (line: string): string => /link\/ether (\S+)/.exec(line)?.[1] ?? ''
