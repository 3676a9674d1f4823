import type { FastifyRequest } from 'fastify'
import type { CookieBinding, CookieBindings } from '../../adapters/cookie-bindings.ts'
import type { RouteSettings } from '../../config/settings.ts'
import { expiredCookie, ownCookie } from '../../domain/own-cookies.ts'
import {
  deletionOf,
  nameAndValue,
  parseSetCookie,
  placeKey,
  placesOf,
  type CookiePlace,
  type SetCookie,
} from '../../domain/set-cookie.ts'

export interface BoundCookiesOptions {
  readonly bindings: CookieBindings
  readonly request: FastifyRequest
  readonly route: RouteSettings
  readonly now: number
}

/** Set before anybody signed in: whoever signs in first takes it over. */
const NOBODY = ''

/**
 * The application's cookies that belong to one session, in one request and its answer. What was set under another session, or came from
 * nobody knows where, is kept from the application and taken out of the browser.
 */
export class BoundCookies {
  /** Pairs of the Cookie header that the application does not get. */
  readonly withheld = new Set<string>()
  readonly #options: BoundCookiesOptions
  /** Null where no session is read: then nothing is judged, and what is set belongs to whom that belonged which it replaces. */
  readonly #owner: string | null
  readonly #names: ReadonlySet<string>
  readonly #before = new Map<string, string | null>()

  constructor(options: BoundCookiesOptions) {
    const { request, route, bindings } = options
    this.#options = options
    const unread = request.access === 'public' || request.bearer !== null
    this.#owner = request.signedInSession?.id ?? (unread ? null : NOBODY)
    // Some servers read names of cookies in any case.
    this.#names = new Set(route.bindCookies.map((name) => name.toLowerCase()))
    const pairs = (request.raw.headers.cookie ?? '')
      .split(';')
      .map((text) => ({ text: text.trim(), ...nameAndValue(text) }))
    const bound = pairs.filter(({ name }) => this.#names.has(name.toLowerCase()))
    if (bound.length === 0) return
    const known = pairs.flatMap(({ name, value }) => bindings.read(name, value) ?? [])
    for (const { text, name, value } of bound) {
      const digest = bindings.digestOf(value)
      const fitting = known.filter((one) => one.name.toLowerCase() === name.toLowerCase() && one.digest === digest)
      this.#judge(text, name, fitting)
    }
  }

  /** Writes down whose the cookies are that the application sets with its answer. */
  follow(rawHeaders: readonly string[]): void {
    const { request, route, now } = this.#options
    const requestPath = request.target?.rawPath ?? '/'
    for (let at = 0; at < rawHeaders.length; at += 2) {
      if (rawHeaders[at]?.toLowerCase() !== 'set-cookie') continue
      const set = parseSetCookie(rawHeaders[at + 1] ?? '', { requestPath, now })
      if (!this.#names.has(set.name.toLowerCase())) continue
      this.#bind(route.cookies.domain === 'drop' ? { ...set, domain: '' } : set)
    }
  }

  #judge(text: string, name: string, fitting: readonly CookieBinding[]): void {
    const owner = this.#owner
    if (owner === null) {
      const stranger = fitting.find((one) => one.owner !== NOBODY) ?? fitting[0]
      this.#before.set(name.toLowerCase(), stranger?.owner ?? null)
      return
    }
    const own = fitting.find((one) => one.owner === owner)
    const free = fitting.find((one) => one.owner === NOBODY)
    if (own !== undefined) return
    if (free !== undefined) {
      this.#write({ ...free, owner })
      return
    }
    this.withheld.add(text)
    const places = fitting.length > 0 ? fitting : placesOf(name, this.#options.request.target?.rawPath ?? '/')
    for (const place of places) this.#set(placeKey(place), deletionOf(place))
    for (const place of fitting) this.#forget(place)
  }

  #bind(set: SetCookie): void {
    const { bindings, request } = this.#options
    request.cookiesToSet?.delete(placeKey(set))
    const before = this.#before.get(set.name.toLowerCase())
    const owner = this.#owner ?? (before === undefined ? NOBODY : before)
    if (set.until === 0 || owner === null) this.#forget(set)
    else this.#write({ ...set, owner, digest: bindings.digestOf(set.value) })
  }

  #write(binding: CookieBinding): void {
    const { bindings, now } = this.#options
    const name = bindings.nameFor(binding)
    const life = binding.until === null ? undefined : Math.max(0, binding.until - Math.floor(now / 1000))
    this.#set(name, ownCookie(name, bindings.write(binding), life))
  }

  #forget(place: CookiePlace): void {
    const name = this.#options.bindings.nameFor(place)
    this.#set(name, expiredCookie(name))
  }

  #set(key: string, line: string): void {
    const { request } = this.#options
    request.setCookies.set(key, line)
    request.setCookiesAreOptional = false
  }
}
