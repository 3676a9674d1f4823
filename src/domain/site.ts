/** One host that the gateway serves, as browsers address it. */
export interface Site {
  /** The name without a port, in lower case, as `parseHost` gives it. */
  readonly host: string
  /** The name with the public port where that is not the usual one, as a Host header has it. */
  readonly authority: string
  readonly origin: string
  /** The user pool whose people it serves. */
  readonly pool: string
  /** Whether Cognito sends people back to this very host. Any other gets its sessions handed over. */
  readonly signsIn: boolean
  /** Where people of its pool sign in. */
  readonly signInOrigin: string
}

export interface Sites {
  /** The host of publicUrl. */
  readonly main: Site
  /** Every one, by name. */
  readonly byHost: ReadonlyMap<string, Site>
  readonly origins: ReadonlySet<string>
}

export interface SitesOptions {
  readonly publicUrl: string
  /** Hosts of applications and the pools of these; a host has one pool only. */
  readonly hosts: readonly { readonly host: string; readonly pool: string }[]
  /** Of publicUrl's host where no application names it. */
  readonly defaultPool: string
  readonly callbackOn: 'publicUrl' | 'eachHost'
}

/**
 * Every host has the scheme and the port of publicUrl: one listener serves them all. People sign in on publicUrl's host; those of another pool
 * than that host's on the first host of an application of theirs.
 */
export function createSites({ publicUrl, hosts, defaultPool, callbackOn }: SitesOptions): Sites {
  const { protocol, hostname, port } = new URL(publicUrl)
  const pools = new Map([...hosts].toReversed().map(({ host, pool }) => [host, pool]))
  const mainPool = pools.get(hostname) ?? defaultPool
  const names = new Set([hostname, ...hosts.map(({ host }) => host)])
  const authorityOf = (host: string): string => (port === '' ? host : `${host}:${port}`)
  const signInHosts = new Map([
    ...hosts.toReversed().map(({ host, pool }) => [pool, host] as const),
    [mainPool, hostname],
  ])

  const all = [...names].map((host): Site => {
    const pool = pools.get(host) ?? defaultPool
    const signInHost = callbackOn === 'eachHost' ? host : (signInHosts.get(pool) ?? host)
    return {
      host,
      authority: authorityOf(host),
      origin: `${protocol}//${authorityOf(host)}`,
      pool,
      signsIn: signInHost === host,
      signInOrigin: `${protocol}//${authorityOf(signInHost)}`,
    }
  })
  const byHost = new Map(all.map((site) => [site.host, site]))
  const main = byHost.get(hostname)
  if (main === undefined) throw new TypeError('the host of publicUrl is always served')
  return { main, byHost, origins: new Set(all.map(({ origin }) => origin)) }
}
