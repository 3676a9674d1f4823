import { isIP, type LookupFunction } from 'node:net'
import { parseAddress, type ParsedAddress } from './address.ts'
import { createConnect, type ConnectRules } from './connect.ts'
import { Endpoint } from './endpoint.ts'
import { watchName, type NameWatch } from './name-watch.ts'

export interface EndpointsOptions extends ConnectRules {
  readonly urls: readonly string[]
  /** At most so many to each. */
  readonly connections: number
  /** Whether every IP address of a name counts by itself, or the name as one. */
  readonly resolve: 'one' | 'all'
  readonly now: () => number
  readonly lookup: LookupFunction
  /** Begins to watch an endpoint; returns how to stop. */
  readonly watch: (endpoint: Endpoint) => () => void
}

/** All places where one application listens, as they are now. */
export class Endpoints {
  readonly #options: EndpointsOptions
  /** By the address as configured. */
  readonly #groups: Endpoint[][]
  readonly #names: readonly NameWatch[]
  readonly #watched = new Map<Endpoint, () => void>()
  /** Those whose address the name has no longer; they end with their last answer. */
  readonly #leaving = new Set<Endpoint>()
  #list: readonly Endpoint[] = []

  constructor(options: EndpointsOptions) {
    this.#options = options
    const addresses = options.urls.map(parseAddress)
    this.#groups = addresses.map((address) => [this.#create(address, null)])
    this.#relist()
    this.#names = options.resolve === 'one' ? [] : addresses.flatMap((address, at) => this.#watchName(address, at))
  }

  /** Never empty. */
  get list(): readonly Endpoint[] {
    return this.#list
  }

  /** An exchange failed: names may stand for other machines by now. */
  doubt(): void {
    for (const name of this.#names) name.look()
  }

  async close(): Promise<void> {
    this.#stop()
    await Promise.all([...this.#list, ...this.#leaving].map(async (endpoint) => endpoint.close()))
  }

  async destroy(): Promise<void> {
    this.#stop()
    await Promise.all([...this.#list, ...this.#leaving].map(async (endpoint) => endpoint.destroy()))
  }

  #stop(): void {
    for (const name of this.#names) name.stop()
    for (const stop of this.#watched.values()) stop()
  }

  #create(address: ParsedAddress, ip: string | null): Endpoint {
    const { connections, now, serverName } = this.#options
    const connect = createConnect(address, ip, this.#options)
    const endpoint = new Endpoint({ address, ip, connect, serverName, connections, now })
    this.#watched.set(endpoint, this.#options.watch(endpoint))
    return endpoint
  }

  #relist(): void {
    this.#list = this.#groups.flat()
  }

  #watchName(address: ParsedAddress, at: number): readonly NameWatch[] {
    if (address.socketPath !== null || isIP(address.hostname) !== 0) return []
    const { lookup, now } = this.#options
    return [
      watchName({ hostname: address.hostname, lookup, now, onAddresses: (ips) => this.#regroup(address, at, ips) }),
    ]
  }

  #regroup(address: ParsedAddress, at: number, ips: readonly string[]): void {
    const before = this.#groups[at] ?? []
    const after = ips.map((ip) => before.find((endpoint) => endpoint.ip === ip) ?? this.#create(address, ip))
    this.#groups[at] = after
    this.#relist()
    for (const endpoint of before) if (!after.includes(endpoint)) this.#letGo(endpoint)
  }

  #letGo(endpoint: Endpoint): void {
    this.#watched.get(endpoint)?.()
    this.#watched.delete(endpoint)
    endpoint.retire()
    for (const earlier of this.#leaving) if (earlier.census().busy === 0) this.#leaving.delete(earlier)
    this.#leaving.add(endpoint)
  }
}
