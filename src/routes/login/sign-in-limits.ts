import type { FastifyRequest } from 'fastify'
import type { Metrics } from '../../adapters/metrics.ts'
import { GatewayError } from '../../domain/errors.ts'
import { RateLimit, subscriberOf } from '../../domain/rate-limit.ts'

/** What one address may ask for in a minute. Both throw GW_TOO_MANY_REQUESTS with the seconds to wait. */
export interface SignInLimits {
  /** A sign-in is to begin. */
  begin(request: FastifyRequest): void
  /** Something came that is no sign-in of ours, or asks about one: counted apart, so that guesses of a neighbour keep nobody from signing in. */
  guess(request: FastifyRequest): void
}

export interface SignInLimitsOptions {
  /** Null: no limit. */
  readonly signInsPerMinute: number | null
  readonly metrics: Metrics
  readonly ticks: () => number
}

export function createSignInLimits({ signInsPerMinute, metrics, ticks }: SignInLimitsOptions): SignInLimits {
  const take = (limit: RateLimit | null, request: FastifyRequest): void => {
    const waitMs = limit?.take(subscriberOf(request.peer.address), ticks()) ?? 0
    if (waitMs === 0) return
    metrics.count('requests_refused_total', { reason: 'sign_in_rate' })
    throw new GatewayError('GW_TOO_MANY_REQUESTS', {
      reason: 'sign_in_rate',
      headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
    })
  }
  const limit = (): RateLimit | null => (signInsPerMinute === null ? null : new RateLimit(signInsPerMinute))
  const [begun, guessed] = [limit(), limit()]
  return {
    begin: (request) => take(begun, request),
    guess: (request) => take(guessed, request),
  }
}
