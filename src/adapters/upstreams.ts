import { lookup as dnsLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import { errors, type Dispatcher } from 'undici'
import type { ExchangeOutcome } from '../domain/circuit.ts'
import type { ErrorCode } from '../domain/errors.ts'
import type { HealthRules } from './upstream/health-check.ts'
import { openUpstream, type OpenedUpstream } from './upstream/open.ts'

/** Where an application listens, and how it is treated. */
export interface UpstreamTarget {
  /** At least one: `http://host:port/prefix`, `https://…` or `unix:/path/of.sock:/prefix`. */
  readonly urls: readonly string[]
  /** `preserve`, `upstream`, or the name that health checks send. */
  readonly host: string
  readonly serverName: string | undefined
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly insecureSkipVerify: boolean
  readonly connectSeconds: number
  /** Also how long a visitor waits for a connection. */
  readonly responseSeconds: number
  /** At most so many to each address. */
  readonly connections: number
  /** At most so many visitors wait. */
  readonly queue: number
  readonly stick: 'none' | 'session'
  readonly resolve: 'one' | 'all'
  readonly health: HealthRules | null
  readonly breaker: { readonly failures: number; readonly openSeconds: number } | null
}

/** One application, wherever it listens: its addresses, its connections, the queue in front of them. */
export interface Upstream {
  /** For the metric label `upstream`: host[:port] (or socket path) of the first address as configured. */
  readonly name: string
  /** Calls `visitor.enter` as soon as a connection is free (at once where one is free now), or `visitor.refuse`, once. */
  visit(visitor: Visitor): void
  /** A visitor that still waits in the queue goes home; no-op otherwise. */
  leave(visitor: Visitor): void
  /** Somebody waits for a connection. */
  isCrowded(): boolean
}

export type UpstreamRefusal = 'queue_full' | 'queue_timeout' | 'circuit_open'

/** A request that wants a connection. Neither method may throw: they are called in the middle of other requests' exchanges. */
export interface Visitor {
  /** With `stick: session`: what ties requests to one address; null for none. */
  readonly stickTo: string | null
  /** Keeps one connection for one client's alone; null: any connection will do. */
  readonly pin: Pin | null
  enter(lease: Lease): void
  refuse(reason: UpstreamRefusal): void
}

/** A connection to the application that belongs to one client connection and one session, because it may be signed in by itself. */
export interface Pin {
  /** Between exchanges: ends the connection. Set by the upstream, called when the client's connection is over. */
  end: (() => void) | null
}

/** The use of one connection for one exchange. */
export interface Lease {
  readonly address: UpstreamAddress
  /** Whether this connection, as it is now, carried an exchange before: then a reset before the first byte may only mean that it was stale. */
  readonly reused: boolean
  /** What ended the connection, where it did not end in order: an answer that only the end of its connection ends is not whole then. */
  readonly fault: Error | null
  /** undici's dispatch on this one connection (also with `upgrade: 'websocket'`). */
  dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): void
  /** Exchanges the connection for one that nobody used, at the same address; for the one retry of a stale connection. */
  renew(): void
  /**
   * Gives the connection back; must be called once, further calls do nothing. What became of it moves ejection and breaker. A connection
   * that did not answer is ended. After an upgrade the socket belongs to the tunnel, and the connection may be given back at once.
   */
  release(outcome: ExchangeOutcome): void
}

export interface UpstreamAddress {
  /** Scheme, host and port as configured; http://localhost for a unix socket. */
  readonly origin: string
  /** For the Host header with `host: upstream`. */
  readonly host: string
  /** '' or '/x' without final slash. */
  readonly pathPrefix: string
}

/** The connections to one application at this moment. */
export interface UpstreamCensus {
  readonly upstream: string
  readonly idle: number
  readonly busy: number
  /** Nothing is sent: the circuit is open, or no address is healthy. */
  readonly isShut: boolean
}

/** What an operator wants to read of. */
export type UpstreamEvent =
  | { readonly kind: 'circuit_opened' | 'circuit_closed'; readonly upstream: string }
  | { readonly kind: 'address_left_out'; readonly upstream: string; readonly address: string; readonly seconds: number }
  | { readonly kind: 'address_unhealthy' | 'address_healthy'; readonly upstream: string; readonly address: string }
  | { readonly kind: 'tls_files_unusable'; readonly upstream: string; readonly error: unknown }

/** The applications behind the gateway. Targets that differ in nothing that matters to connections share them. */
export interface Upstreams {
  /** The same object for the same target. */
  of(target: UpstreamTarget): Upstream
  /** One entry for each name. */
  census(): readonly UpstreamCensus[]
  /** Ends idle connections now and the others when their answers are complete. */
  close(): Promise<void>
  /** Ends everything now. */
  destroy(): Promise<void>
}

