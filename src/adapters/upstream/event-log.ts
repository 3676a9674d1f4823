import type { Logger } from 'pino'
import type { UpstreamEvent } from '../upstreams.ts'

const says: Readonly<Record<UpstreamEvent['kind'], string>> = {
  circuit_opened: 'the application keeps failing; its requests are refused for a while',
  circuit_closed: 'the application answers again',
  address_left_out: 'an address of the application keeps failing and is left out for a while',
  address_unhealthy: 'an address of the application is not healthy',
  address_healthy: 'an address of the application is healthy again',
  tls_files_unusable: 'the TLS files of an application have changed and cannot be used; those from before stay in use',
}

/** One line for each change of what can be relied on. */
export function logUpstreamEvent(log: Logger, { kind, ...more }: UpstreamEvent): void {
  const good = kind === 'circuit_closed' || kind === 'address_healthy'
  const fields = 'error' in more ? { upstream: more.upstream, err: more.error } : more
  log[good ? 'info' : 'warn']({ event: kind, ...fields }, says[kind])
}
