import type { Dispatcher } from 'undici'
import type { Circuit, ExchangeOutcome } from '../../domain/circuit.ts'
import type { Lease, Pin, UpstreamCensus, UpstreamEvent, UpstreamRefusal, Visitor } from '../upstreams.ts'
import type { Connection } from './connection.ts'
import type { Endpoint } from './endpoint.ts'
import type { Endpoints } from './endpoints.ts'
import { Turns, homeOf } from './turns.ts'

/** How often those who wait are looked through for one that waited too long. */
const SWEEP_MS = 200

export interface BulkheadOptions {
  readonly name: string
  readonly endpoints: Endpoints
  readonly queue: number
  readonly sticky: boolean
  readonly circuit: Circuit
  readonly now: () => number
  /** A request waited so long for its connection. */
  readonly onWaited: (seconds: number) => void
  readonly onEvent: (event: UpstreamEvent) => void
}

interface Waiting {
  readonly since: number
  readonly until: number
  /** The endpoint of the visitor's session, where it is tied to one. */
  home: Endpoint | undefined
}

interface Taken {
  readonly endpoint: Endpoint
  readonly connection: Connection
}

/** What stands between all requests and one application: so many connections, so many who wait, and nobody while the circuit is open. */
export class Bulkhead {
  readonly name: string
  readonly #options: BulkheadOptions
  readonly #circuit: Circuit
  readonly #turns = new Turns()
  /** In the order in which they came. */
  readonly #waiting = new Map<Visitor, Waiting>()
  /** So many may wait. */
  #places: number
  /** Connections that wait for the next exchange of the client that they belong to. */
  readonly #pinned = new WeakMap<Pin, Taken>()
  #sweep: NodeJS.Timeout | undefined
  #admitting = false
  #openings = 0

  constructor(options: BulkheadOptions) {
    this.#options = options
    this.#circuit = options.circuit
    this.#places = options.queue
    this.name = options.name
  }

  /** Somebody waits. */
  get isCrowded(): boolean {
    return this.#waiting.size > 0
  }

  visit(visitor: Visitor, patienceMs: number): void {
    const now = this.#options.now()
    if (this.#isShut(now)) {
      visitor.refuse('circuit_open')
      return
    }
    const taken = this.#take(visitor, now)
    if (taken !== null) {
      this.#enter(visitor, taken, now)
      return
    }
    if (this.#waiting.size >= this.#places) {
      visitor.refuse('queue_full')
      return
    }
    this.#waiting.set(visitor, { since: now, until: now + patienceMs, home: this.#home(visitor, now) })
    this.#sweep ??= setInterval(() => this.#refuseLate(), SWEEP_MS).unref()
  }

  leave(visitor: Visitor): void {
    this.#waiting.delete(visitor)
  }

  /** For leases only: the connection comes back. */
  finish(taken: Taken, outcome: ExchangeOutcome, { isProbe, pin }: LeaseTerms): void {
    const now = this.#options.now()
    const { endpoint, connection } = taken
    const isKept = pin !== null && outcome === 'answered' && this.#keep(pin, taken)
    const outMs = isKept ? 0 : endpoint.giveBack(connection, outcome, now)
    if (outcome === 'failed') this.#options.endpoints.doubt()
    if (outMs > 0 && this.#options.endpoints.list.length > 1)
      this.#options.onEvent({
        kind: 'address_left_out',
        upstream: this.name,
        address: endpoint.label,
        seconds: outMs / 1000,
      })
    const change = this.#circuit.record(outcome, isProbe, now)
    if (change !== null) this.#options.onEvent({ kind: `circuit_${change}`, upstream: this.name })
    if (this.#waiting.size === 0) return
    if (this.#isShut(now)) this.#refuseAll('circuit_open')
    else this.#admit(1, endpoint, now)
  }

  census(): UpstreamCensus {
    let [idle, busy] = [0, 0]
    for (const endpoint of this.#options.endpoints.list) {
      const counted = endpoint.census()
      idle += counted.idle
      busy += counted.busy
    }
    return { upstream: this.name, idle, busy, isShut: this.#isShut(this.#options.now()) }
  }

  /** Whoever waits or comes from now on and finds no connection is refused. */
  stop(): void {
    this.#places = 0
    clearInterval(this.#sweep)
    this.#refuseAll('queue_timeout')
  }

  #isShut(now: number): boolean {
    return !this.#circuit.lets(now) || !this.#options.endpoints.list.some(({ healthy }) => healthy)
  }

  #home({ stickTo }: Visitor, now: number): Endpoint | undefined {
    return this.#options.sticky && stickTo !== null ? homeOf(stickTo, this.#options.endpoints.list, now) : undefined
  }

  /** False where the client has another connection already. */
  #keep(pin: Pin, taken: Taken): boolean {
    if (pin.end !== null) return false
    this.#pinned.set(pin, taken)
    pin.end = () => {
      this.#pinned.delete(pin)
      taken.endpoint.giveBack(taken.connection, 'abandoned', this.#options.now())
      this.#admit(1, taken.endpoint, this.#options.now())
    }
    return true
  }

  #take(visitor: Visitor, now: number): Taken | null {
    const kept = visitor.pin === null ? undefined : this.#pinned.get(visitor.pin)
    if (kept !== undefined && visitor.pin !== null) {
      this.#pinned.delete(visitor.pin)
      visitor.pin.end = null
      return kept
    }
    const { list } = this.#options.endpoints
    const endpoint = list.length === 1 ? list[0] : this.#home(visitor, now)
    if (endpoint === undefined) return this.#turns.take(list, now)
    const connection = endpoint.take(now)
    return connection === null ? null : { endpoint, connection }
  }