export interface UpstreamsOptions {
  /** Opened at once, so that health checks begin and TLS files are read before the first request; throws where they cannot be. */
  readonly targets?: readonly UpstreamTarget[]
  readonly now?: () => number
  /** 0 to 1. */
  readonly random?: () => number
  readonly lookup?: LookupFunction
  /** A visitor waited so long in the queue; not called for those who found a connection at once. */
  readonly onWaited?: (upstream: string, seconds: number) => void
  readonly onEvent?: (event: UpstreamEvent) => void
}

export function createUpstreams({ targets = [], ...given }: UpstreamsOptions = {}): Upstreams {
  const options: Required<Omit<UpstreamsOptions, 'targets'>> = {
    now: Date.now,
    random: Math.random,
    lookup: dnsLookup,
    onWaited: () => undefined,
    onEvent: () => undefined,
    ...given,
  }
  const opened = new Map<string, OpenedUpstream>()
  const known = new WeakMap<UpstreamTarget, Upstream>()

  function of(target: UpstreamTarget): Upstream {
    let upstream = known.get(target)
    if (upstream === undefined) {
      upstream = withPatience(shared(target), target.responseSeconds * 1000)
      known.set(target, upstream)
    }
    return upstream
  }

  function shared(target: UpstreamTarget): OpenedUpstream {
    const key = keyOf(target)
    const before = opened.get(key)
    if (before !== undefined) return before
    const fresh = openUpstream(target, options)
    opened.set(key, fresh)
    return fresh
  }

  for (const target of targets) of(target)
  return {
    of,
    census: () => addedUp([...opened.values()].map((upstream) => upstream.census())),
    async close() {
      await Promise.all([...opened.values()].map(async (upstream) => upstream.close()))
    },
    async destroy() {
      await Promise.all([...opened.values()].map(async (upstream) => upstream.destroy()))
    },
  }
}

/** Times that are told with each request make no other connections; the Host header does where health checks send it. */
function keyOf({ urls, host, health, ...target }: UpstreamTarget): string {
  const { serverName, caFile, certFile, keyFile, insecureSkipVerify, connectSeconds } = target
  const { connections, queue, stick, resolve, breaker } = target
  const tls = [serverName, caFile, certFile, keyFile, insecureSkipVerify]
  const checked = health === null ? null : { ...health, host }
  return JSON.stringify([urls, tls, connectSeconds, connections, queue, stick, resolve, breaker, checked])
}

function withPatience({ name, visit, leave, isCrowded }: OpenedUpstream, patienceMs: number): Upstream {
  return { name, visit: (visitor) => visit(visitor, patienceMs), leave, isCrowded }
}

function addedUp(all: readonly UpstreamCensus[]): readonly UpstreamCensus[] {
  const byName = new Map<string, UpstreamCensus>()
  for (const one of all) {
    const { idle, busy, isShut } = byName.get(one.upstream) ?? { idle: 0, busy: 0, isShut: false }
    byName.set(one.upstream, {
      upstream: one.upstream,
      idle: idle + one.idle,
      busy: busy + one.busy,
      isShut: isShut || one.isShut,
    })
  }
  return [...byName.values()]
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

/** Codes of errors that are a shortage of ours: they say nothing about the application. */
const OUR_SHORTAGE = new Set(['EMFILE', 'ENFILE'])
// The last two are a unix socket's.
const NOT_THERE = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOENT', 'EACCES'])

/** What a failed exchange with an application means, by the code of the error. */
export function upstreamFault(error: unknown): UpstreamFault {
  const code = typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : ''
  if (OUR_SHORTAGE.has(code)) return { code: 'GW_OVERLOADED', reason: 'file_descriptors' }
  if (TIMEOUTS.has(code)) return { code: 'GW_UPSTREAM_TIMEOUT', reason: 'timeout' }
  if (error instanceof errors.HTTPParserError || code.startsWith('HPE_') || INVALID.has(code)) {
    return { code: 'GW_UPSTREAM_INVALID', reason: 'invalid_answer' }
  }
  if (NOT_THERE.has(code) || code.startsWith('EAI_')) return { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'connect' }
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE')
    return { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'reset' }
  if (code.startsWith('ERR_TLS_') || code.includes('CERT') || code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE') {
    return { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'certificate' }
  }
  return { code: 'GW_UPSTREAM_INVALID', reason: 'invalid_answer' }
}
