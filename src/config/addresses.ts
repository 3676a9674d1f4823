import { isIP } from 'node:net'
import { parseAddress } from '../domain/client-address.ts'
import { networkBase } from '../domain/networks.ts'

const HOST = /^(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

/** What is wrong with a host name that applications and publicUrl answer to. */
export function hostFault(value: string): string | undefined {
  if (value.includes('*')) return 'must be one host name: wildcards are not served, list each host'
  if (value.includes('/')) return 'must be a host name alone, without https:// and without a path'
  if (value.endsWith('.')) return 'must not end with a dot'
  if (/:\d*$/.test(value) && !value.endsWith(']')) return 'must be a host name alone, without a port'
  return HOST.test(value) || isIpv6(value) ? undefined : 'must be a host name such as wiki.example.com'
}

function isIpv6(value: string): boolean {
  return /^\[[\da-f:.]+\]$/i.test(value) && URL.canParse(`http://${value}`)
}

/** Whether a host can only be this very machine. */
export function isLoopbackHost(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

export const isWildcard = (host: string): boolean => host === '0.0.0.0' || host === '::'
export const isLocal = (host: string): boolean => isLoopbackHost(host) || host === '::1'

/** Whether two addresses to listen at can be the same. */
export function hostsOverlap(one: string, other: string): boolean {
  if (one.toLowerCase() === other.toLowerCase() || isWildcard(one) || isWildcard(other)) return true
  return (one === 'localhost' && isLocal(other)) || (other === 'localhost' && isLocal(one))
}

/** What is wrong with an address that must be scheme, host and port, and nothing else. */
export function originFault(value: string): string | undefined {
  const fault = urlFault(value)
  if (fault !== undefined) return fault
  const authority = value.slice(value.indexOf('://') + 3).replace(/\/$/, '')
  return authority.includes('/') ? 'must end after the host: take the path away' : undefined
}

/** What is wrong with the address of an application: http, https, or unix:/path/of.sock and perhaps :/path. */
export function upstreamUrlFault(value: string): string | undefined {
  if (value.startsWith('unix:')) return unixFault(value.slice('unix:'.length))
  return urlFault(value) ?? plainPathFault(value.slice(value.indexOf('://') + 3).replace(/^[^/]*/, ''))
}

// Linux takes 107 bytes, others a few less.
const MAX_SOCKET_PATH = 103

function unixFault(rest: string): string | undefined {
  const [socketPath = '', path, ...more] = rest.split(':')
  if (!socketPath.startsWith('/')) return 'must name the socket by its whole path, such as unix:/run/app.sock'
  if (Buffer.byteLength(socketPath) > MAX_SOCKET_PATH)
    return `must not have a socket path longer than ${MAX_SOCKET_PATH} bytes`
  if (more.length > 0 || (path !== undefined && !path.startsWith('/')))
    return 'must end after the socket, or have : and a path after it, such as unix:/run/app.sock:/wiki'
  return plainPathFault(path ?? '')
}

/** What is wrong with the name that an application's certificate is held to. */
export function serverNameFault(value: string): string | undefined {
  return isIP(value.replaceAll(/^\[|\]$/g, '')) === 0
    ? hostFault(value)
    : 'must be a name: TLS cannot ask for an address; leave it out, and the certificate is held to the address of url'
}

function plainPathFault(path: string): string | undefined {
  if (/(?:^|\/)\.{1,2}(?:\/|$)/.test(path) || /%2e/i.test(path)) return 'must not contain . or .. segments'
  return /^[A-Za-z0-9._~!$&'()*+,=:@/-]*$/.test(path) && !path.includes('//')
    ? undefined
    : 'must have a plain path: letters, digits, - . _ ~ and single slashes'
}

function urlFault(value: string): string | undefined {
  if (!/^https?:\/\//.test(value)) return 'must begin with https:// or http://'
  const rest = value.slice(value.indexOf('://') + 3)
  if (/[\s\\]/.test(rest)) return 'must not contain spaces or backslashes'
  if (rest.includes('?')) return 'must not have a query: take away the ? and what follows'
  if (rest.includes('#')) return 'must not have a fragment: take away the # and what follows'
  const authority = rest.replace(/\/.*$/s, '')
  if (authority.includes('@')) return 'must not contain a user or password'
  const host = authority.replace(/:\d+$/, '')
  if (host.endsWith('.')) return 'must not have a dot after the host'
  return hostFault(host) === undefined && URL.canParse(value)
    ? undefined
    : 'must have a valid host, and a port from 1 to 65535'
}

/** What is wrong with a network such as 10.0.0.0/8; none may be everybody. */
export function networkFault(value: string): string | undefined {
  const [address = '', prefix, ...more] = value.split('/')
  const family = isIP(address)
  if (family === 0 || address.includes('%') || more.length > 0)
    return 'must be a network such as 10.0.0.0/8 or 2001:db8::/32'
  const longest = family === 4 ? 32 : 128
  if (prefix === undefined) return `must end with the length of its prefix: /${longest} for this one address`
  if (!/^\d{1,3}$/.test(prefix) || Number(prefix) > longest) return `must end with a prefix from /1 to /${longest}`
  if (Number(prefix) === 0) return 'must not be everybody: name the networks that are meant'
  if (/^::ffff:/i.test(address)) return 'must be written as IPv4, such as 10.0.0.0/8'
  const base = networkBase(value)
  return base === parseAddress(address)
    ? undefined
    : `names one address and the length of a whole network: write ${base}/${prefix} for the network, or /${longest} for this one address`
}

/** What is wrong with a path of the gateway's own. */
export function ownPathFault(value: string): string | undefined {
  return /^(?:\/[A-Za-z0-9_-]+)+$/.test(value)
    ? undefined
    : 'must be a path such as /oauth2: a slash, then letters, digits, - and _, and no slash at the end'
}

/** What is wrong with a path of an application or route; a final /* is allowed. */
export function pathPatternFault(value: string): string | undefined {
  if (!value.startsWith('/')) return `must begin with a slash`
  if (value.includes('%')) return 'must be written decoded: a plain character in place of each %XX'
  if (/[?#\\]/.test(value)) return 'must be a path alone, without ?, # and \\'
  const base = value.replace(/\/\*$/, '')
  if (base.includes('*')) return 'may have * only as a final /*'
  if (value !== '/' && base.endsWith('/'))
    return 'must not end with a slash: a route covers its path with and without one'
  const segments = base.split('/').slice(1)
  if (value !== '/' && segments.includes('')) return 'must not contain //'
  if (segments.some((segment) => segment === '.' || segment === '..')) return 'must not contain . or .. segments'
  if (segments.some((segment) => segment.startsWith(':') && !/^:[A-Za-z][A-Za-z0-9_]*$/.test(segment)))
    return 'must have a name of letters and digits after each :, as a whole segment'
  return undefined
}
