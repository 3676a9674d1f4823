import { isOwnCookie } from './cookie-header.ts'

/** What a request's cookies are, without any value. */
export interface CookieFindings {
  /** Each name once. */
  readonly own: readonly OwnCookie[]
  /** How many cookies are of others. */
  readonly others: number
  /** Of all Cookie headers. */
  readonly totalBytes: number
}

export interface OwnCookie {
  readonly name: string
  /** Name and value. */
  readonly bytes: number
  /** `malformed`: in a spelling that we never write, or without a value. */
  readonly fault: 'doubled' | 'malformed' | null
}

const MAX_SHOWN = 20
const MAX_NAME = 40
const OUR_SPELLING = /^__Host-gateway(?:\.1|-rounds|-switch|-left|-(?:login|bound)-[\w-]{1,20})?$/

/** `headers`: the values of all Cookie headers. */
export function findCookies(headers: readonly string[]): CookieFindings {
  const pairs = headers.flatMap((header) => header.split(';')).map((pair) => pair.trim())
  const given = pairs.filter((pair) => pair !== '').map((pair) => ({ pair, name: pair.split('=', 1)[0] ?? '' }))
  const own = given.filter(({ name }) => isOwnCookie(name))
  const faultOf = (name: string, pair: string): OwnCookie['fault'] => {
    if (!OUR_SPELLING.test(name) || pair.length <= name.length + 1) return 'malformed'
    return own.filter((other) => other.name === name).length > 1 ? 'doubled' : null
  }
  const byName = [...new Map(own.map((cookie) => [cookie.name, cookie])).values()]
  return {
    own: byName
      .slice(0, MAX_SHOWN)
      .map(({ pair, name }) => ({ name: name.slice(0, MAX_NAME), bytes: pair.length, fault: faultOf(name, pair) })),
    others: given.length - own.length,
    totalBytes: headers.reduce((bytes, header) => bytes + header.length, 0),
  }
}
