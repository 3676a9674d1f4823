import { Client, errors, type Dispatcher } from 'undici'
import type { ErrorCode } from '../domain/errors.ts'

export interface UpstreamTarget {
  readonly url: string
  readonly connectSeconds: number
}

export type UpstreamRefusal = 'queue_full' | 'queue_timeout' | 'circuit_open'

export interface Visitor {
  readonly stickTo: string | null
  enter(lease: Lease): void
  refuse(reason: UpstreamRefusal): void
}

export interface UpstreamAddress {
  readonly origin: string
  readonly host: string
  readonly pathPrefix: string
}

export interface Lease {
  readonly address: UpstreamAddress
  readonly reused: boolean
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void
  renew(): void
  release(outcome: 'answered' | 'failed' | 'abandoned'): void
}

export interface Upstream {
  readonly name: string
  visit(visitor: Visitor): void
  leave(visitor: Visitor): void
}

export interface Upstreams {
  of(target: UpstreamTarget): Upstream
  close(): Promise<void>
  destroy(): Promise<void>
}

class Connection implements Lease {
  readonly address: UpstreamAddress
  readonly pool: TemporaryUpstream
  client: Client
  uses = 0
  busy = false
  constructor(pool: TemporaryUpstream) {
    this.pool = pool
    this.address = pool.address
    this.client = this.open()
  }
  open(): Client {
    const client = new Client(this.address.origin, {
      pipelining: 1,
      keepAliveTimeout: 4000,
      connect: { timeout: 5000, rejectUnauthorized: true },
    })
    client.on('disconnect', () => {
      this.uses = 0
    })
    return client
  }
  get reused(): boolean {
    return this.uses > 0
  }
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void {
    this.client.dispatch(options, handler)
  }
  renew(): void {
    const old = this.client
    this.client = this.open()
    this.uses = 0
    void old.destroy()
  }
  release(): void {
    if (!this.busy) return
    this.busy = false
    this.uses += 1
    this.pool.back(this)
  }
}

class TemporaryUpstream implements Upstream {
  readonly name: string
  readonly address: UpstreamAddress
  readonly free: Connection[] = []
  readonly waiting: Visitor[] = []
  readonly all: Connection[] = []
  constructor(url: string) {
    const { origin, host, pathname } = new URL(url)
    this.name = host
    this.address = { origin, host, pathPrefix: pathname.replace(/\/$/, '') }
  }
  visit(visitor: Visitor): void {
    let connection = this.free.pop()
    if (connection === undefined) {
      if (this.all.length >= 256) {
        this.waiting.push(visitor)
        return
      }
      connection = new Connection(this)
      this.all.push(connection)
    }
    connection.busy = true
    visitor.enter(connection)
  }
  leave(visitor: Visitor): void {
    const at = this.waiting.indexOf(visitor)
    if (at >= 0) this.waiting.splice(at, 1)
  }
  back(connection: Connection): void {
    const next = this.waiting.shift()
    if (next === undefined) {
      this.free.push(connection)
      return
    }
    connection.busy = true
    next.enter(connection)
  }
}

export function createUpstreams(): Upstreams {
  const byTarget = new WeakMap<UpstreamTarget, TemporaryUpstream>()
  const all = new Map<string, TemporaryUpstream>()
  return {
    of(target) {
      let upstream = byTarget.get(target)
      if (upstream === undefined) {
        upstream = all.get(target.url) ?? new TemporaryUpstream(target.url)
        all.set(target.url, upstream)
        byTarget.set(target, upstream)
      }
      return upstream
    },
    async close() {
      await Promise.all([...all.values()].flatMap(({ all }) => all.map(async ({ client }) => client.close())))
    },
    async destroy() {
      await Promise.all([...all.values()].flatMap(({ all }) => all.map(async ({ client }) => client.destroy())))
    },
  }
}

export interface UpstreamFault {
  readonly code: ErrorCode
  readonly reason: string
}

const TIMEOUTS = new Set(['UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT'])
const INVALID = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RESPONSE',
  'UND_ERR_INFO',
])

/** What a failed exchange with an application means, by the code of the error. */
export function upstreamFault(error: unknown): UpstreamFault {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  if (TIMEOUTS.has(code)) return { code: 'GW_UPSTREAM_TIMEOUT', reason: 'timeout' }
  if (error instanceof errors.HTTPParserError || code.startsWith('HPE_') || INVALID.has(code)) {
    return { code: 'GW_UPSTREAM_INVALID', reason: 'invalid_answer' }
  }
  if (
    code === 'ECONNREFUSED' ||
    code === 'ENOTFOUND' ||
    code === 'EAI_AGAIN' ||
    code === 'EHOSTUNREACH' ||
    code === 'ENETUNREACH'
  ) {
    return { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'connect' }
  }
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE')
    return { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'reset' }
  if (code.startsWith('ERR_TLS_') || code.includes('CERT') || code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE') {
    return { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'certificate' }
  }
  return { code: 'GW_UPSTREAM_INVALID', reason: 'invalid_answer' }
}
