import type { UpstreamAddress } from '../upstreams.ts'

/** An address of an application, taken apart once. */
export interface ParsedAddress extends UpstreamAddress {
  readonly secure: boolean
  /** Null for TCP. */
  readonly socketPath: string | null
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
  /** For people and metrics. */
  readonly label: string
}

/** `http://host:port/prefix`, `https://…` or `unix:/path/of.sock:/prefix`. */
export function parseAddress(text: string): ParsedAddress {
  const unix = /^unix:([^:]+)(?::(.*))?$/.exec(text)
  if (unix !== null) {
    const [, socketPath = '', prefix = ''] = unix
    return {
      origin: 'http://localhost',
      host: 'localhost',
      pathPrefix: prefix.replace(/\/$/, ''),
      secure: false,
      socketPath,
      hostname: 'localhost',
      label: socketPath,
    }
  }
  const { origin, host, hostname, pathname, protocol } = new URL(text)
  return {
    origin,
    host,
    pathPrefix: pathname.replace(/\/$/, ''),
    secure: protocol === 'https:',
    socketPath: null,
    hostname: hostname.replaceAll(/^\[|\]$/g, ''),
    label: host,
  }
}
