/** One host that the gateway serves, as browsers address it. */
export interface Site {
  /** The name without a port, in lower case, as `parseHost` gives it. */
  readonly host: string
  /** The name with the public port where that is not the usual one, as a Host header has it. */
  readonly authority: string
  readonly origin: string
  /** The user pool whose people it serves. */
  readonly pool: string
  /** Whether the sessions of its pool begin here, and are renewed here. Any other host gets its sessions handed over. */
  readonly signsIn: boolean
  /** The host of which that is true. */
  readonly signInOrigin: string
  /** Where Cognito sends people of its pool back to. */
  readonly callbackOrigin: string
}

/**
 * Whether this host's callback takes the sign-ins of a pool for another host, and keeps nothing of them: a browser holds one session for a
 * host, and here that is of another pool.
 */
export const comesBackFor = (site: Site, other: Site): boolean =>
  other.signsIn && other !== site && other.callbackOrigin === site.origin

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

/** The part of the settings that says which hosts there are. */
interface HostSettings extends Pick<SitesOptions, 'publicUrl'> {
  readonly pools: readonly { readonly name: string }[]
  readonly applications: readonly { readonly hosts: readonly string[]; readonly pool: string }[]
  readonly endpoints: Pick<SitesOptions, 'callbackOn'>
}

export function sitesIn({ publicUrl, pools, applications, endpoints }: HostSettings): Sites {
  const [first] = pools
  if (first === undefined) throw new TypeError('the settings name no user pool')
  const hosts = applications.flatMap((application) =>
    application.hosts.map((host) => ({ host, pool: application.pool })),
  )
  return createSites({ publicUrl, hosts, defaultPool: first.name, callbackOn: endpoints.callbackOn })
}

/** Where Cognito sends people of a pool back to: one origin, or that of each of their hosts. */
export function callbackOrigins({ byHost }: Sites, pool: string): readonly string[] {
  const theirs = [...byHost.values()].filter((site) => site.pool === pool)
  return [...new Set(theirs.map(({ callbackOrigin }) => callbackOrigin))]
}

/**
 * Every host has the scheme and the port of publicUrl: one listener serves them all. Cognito sends everybody back to publicUrl's host, which
 * keeps the sessions of one pool; those of any other begin on the first host of an application of that pool.
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
      callbackOrigin: `${protocol}//${authorityOf(callbackOn === 'eachHost' ? host : hostname)}`,
    }
  })
  const byHost = new Map(all.map((site) => [site.host, site]))
  const main = byHost.get(hostname)
  if (main === undefined) throw new TypeError('the host of publicUrl is always served')
  return { main, byHost, origins: new Set(all.map(({ origin }) => origin)) }
}
