import { Pool, errors, type Dispatcher } from 'undici'
import type { ErrorCode } from '../domain/errors.ts'

export interface UpstreamTarget {
  /** Origin and optional path prefix of the application. */
  readonly url: string
  readonly connectSeconds: number
}

/** Connection pools to the applications, one per origin and connect timeout, made at first use. */
export interface Upstreams {
  of(target: UpstreamTarget): Dispatcher
  /** Ends idle connections now and the others when their answers are complete. */
  close(): Promise<void>
  /** Ends everything now. */
  destroy(): Promise<void>
}

const CONNECTIONS_PER_ORIGIN = 256
const KEEP_ALIVE_MS = 4_000

export function createUpstreams(): Upstreams {
  const pools = new Map<string, Pool>()
  return {
    of({ url, connectSeconds }) {
      const { origin } = new URL(url)
      const key = `${origin} ${connectSeconds}`
      let pool = pools.get(key)
      if (pool === undefined) {
        pool = new Pool(origin, {
          connections: CONNECTIONS_PER_ORIGIN,
          pipelining: 1,
          keepAliveTimeout: KEEP_ALIVE_MS,
          connect: { timeout: connectSeconds * 1000, rejectUnauthorized: true },
        })
        pools.set(key, pool)
      }
      return pool
    },
    async close() {
      await Promise.all([...pools.values()].map(async (pool) => pool.close()))
    },
    async destroy() {
      await Promise.all([...pools.values()].map(async (pool) => pool.destroy()))
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
