import type { Connection } from './connection.ts'
import type { Endpoint } from './endpoint.ts'

/** Whose turn it is among the endpoints of one application. */
export class Turns {
  #at = 0

  /** A connection to the next endpoint that has one; null where none has. */
  take(endpoints: readonly Endpoint[], now: number): { endpoint: Endpoint; connection: Connection } | null {
    const fit = inStanding(endpoints, now)
    return this.#round(fit, now, (endpoint) => endpoint.isItsTurn(now)) ?? this.#round(fit, now, () => true)
  }

  #round(endpoints: readonly Endpoint[], now: number, accepts: (endpoint: Endpoint) => boolean) {
    for (let step = 0; step < endpoints.length; step += 1) {
      this.#at = (this.#at + 1) % endpoints.length
      const endpoint = endpoints[this.#at]
      const connection = endpoint !== undefined && accepts(endpoint) ? endpoint.take(now) : null
      if (endpoint !== undefined && connection !== null) return { endpoint, connection }
    }
    return null
  }
}

/**
 * The endpoint that this session belongs to, by weighted rendezvous hashing: where an endpoint comes or goes, only its own sessions move,
 * and to one that is coming back they return little by little.
 */
export function homeOf(session: string, endpoints: readonly Endpoint[], now: number): Endpoint | undefined {
  let best: Endpoint | undefined
  let highest = Number.NEGATIVE_INFINITY
  for (const endpoint of inStanding(endpoints, now)) {
    const score = (endpoint.share(now) || 1) / -Math.log(fraction(`${endpoint.label} ${session}`))
    if (score <= highest) continue
    highest = score
    best = endpoint
  }
  return best
}

/** The healthy ones that are not left out; all healthy ones where every one is: a request that may fail is better than none. */
function inStanding(endpoints: readonly Endpoint[], now: number): readonly Endpoint[] {
  const fit = endpoints.filter((endpoint) => endpoint.healthy && endpoint.share(now) > 0)
  return fit.length === 0 ? endpoints.filter(({ healthy }) => healthy) : fit
}

/** A text as an even spread between 0 and 1, both excluded: FNV-1a, its bits mixed as MurmurHash3 does at its end. */
function fraction(text: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (((hash ^ (hash >>> 16)) >>> 0) + 0.5) / 2 ** 32
}
