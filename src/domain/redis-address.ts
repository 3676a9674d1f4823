/** Where Redis or Valkey is, and how it is asked. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  readonly tls: boolean
  /** At least one: the server itself, the sentinels, or some nodes of the cluster. */
  readonly hosts: readonly RedisHost[]
  readonly user: string | undefined
  readonly password: string | undefined
  /** The sentinels want the same user and password as the servers. */
  readonly sentinelsAsk: boolean
  /** The name by which the sentinels know the master; empty for every other kind. */
  readonly master: string
  readonly database: number
}

export interface RedisHost {
  readonly host: string
  readonly port: number
}

export type RedisAddressReading =
  | { readonly address: RedisAddress; readonly fault?: undefined }
  | { readonly address?: undefined; readonly fault: string }

const SHAPE = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?#]*)@)?([^/?#@]*)(\/[^?#]*)?(?:\?([^#]*))?$/
const PORT = 6_379
const SENTINEL_PORT = 26_379
const MAX_DATABASE = 1_023

/**
 * Reads an address such as `rediss://user:password@host:6379/0`. A fault says what is wrong and never quotes the address, which holds a
 * password.
 */
export function parseRedisAddress(text: string): RedisAddressReading {
  const [whole, scheme, suffix, login, places = '', path = '', query] = SHAPE.exec(text) ?? []
  if (whole === undefined || /[^\x21-\x7e]/.test(text))
    return {
      fault:
        'must hold one address that begins with redis:// or rediss://, redis+sentinel:// or redis+cluster://; write / ? # @ in a password as %2F %3F %23 %40',
    }
  const kind = suffix === 'sentinel' || suffix === 'cluster' ? suffix : 'single'
  const credentials = readLogin(login)
  if (credentials === null)
    return { fault: 'must name user and password as user:password@, or a password alone as :password@' }
  const hosts = readHosts(places, kind)
  if (hosts === null) return { fault: 'must name hosts as host:port, or [IPv6]:port, with a comma between two' }
  if (kind === 'single' && hosts.length > 1)
    return { fault: 'names several hosts: begin it with redis+sentinel:// or redis+cluster://' }
  const target = readPath(path, kind)
  if (target === null) return { fault: PATH_FAULTS[kind] }
  if (query !== undefined && (query !== 'sentinelAuth=same' || kind !== 'sentinel'))
    return {
      fault: 'has something after a question mark that is not known: only ?sentinelAuth=same for redis+sentinel://',
    }
  return {
    address: { kind, tls: scheme === 'rediss', hosts, ...credentials, ...target, sentinelsAsk: query !== undefined },
  }
}

const PATH_FAULTS = {
  single: 'must end with the host, or with / and the number of a database',
  sentinel:
    'must end with / and the name of the master, as the sentinels know it, such as redis+sentinel://host:26379/mymaster',
  cluster: 'must end with the hosts: a cluster has no databases',
} as const

interface Login {
  readonly user: string | undefined
  readonly password: string | undefined
}

function readLogin(login: string | undefined): Login | null {
  if (login === undefined) return { user: undefined, password: undefined }
  const colon = login.indexOf(':')
  if (colon === -1 || colon === login.length - 1) return null
  try {
    const user = decodeURIComponent(login.slice(0, colon))
    return { user: user === '' ? undefined : user, password: decodeURIComponent(login.slice(colon + 1)) }
  } catch {
    return null
  }
}

function readHosts(places: string, kind: RedisAddress['kind']): readonly RedisHost[] | null {
  const hosts: RedisHost[] = []
  for (const place of places.split(',')) {
    const [, bracketed, plain, digits] = /^(?:\[([0-9a-f:.]+)\]|([\w.-]+))(?::(\d{1,5}))?$/i.exec(place) ?? []
    const host = bracketed ?? plain
    const port = digits === undefined ? (kind === 'sentinel' ? SENTINEL_PORT : PORT) : Number(digits)
    if (host === undefined || port === 0 || port > 65_535) return null
    hosts.push({ host, port })
  }
  return hosts
}

function readPath(
  path: string,
  kind: RedisAddress['kind'],
): { readonly master: string; readonly database: number } | null {
  const [, first = '', ...more] = path.split('/')
  switch (kind) {
    case 'single':
      return more.length > 0 ? null : inDatabase('', first)
    case 'sentinel':
      return !/^[\w.-]+$/.test(first) || more.length > 1 ? null : inDatabase(first, more[0] ?? '')
    case 'cluster':
      return first === '' && more.length === 0 ? { master: '', database: 0 } : null
  }
}

function inDatabase(master: string, digits: string): { readonly master: string; readonly database: number } | null {
  return /^\d{0,4}$/.test(digits) && Number(digits) <= MAX_DATABASE ? { master, database: Number(digits) } : null
}
