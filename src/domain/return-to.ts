import { foldPath, parseTarget } from './request-target.ts'

declare const safePath: unique symbol
/** A path with query on this very site: the only thing that a redirect of ours may lead to by a client's wish. */
export type SafePath = string & { readonly [safePath]: true }

export interface ReturnToSelf {
  /** The gateway's public origin. */
  readonly publicUrl: string
  /** Prefix of the gateway's own endpoints, to which nobody is sent back. */
  readonly ownPrefix: string
}

const MAX_LENGTH = 2_048

/** A path, or an address on our own origin, as a path; `/` for anything else, whatever the client wrote. */
export function parseReturnTo(raw: string | readonly string[] | undefined, self: ReturnToSelf): SafePath {
  const path = typeof raw === 'string' ? safePathIn(raw, self) : null
  // oxlint-disable-next-line no-unsafe-type-assertion -- the only mint of safe paths
  return (path ?? '/') as SafePath
}

function safePathIn(raw: string, { publicUrl, ownPrefix }: ReturnToSelf): string | null {
  if (raw.length > MAX_LENGTH || /[^\x21-\x7e]|\\/.test(raw)) return null
  const absolute = raw.startsWith(`${publicUrl}/`) || raw === publicUrl
  if (!absolute && !/^\/(?![/\\])/.test(raw)) return null
  if (!URL.canParse(raw, publicUrl)) return null
  const url = new URL(raw, publicUrl)
  if (url.origin !== new URL(publicUrl).origin || url.username !== '' || url.password !== '') return null
  const withoutFragment = raw.split('#', 1)[0] ?? ''
  const path = absolute ? withoutFragment.slice(publicUrl.length) || '/' : withoutFragment
  // What the browser would ask for must be what we looked at, and what the guard lets through.
  const target = parseTarget(path)
  if (!target.ok || url.pathname !== target.rawPath) return null
  const own = foldPath(ownPrefix)
  return target.path === own || target.path.startsWith(`${own}/`) ? null : path
}