  #enter(visitor: Visitor, taken: Taken, now: number): void {
    visitor.enter(new ConnectionLease(this, taken, { isProbe: this.#circuit.begin(now), pin: visitor.pin }))
  }

  /**
   * Lets in as many as there are connections again, at the endpoint that was freed or, where it is null, at any. Who is tied to another
   * endpoint does not hold up those behind.
   */
  #admit(openings: number, freed: Endpoint | null, now: number): void {
    this.#openings += openings
    // A visitor that fails at once gives its connection back in here: the loop that is under way goes on with it.
    if (this.#admitting) return
    this.#admitting = true
    try {
      for (const [visitor, waiting] of this.#waiting) {
        if (this.#openings === 0 || this.#isShut(now)) return
        if (freed === null) waiting.home = this.#home(visitor, now)
        if (freed !== null && waiting.home !== undefined && waiting.home !== freed) continue
        if (this.#admitOne(visitor, waiting.since, now)) this.#openings -= 1
        else if (waiting.home === undefined) return
      }
    } finally {
      this.#admitting = false
      this.#openings = 0
    }
  }

  #admitOne(visitor: Visitor, since: number, now: number): boolean {
    const taken = this.#take(visitor, now)
    if (taken === null) return false
    this.#waiting.delete(visitor)
    this.#options.onWaited((now - since) / 1000)
    this.#enter(visitor, taken, now)
    return true
  }

  #refuseAll(reason: UpstreamRefusal): void {
    for (const visitor of this.#waiting.keys()) this.#refuse(visitor, reason)
  }

  #refuse(visitor: Visitor, reason: UpstreamRefusal): void {
    this.#waiting.delete(visitor)
    visitor.refuse(reason)
  }

  #refuseLate(): void {
    const now = this.#options.now()
    for (const [visitor, { until }] of this.#waiting) if (now >= until) this.#refuse(visitor, 'queue_timeout')
    // An address may have been left out, or be back, by now.
    this.#admit(this.#waiting.size, null, now)
    if (this.#waiting.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }
}

interface LeaseTerms {
  readonly isProbe: boolean
  readonly pin: Pin | null
}

class ConnectionLease implements Lease {
  readonly #bulkhead: Bulkhead
  readonly #terms: LeaseTerms
  readonly #endpoint: Endpoint
  #connection: Connection
  #over = false

  constructor(bulkhead: Bulkhead, { endpoint, connection }: Taken, terms: LeaseTerms) {
    this.#bulkhead = bulkhead
    this.#endpoint = endpoint
    this.#connection = connection
    this.#terms = terms
  }

  get address(): Lease['address'] {
    return this.#endpoint.address
  }

  get reused(): boolean {
    return this.#connection.used
  }

  get fault(): Error | null {
    return this.#connection.fault
  }

  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.#connection.dispatch(options, handler)
  }

  renew(): void {
    this.#connection = this.#endpoint.exchange(this.#connection)
  }

  release(outcome: ExchangeOutcome): void {
    if (this.#over) return
    this.#over = true
    this.#bulkhead.finish({ endpoint: this.#endpoint, connection: this.#connection }, outcome, this.#terms)
  }
}
