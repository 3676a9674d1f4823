/** Where people find an application, and where it believes to be: what a redirect of its own must be turned back into. */
export interface PublicAddress {
  /** Origins that mean this application when it names itself: those of its addresses, and the public host by http. */
  readonly origins: ReadonlySet<string>
  readonly publicOrigin: string
  /** Longest first. */
  readonly prefixes: readonly PrefixRewrite[]
  /** The path prefix of the upstream's address; empty where it has none. */
  readonly upstreamPrefix: string
}

/** A prefix of public paths and what the application knows it as; both without a slash at the end, so the root is empty. */
export interface PrefixRewrite {
  readonly from: string
  readonly to: string
}

/** What the application is asked for, and what `X-Forwarded-Prefix` tells it of the part that it does not see. */
export interface RewrittenPath {
  readonly path: string
  readonly prefix: string | null
}

/**
 * `rawPath` in the client's own bytes with the prefix exchanged; `path` is its one reading, as `parseTarget` gave it. Null where the
 * prefix is spelled in another way: passed on whole, such a path would mean another place than the one that the rule was decided on.
 */
export function rewritePath(rawPath: string, path: string, prefixes: readonly PrefixRewrite[]): RewrittenPath | null {
  const rewrite = prefixes.find(({ from }) => isUnder(path, from.toLowerCase()))
  if (rewrite === undefined) return { path: rawPath, prefix: null }
  const { from, to } = rewrite
  if (!isUnder(rawPath.toLowerCase(), from.toLowerCase())) return null
  const rest = rawPath.slice(from.length)
  return { path: to + rest === '' ? '/' : to + rest, prefix: from === '' ? null : from }
}

/** A `Location` that names the application's own address, as the public one; any other as it is. */
export function returnLocation(location: string, address: PublicAddress): string {
  const own = /^(https?:)?\/\/([^/?#]*)(.*)$/is.exec(location)
  if (own !== null) {
    const origin = originOf(own[1], own[2] ?? '')
    if (origin === null || !address.origins.has(origin)) return location
    return address.publicOrigin + publicPath(own[3] === undefined || own[3] === '' ? '/' : own[3], address)
  }
  // A path of its own is one that the application sees: people know it under another.
  return location.startsWith('/') ? publicPath(location, address) : location
}

function publicPath(path: string, { prefixes, upstreamPrefix }: PublicAddress): string {
  const seen = upstreamPrefix !== '' && isUnder(path, upstreamPrefix) ? path.slice(upstreamPrefix.length) : path
  // An application that heeds X-Forwarded-Prefix names the public path by itself.
  const back = prefixes.some(({ from }) => from !== '' && isUnder(seen, from))
    ? undefined
    : prefixes.find(({ to }) => isUnder(seen, to))
  if (back === undefined) return seen === '' ? '/' : seen
  const rest = seen.slice(back.to.length)
  return back.from + rest === '' ? '/' : back.from + rest
}

/** Without a scheme it is that of the page, which is the public one. */
function originOf(scheme: string | undefined, authority: string): string | null {
  try {
    return new URL(`${scheme ?? 'http:'}//${authority}`).origin
  } catch {
    return null
  }
}

/** Whether a path is the prefix or below it: whole segments, letter case as it stands. */
function isUnder(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false
  const next = path[prefix.length]
  return next === undefined || next === '/' || next === '?' || next === '#'
}
