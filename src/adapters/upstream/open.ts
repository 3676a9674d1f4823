import { Circuit } from '../../domain/circuit.ts'
import type { UpstreamCensus, UpstreamsOptions, UpstreamTarget, Visitor } from '../upstreams.ts'
import { parseAddress } from './address.ts'
import { Bulkhead } from './bulkhead.ts'
import type { Endpoint } from './endpoint.ts'
import { Endpoints } from './endpoints.ts'
import { checkHealth } from './health-check.ts'
import { createSecureContexts } from './secure-context.ts'

/** One application as all targets share it that describe it in the same way. */
export interface OpenedUpstream {
  readonly name: string
  readonly visit: (visitor: Visitor, patienceMs: number) => void
  readonly leave: (visitor: Visitor) => void
  readonly isCrowded: () => boolean
  readonly census: () => UpstreamCensus
  readonly close: () => Promise<void>
  readonly destroy: () => Promise<void>
}

type Options = Required<Omit<UpstreamsOptions, 'targets'>>

export function openUpstream(target: UpstreamTarget, options: Options): OpenedUpstream {
  const { now, lookup, onEvent, onWaited } = options
  const name = parseAddress(target.urls[0] ?? '').label
  const endpoints = new Endpoints({
    ...target,
    now,
    lookup,
    secureContext: createSecureContexts(target, {
      now,
      onUnusable: (error) => onEvent({ kind: 'tls_files_unusable', upstream: name, error }),
    }),
    watch: (endpoint) => watch(endpoint, target, options),
  })
  const { breaker, queue, stick } = target
  const bulkhead = new Bulkhead({
    name,
    endpoints,
    queue,
    sticky: stick === 'session',
    circuit: new Circuit(breaker === null ? null : { failures: breaker.failures, openMs: breaker.openSeconds * 1000 }),
    now,
    onWaited: (seconds) => onWaited(name, seconds),
    onEvent,
  })
  return {
    name,
    visit: (visitor, patienceMs) => bulkhead.visit(visitor, patienceMs),
    leave: (visitor) => bulkhead.leave(visitor),
    isCrowded: () => bulkhead.isCrowded,
    census: () => bulkhead.census(),
    async close() {
      bulkhead.stop()
      await endpoints.close()
    },
    async destroy() {
      bulkhead.stop()
      await endpoints.destroy()
    },
  }
}

function watch(endpoint: Endpoint, { health, host, urls }: UpstreamTarget, options: Options): () => void {
  if (health === null) return () => undefined
  const upstream = parseAddress(urls[0] ?? '').label
  return checkHealth(endpoint, {
    ...health,
    host: host === 'preserve' || host === 'upstream' ? null : host,
    random: options.random,
    onChange: (healthy) =>
      options.onEvent({
        kind: healthy ? 'address_healthy' : 'address_unhealthy',
        upstream,
        address: endpoint.label,
      }),
  })
}
