import { isIP } from 'node:net'
import { hostname } from 'node:os'
import { parseHost } from './domain/route-table.ts'

/**
 * Whether a Host header names a private listener as those who may use it do: by address, by localhost, or by this machine's name. A page of
 * another site can be made to resolve to that address; its Host header then still names that site.
 */
export function ownHosts(host: string): (header: string | undefined) => boolean {
  const names = new Set(['localhost', host.toLowerCase(), hostname().toLowerCase()])
  return (header) => {
    const asked = parseHost(header)
    return asked !== null && (names.has(asked) || isIP(asked.replaceAll(/^\[|\]$/g, '')) !== 0)
  }
}
