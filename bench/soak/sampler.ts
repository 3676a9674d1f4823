import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { valueOf } from '../../test/helpers/gateway-process.ts'
import { cpuMicrosOf } from '../process-tree.ts'
import type { RunningGateway } from '../contenders/gateway.ts'
import type { Tally } from './tally.ts'

/** What the gateway's process was like at one moment. */
export interface Sample {
  /** Since the load began. */
  readonly seconds: number
  readonly rssMiB: number
  readonly heapMiB: number
  readonly descriptors: number
  /** Those of them that are sockets. */
  readonly sockets: number
  readonly inFlight: number
  /** As its clients saw it, of quick answers since the last sample: the load's own hesitation is in it. */
  readonly p99Ms: number
  /** The gateway's own part of all answers so far that needed nothing of the user pool: how many took at most so many seconds. */
  readonly own: readonly (readonly [number, number])[]
  /** Of one core, since the last sample. */
  readonly cpuPercent: number
}

const MIB = 1_048_576

/** Takes samples of a running gateway from outside: from /proc, and from what it tells on its admin port. */
export class Sampler {
  readonly samples: Sample[] = []
  readonly #gateway: Pick<RunningGateway, 'adminUrl'> & { readonly program: { readonly pid: number } }
  readonly #tally: Tally
  readonly #startedAt = performance.now()
  #cpuAt: number
  #cpu: number

  constructor(gateway: RunningGateway, tally: Tally) {
    this.#gateway = gateway
    this.#tally = tally
    this.#cpuAt = this.#startedAt
    this.#cpu = cpuMicrosOf(gateway.program.pid)
  }

  async take(): Promise<Sample> {
    const { adminUrl, program } = this.#gateway
    const metrics = await (await fetch(`${adminUrl}/metrics`)).text()
    const now = performance.now()
    const cpu = cpuMicrosOf(program.pid)
    const sample = {
      seconds: (now - this.#startedAt) / 1000,
      rssMiB: rssBytesOf(program.pid) / MIB,
      heapMiB: valueOf(metrics, 'nodejs_heap_size_used_bytes') / MIB,
      ...descriptorsOf(program.pid),
      inFlight: valueOf(metrics, 'cognito_gateway_requests_in_flight'),
      p99Ms: this.#tally.takeP99(),
      own: ownTimes(metrics),
      cpuPercent: (cpu - this.#cpu) / (now - this.#cpuAt) / 10,
    }
    this.#cpu = cpu
    this.#cpuAt = now
    this.samples.push(sample)
    return sample
  }
}

/** Routes whose requests never wait for a refresh of tokens. */
const OWN_ROUTES = ['app/public', 'app/orders']

function ownTimes(metrics: string): Sample['own'] {
  const counts = new Map<number, number>()
  const buckets = /^cognito_gateway_overhead_seconds_bucket\{le="([^"]+)",route="([^"]+)"\} (\d+)$/gm
  for (const [, bound, route = '', count] of metrics.matchAll(buckets)) {
    if (!OWN_ROUTES.includes(route)) continue
    const seconds = bound === '+Inf' ? Number.POSITIVE_INFINITY : Number(bound)
    counts.set(seconds, (counts.get(seconds) ?? 0) + Number(count))
  }
  return [...counts]
}

function rssBytesOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

/** Open file descriptors of a process, and how many of them are sockets. */
export function descriptorsOf(pid: number): { readonly descriptors: number; readonly sockets: number } {
  const links = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return [readlinkSync(`/proc/${pid}/fd/${fd}`)]
    } catch {
      // It was closed meanwhile.
      return []
    }
  })
  return { descriptors: links.length, sockets: links.filter((link) => link.startsWith('socket:')).length }
}
