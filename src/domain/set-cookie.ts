/** Which cookie of a browser is meant: a browser keeps one for each name, domain and path. */
export interface CookiePlace {
  readonly name: string
  /** As it was given, in lower case without a first dot; empty for the host alone. */
  readonly domain: string
  readonly path: string
}

/** What an application's `Set-Cookie` says. */
export interface SetCookie extends CookiePlace {
  readonly value: string
  /** Epoch seconds; null as long as the browser runs; 0 where the cookie is deleted. */
  readonly until: number | null
}

export interface SetCookieContext {
  /** The path of the request as the browser wrote it: a cookie without a path of its own goes with its folder (RFC 6265 5.1.4). */
  readonly requestPath: string
  /** Epoch milliseconds. */
  readonly now: number
}

/** One `Set-Cookie` value as browsers read it (RFC 6265 5.2). */
export function parseSetCookie(line: string, { requestPath, now }: SetCookieContext): SetCookie {
  const [pair = '', ...rest] = line.split(';')
  const { name, value } = nameAndValue(pair)
  // Of an attribute that is given twice, the last counts.
  const attributes = new Map(
    rest.map((attribute) => {
      const { name: key, value: text } = nameAndValue(attribute)
      return [key.toLowerCase(), text]
    }),
  )
  const path = attributes.get('path') ?? ''
  return {
    name,
    value,
    domain: (attributes.get('domain') ?? '').replace(/^\./, '').toLowerCase(),
    path: path.startsWith('/') ? path : folderOf(requestPath),
    until: untilOf(attributes, now),
  }
}

/** Name and value of `name=value`, without the space around them; case and quotes are kept. */
export function nameAndValue(pair: string): { readonly name: string; readonly value: string } {
  const equals = pair.indexOf('=')
  if (equals === -1) return { name: pair.trim(), value: '' }
  return { name: pair.slice(0, equals).trim(), value: pair.slice(equals + 1).trim() }
}

/** One text for each place, which no name of a cookie is. */
export const placeKey = ({ name, domain, path }: CookiePlace): string => [name, domain, path].join(';')

/** The `Set-Cookie` value that deletes an application's cookie. */
export function deletionOf({ name, domain, path }: CookiePlace): string {
  return `${name}=; Max-Age=0; Path=${path}; ${domain === '' ? '' : `Domain=${domain}; `}Secure`
}

/** Places in which a cookie may be that came with a request for this path: each folder on the way, both spellings. */
export function placesOf(name: string, requestPath: string): readonly CookiePlace[] {
  const segments = requestPath.split('/').slice(1, 1 + MAX_DEPTH)
  const paths = new Set(['/'])
  let path = ''
  for (const segment of segments) {
    if (segment === '') continue
    path += `/${segment}`
    paths.add(path).add(`${path}/`)
  }
  return [...paths].map((one) => ({ name, domain: '', path: one }))
}

const MAX_DEPTH = 4

function folderOf(path: string): string {
  const end = path.lastIndexOf('/')
  return end <= 0 ? '/' : path.slice(0, end)
}

function untilOf(attributes: ReadonlyMap<string, string>, now: number): number | null {
  const maxAge = attributes.get('max-age') ?? ''
  const seconds = Math.floor(now / 1000)
  if (/^-?\d{1,12}$/.test(maxAge)) return Number(maxAge) <= 0 ? 0 : seconds + Number(maxAge)
  const expires = Math.floor(Date.parse(attributes.get('expires') ?? '') / 1000)
  if (Number.isNaN(expires)) return null
  return expires <= seconds ? 0 : expires
}
