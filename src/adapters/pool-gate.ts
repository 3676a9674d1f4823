import type { CustomFetch } from 'openid-client'
import { Circuit } from '../domain/circuit.ts'
import { GatewayError } from '../domain/errors.ts'
import { TokenBucket } from '../domain/token-bucket.ts'
import { endpointOf } from './pool-fetch.ts'

/**
 * Keeps this process from asking the token endpoint more than it likes: so many requests a second, so many at a time, none for a while after
 * several failures in a row, and none before the time that an answer 429 named. Sign-ins go before refreshes, because a refresh can wait;
 * machines come last, because anybody can make the gateway ask whether a secret is one.
 */
export interface PoolGate {
  /** The same fetch, but for requests to the token endpoint, which throw GW_POOL_UNAVAILABLE where they may not go ahead. */
  through(fetch: CustomFetch): CustomFetch
}

export interface PoolGateOptions {
  readonly requestsPerSecond: number
  readonly now: () => number
  readonly onCircuit: (state: 'opened' | 'closed') => void
}

type Errand = 'sign-in' | 'refresh' | 'machine'

interface Lane {
  /** In the order of coming. */
  readonly waiting: Set<() => void>
  /** How many of all lanes may be under way for one of this lane to go ahead. */
  readonly concurrency: number
  pausedUntil: number
}

const RULES = { failures: 5, openMs: 3_000 }
/** Slow refreshes leave room for sign-ins. */
const CONCURRENCY = { 'sign-in': 32, refresh: 24, machine: 8 } as const
/** Who could not be served within so many seconds is refused at once: a session goes on with what it has, a person reads a page. */
const QUEUE_SECONDS = 2
const ERRANDS: ReadonlyMap<string, Errand> = new Map([
  ['refresh_token', 'refresh'],
  ['client_credentials', 'machine'],
])
const PAUSE_MS = { least: 1_000, default: 2_000, most: 30_000 }

export function createPoolGate({ requestsPerSecond, now, onCircuit }: PoolGateOptions): PoolGate {
  const circuit = new Circuit(RULES)
  const bucket = new TokenBucket(requestsPerSecond)
  const lanes: Readonly<Record<Errand, Lane>> = {
    'sign-in': createLane('sign-in'),
    refresh: createLane('refresh'),
    machine: createLane('machine'),
  }
  let underWay = 0
  let timer: NodeJS.Timeout | undefined

  async function send(errand: Errand, signal: AbortSignal | undefined, request: () => Promise<Response>) {
    const lane = lanes[errand]
    requireOpen(lane)
    await turnIn(lane, signal)
    try {
      // Things may have changed while this one waited for its turn.
      requireOpen(lane)
      return await observed(lane, request)
    } finally {
      underWay -= 1
      letIn()
    }
  }

  function requireOpen({ pausedUntil }: Lane): void {
    const pauseMs = pausedUntil - now()
    if (pauseMs > 0) throw refusal('throttled', pauseMs)
    if (!circuit.lets(now())) throw refusal('circuit_open', RULES.openMs)
  }

  async function turnIn(lane: Lane, signal: AbortSignal | undefined): Promise<void> {
    if (lane.waiting.size >= requestsPerSecond * QUEUE_SECONDS) throw refusal('pool_busy', QUEUE_SECONDS * 1000)
    await new Promise<void>((resolve, reject) => {
      const start = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      function leave(): void {
        lane.waiting.delete(start)
        reject(signal?.reason instanceof Error ? signal.reason : new TypeError('the request was given up'))
      }
      signal?.addEventListener('abort', leave)
      lane.waiting.add(start)
      letIn()
    })
  }

  function letIn(): void {
    clearTimeout(timer)
    for (let next = nextInLine(); next !== undefined; next = nextInLine()) {
      // The machine's own clock: whatever time it is, a rate is a rate.
      if (!bucket.take(performance.now())) {
        timer = setTimeout(letIn, Math.ceil(bucket.waitMs(performance.now()))).unref()
        return
      }
      next.lane.waiting.delete(next.start)
      underWay += 1
      next.start()
    }
  }

  function nextInLine(): { readonly lane: Lane; readonly start: () => void } | undefined {
    for (const lane of [lanes['sign-in'], lanes.refresh, lanes.machine]) {
      const [start] = lane.waiting
      if (start !== undefined && underWay < lane.concurrency) return { lane, start }
    }
    return undefined
  }

  async function observed(lane: Lane, request: () => Promise<Response>): Promise<Response> {
    const isProbe = circuit.begin(now())
    let failed = true
    try {
      const response = await request()
      failed = response.status >= 500
      if (response.status === 429) lane.pausedUntil = now() + pauseOf(response.headers.get('retry-after'), now())
      return response
    } finally {
      const became = circuit.record(failed ? 'failed' : 'answered', isProbe, now())
      if (became !== null) onCircuit(became)
    }
  }

  return {
    through: (fetch) => async (url, options) => {
      const { body, signal } = options
      if (endpointOf(url) !== 'token') return fetch(url, options)
      const grant = body instanceof URLSearchParams ? body.get('grant_type') : null
      return send(ERRANDS.get(grant ?? '') ?? 'sign-in', signal, async () => fetch(url, options))
    },
  }
}

function createLane(errand: Errand): Lane {
  return { waiting: new Set(), concurrency: CONCURRENCY[errand], pausedUntil: 0 }
}

function refusal(reason: 'throttled' | 'circuit_open' | 'pool_busy', waitMs: number): GatewayError {
  return new GatewayError('GW_POOL_UNAVAILABLE', {
    detail: 'the token endpoint was not asked',
    reason,
    headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
  })
}

/** What a 429 asks for, in milliseconds, as seconds or as a date (RFC 9110, 10.2.3), within bounds. */
function pauseOf(retryAfter: string | null, now: number): number {
  const text = retryAfter?.trim() ?? ''
  const asked = /^\d{1,6}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - now
  return Number.isNaN(asked) ? PAUSE_MS.default : Math.min(PAUSE_MS.most, Math.max(PAUSE_MS.least, asked))
}
