import { readingsOf } from './path-readings.ts'
import { foldPath, parseTarget, type Target } from './request-target.ts'

declare const safePath: unique symbol
/** A path with query and fragment on this very site: the only thing that a redirect of ours may lead to by a client's wish. */
export type SafePath = string & { readonly [safePath]: true }

export interface ReturnToSelf {
  /** The gateway's public origin. */
  readonly publicUrl: string
  /** Prefix of the gateway's own endpoints, to which nobody is sent back. */
  readonly ownPrefix: string
  /** Whether any application has addresses that strict paths refuse; people come back to those too. */
  readonly lenientPaths: boolean
}

const MAX_LENGTH = 2_048
/** The one endpoint of ours that people come back to: it shows a form that was kept, and does nothing by itself. */
export const RESUME = '/resume'

/** A path, or an address on our own origin, as a path; `/` for anything else, whatever the client wrote. */
export function parseReturnTo(raw: string | readonly string[] | undefined, self: ReturnToSelf): SafePath {
  const path = typeof raw === 'string' ? safePathIn(raw, self) : null
  // oxlint-disable-next-line no-unsafe-type-assertion -- the only mint of safe paths
  return (path ?? '/') as SafePath
}

function safePathIn(raw: string, self: ReturnToSelf): string | null {
  const { publicUrl } = self
  if (raw.length > MAX_LENGTH || /[^\x21-\x7e]|\\/.test(raw)) return null
  const absolute = raw.startsWith(`${publicUrl}/`) || raw === publicUrl
  if (!absolute && !/^\/(?![/\\])/.test(raw)) return null
  if (!URL.canParse(raw, publicUrl)) return null
  const url = new URL(raw, publicUrl)
  if (url.origin !== new URL(publicUrl).origin || url.username !== '' || url.password !== '') return null
  const [withoutFragment = ''] = raw.split('#', 1)
  const fragment = raw.slice(withoutFragment.length)
  const path = absolute ? withoutFragment.slice(publicUrl.length) || '/' : withoutFragment
  if (path === self.ownPrefix + RESUME) return path
  // What the browser would ask for must be what we looked at, and what the guard lets through.
  const target = parseTarget(path)
  const rawPath = target.ok ? target.rawPath : target.parts?.rawPath
  return url.pathname === rawPath && leadsToApplication(target, self) ? path + fragment : null
}

function leadsToApplication(target: Target, { ownPrefix, lenientPaths }: ReturnToSelf): boolean {
  const own = foldPath(ownPrefix)
  const paths = target.ok ? [target.path] : lenientPaths && target.parts !== null ? readings(target.parts.rawPath) : []
  return paths.length > 0 && !paths.some((path) => path === own || path.startsWith(`${own}/`) || path.startsWith('//'))
}

function readings(rawPath: string): readonly string[] {
  const all = readingsOf(rawPath)
  return all.ok ? all.paths : []
}
