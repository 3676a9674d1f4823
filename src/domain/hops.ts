import { GatewayError } from './errors.ts'

/** How a gateway tells the next one that a request came through it. The name is of a reserved family: what a client says is never passed on. */
export const HOP_HEADER = 'x-gateway-hop'

/** A request that came through so many gateways goes in a circle. */
const MAX_HOPS = 5

/**
 * How many gateways a request came through, by the last one's word. Anybody can say so, but it proves nothing: who claims many hops is
 * refused, and who claims fewer than there were is counted on from there. What is no count, doubled ones among it, is as many as there may
 * be: where one gets lost on the way, a circle would have no end. Throws GW_LOOP from there on.
 */
export function countHops(header: string | readonly string[] | undefined): number {
  if (header === undefined) return 0
  const hops = typeof header === 'string' && /^\d{1,3}$/.test(header) ? Number(header) : MAX_HOPS
  if (hops >= MAX_HOPS) throw new GatewayError('GW_LOOP', { reason: 'loop' })
  return hops
}
