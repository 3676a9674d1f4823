import type { ExchangeOutcome } from '../../domain/circuit.ts'
import { Standing } from '../../domain/standing.ts'
import type { ParsedAddress } from './address.ts'
import type { Connect } from './connect.ts'
import { Connection } from './connection.ts'

export interface EndpointOptions {
  readonly address: ParsedAddress
  /** One of the address's IP addresses, where each counts by itself. */
  readonly ip: string | null
  readonly connect: Connect
  readonly serverName: string | undefined
  readonly connections: number
  readonly now: () => number
}

/** One place where an application listens, and the connections to it. */
export class Endpoint {
  readonly address: ParsedAddress
  readonly ip: string | null
  readonly connect: Connect
  readonly label: string
  /** What the health checks say; true where there are none. */
  healthy = true
  readonly #options: EndpointOptions
  readonly #standing = new Standing()
  /** Given back last, used first: the others may close. */
  #free: Connection[] = []
  readonly #all = new Set<Connection>()
  #credit = 0
  #closed = false

  constructor(options: EndpointOptions) {
    this.#options = options
    this.address = options.address
    this.ip = options.ip
    this.connect = options.connect
    this.label = options.ip === null ? options.address.label : `${options.address.label} (${options.ip})`
  }

  /** 0 while left out, 1 in full standing, between while coming back. */
  share(now: number): number {
    return this.#standing.share(now)
  }

  /** Whether it is this endpoint's turn: every time in full standing, as often as its share says while coming back. */
  isItsTurn(now: number): boolean {
    this.#credit += this.share(now)
    if (this.#credit < 1) return false
    this.#credit = 0
    return true
  }

  /** A connection that nobody uses; null where as many are in use as may be. */
  take(now: number): Connection | null {
    const connection = this.#free.pop()
    if (connection === undefined) {
      return this.#closed || this.#all.size >= this.#options.connections ? null : this.#open()
    }
    if (!connection.isOld(now)) return connection
    this.#all.delete(connection)
    void connection.close()
    return this.#open()
  }

  /** Ends a connection that is in use and gives another for it. */
  exchange(connection: Connection): Connection {
    this.#all.delete(connection)
    void connection.destroy()
    return this.#open()
  }

  /** Returns for how long the endpoint is left out from now on, in milliseconds; 0 where it is not. */
  giveBack(connection: Connection, outcome: ExchangeOutcome, now: number): number {
    if (outcome === 'answered' && !this.#closed) {
      connection.markUsed()
      this.#free.push(connection)
    } else {
      this.#all.delete(connection)
      void (outcome === 'answered' ? connection.close() : connection.destroy())
    }
    // What is idle beside a connection that failed is as old, and may be as dead: the name may stand for another machine by now.
    if (outcome === 'failed') this.#closeIdle()
    return this.#standing.record(outcome, now)
  }

  census(): { readonly idle: number; readonly busy: number } {
    return { idle: this.#free.filter(({ isOpen }) => isOpen).length, busy: this.#all.size - this.#free.length }
  }

  /** No new exchanges. Idle connections end now, the others as they are given back. */
  retire(): void {
    this.#closed = true
    this.#closeIdle()
  }

  /** No new exchanges. Idle connections end now, the others when their answers are complete. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#all].map(async (connection) => connection.close()))
  }

  /** Ends everything now. */
  async destroy(): Promise<void> {
    this.#closed = true
    await Promise.all([...this.#all].map(async (connection) => connection.destroy()))
  }

  #closeIdle(): void {
    for (const connection of this.#free) {
      this.#all.delete(connection)
      void connection.close()
    }
    this.#free = []
  }

  #open(): Connection {
    const { address, connect, now, serverName } = this.#options
    const connection = new Connection({
      origin: address.origin,
      connect,
      now,
      serverName: address.secure ? (serverName ?? address.hostname) : null,
    })
    this.#all.add(connection)
    return connection
  }
}
