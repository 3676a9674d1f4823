import { readingsOf } from './path-readings.ts'
import { foldPath, parseTarget, type Target } from './request-target.ts'

declare const safePath: unique symbol
/**
 * A path with query and fragment on the host that was asked, or an address on another host that is served: the only thing that a redirect of
 * ours may lead to by a client's wish.
 */
export type SafePath = string & { readonly [safePath]: true }

export interface ReturnToSelf {
  /** The gateway's public origin. */
  readonly publicUrl: string
  /** Those of all hosts that are served, the public one among them. */
  readonly origins: ReadonlySet<string>
  /** Prefix of the gateway's own endpoints, to which nobody is sent back. */
  readonly ownPrefix: string
  /** Whether any application has addresses that strict paths refuse; people come back to those too. */
  readonly lenientPaths: boolean
}

const MAX_LENGTH = 2_048
/** The one endpoint of ours that people come back to: it shows a form that was kept, and does nothing by itself. */
export const RESUME = '/resume'

/**
 * A path, or an address on one of our own origins; as a path where that is the origin `here`, which is null for what was parsed before. `/` for
 * anything else, whatever the client wrote.
 */
export function parseReturnTo(
  raw: string | readonly string[] | undefined,
  self: ReturnToSelf,
  here: string | null = self.publicUrl,
): SafePath {
  const place = typeof raw === 'string' ? safePlaceIn(raw, self, here) : null
  // oxlint-disable-next-line no-unsafe-type-assertion -- the only mint of safe paths
  return (place ?? '/') as SafePath
}

/** The same place for somebody on another host: `origin` is where it was a path. */
export function fromElsewhere(place: SafePath, origin: string): SafePath {
  // oxlint-disable-next-line no-unsafe-type-assertion -- of a place that is safe, on an origin of ours
  return place.startsWith('/') ? ((origin + place) as SafePath) : place
}

function safePlaceIn(raw: string, self: ReturnToSelf, here: string | null): string | null {
  // Browsers escape a quotation mark; each would be two in what is sealed.
  if (raw.length > MAX_LENGTH || /[^\x21-\x7e]|[\\"]/.test(raw)) return null
  const [origin = null] = /^https?:\/\/[^/?#]*/.exec(raw) ?? []
  if (origin === null) return safePathIn(raw, self.publicUrl, self)
  if (!self.origins.has(origin)) return null
  const path = safePathIn(raw.slice(origin.length) || '/', origin, self)
  return path === null || origin === here ? path : origin + path
}

function safePathIn(raw: string, origin: string, self: ReturnToSelf): string | null {
  if (!/^\/(?![/\\])/.test(raw) || !URL.canParse(raw, origin)) return null
  const url = new URL(raw, origin)
  if (url.origin !== new URL(origin).origin || url.username !== '' || url.password !== '') return null
  const [path = ''] = raw.split('#', 1)
  const fragment = raw.slice(path.length)
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
