import { GatewayError } from './errors.ts'
import { isMethodOverride } from './reserved-headers.ts'

/** Every method that override headers name, in capitals and once each. Throws where one could be read in more than one way. */
export function methodsNamed(rawHeaders: readonly string[]): readonly string[] {
  const named = new Set<string>()
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (!isMethodOverride(rawHeaders[at] ?? '')) continue
    const value = (rawHeaders[at + 1] ?? '').trim()
    if (!/^[A-Za-z-]{1,32}$/.test(value)) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'method_override' })
    named.add(value.toUpperCase())
  }
  return [...named]
}
