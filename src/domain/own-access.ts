import { decide, refusalOf, type Decision } from './access.ts'
import type { Circumstances } from './conditions.ts'
import { GatewayError } from './errors.ts'
import type { Identity } from './identity.ts'
import { nothingAt, type OwnEndpoint } from './own-endpoints.ts'
import type { Site } from './site.ts'

interface OwnQuestion extends Circumstances {
  readonly host: string | null
  readonly method: string
  /** Who asks, as the gateway's own addresses read what they bring; an error where that is refused. */
  readonly callerAt: (route: null) => { readonly identity: Identity | GatewayError | null }
}

/** Why one of the gateway's own addresses does not answer a request, in the order of the running gateway; null where it does. */
export function ownRefusal(
  endpoint: OwnEndpoint | null,
  question: OwnQuestion,
  sites: ReadonlyMap<string, Pick<Site, 'pool'>>,
): GatewayError | null {
  const { host, method } = question
  const methods = endpoint?.methods ?? []
  if (endpoint?.onAnyHost === true && methods.includes(method)) return null
  if (host === null) return new GatewayError('GW_REQUEST_REFUSED', { reason: 'host_malformed' })
  const site = sites.get(host)
  if (site === undefined) return new GatewayError('GW_HOST_UNKNOWN', { reason: 'host_unknown' })
  if (endpoint === null || !methods.includes(method)) return nothingAt(methods)
  const { access } = endpoint
  const { identity } = access === 'public' ? { identity: null } : question.callerAt(null)
  if (identity instanceof GatewayError) return identity
  const decision = decide({ access, pool: site.pool }, identity, question)
  return decision.kind === 'permit' ? null : errorOf(decision)
}

export function errorOf(decision: Exclude<Decision, { kind: 'permit' }>): GatewayError {
  const { code, reason } = refusalOf(decision)
  return new GatewayError(code, { reason })
}
