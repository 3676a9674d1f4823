import { createHash } from 'node:crypto'
import { ownCookies } from '../domain/own-cookies.ts'
import type { CookiePlace } from '../domain/set-cookie.ts'
import type { Seal } from './seal.ts'

/** Under which session an application's cookie was set. */
export interface CookieBinding extends CookiePlace {
  /** The session's id; empty where it was set before anybody signed in. */
  readonly owner: string
  /** Of the value, so that no other value can be put in its place. */
  readonly digest: string
  /** When the cookie ends, in epoch seconds; null: with the browser. */
  readonly until: number | null
}

/** Keeps, in a sealed cookie of ours beside each one of an application's, whose it is. */
export interface CookieBindings {
  /** The name of the cookie that tells of the one in this place. */
  nameFor(place: CookiePlace): string
  write(binding: CookieBinding): string
  /** Null for anything that was not written here for the cookie of this name. */
  read(name: string, text: string): CookieBinding | null
  digestOf(value: string): string
}

const PREFIX = ownCookies.bound.name

export function createCookieBindings(seal: Seal): CookieBindings {
  const nameFor = ({ name, domain, path }: CookiePlace): string =>
    PREFIX + digest(JSON.stringify([name, domain, path])).slice(0, 8)

  return {
    nameFor,
    digestOf: digest,
    write: ({ name, domain, path, owner, digest: of, until }) =>
      seal.seal(Buffer.from(JSON.stringify([name, domain, path, owner, of, until]))),
    read(cookieName, text) {
      const opened = seal.open(text)
      if (opened === null) return null
      const record: unknown = JSON.parse(opened.plain.toString('utf8'))
      if (!Array.isArray(record)) return null
      const [name, domain, path, owner, of, until]: unknown[] = record
      if (typeof name !== 'string' || typeof domain !== 'string' || typeof path !== 'string') return null
      if (typeof owner !== 'string' || typeof of !== 'string') return null
      const binding = { name, domain, path, owner, digest: of, until: typeof until === 'number' ? until : null }
      // The seal does not cover the cookie's name, so the record carries what it is made of.
      return nameFor(binding) === cookieName ? binding : null
    },
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('base64url').slice(0, 22)
}
