import type { FastifyPluginCallback, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { LoginBook } from '../adapters/login-book.ts'
import type { Metrics } from '../adapters/metrics.ts'
import type { HostStores, ReadSession, StoredSession } from '../adapters/session-store.ts'
import { expiredCookie, ownCookie, ownCookies } from '../domain/own-cookies.ts'
import type { Session } from '../domain/session.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The session that the request's cookie holds; whether it is still fresh, authenticate says. */
    signedInSession: Session | null
    /** The session that the cookie held once: its time is over, or Cognito renews it no more. Proves nothing; pages may know whose it was. */
    lapsedSession: Session | null
    /** The refresh token that the cookie of a session holds which was ended on another host. */
    leftoverToken: string | undefined
    /** It was sealed with a key that is on its way out. */
    sessionOnOldKey: boolean
    /** `Set-Cookie` values for the answer, by cookie name. Whoever writes the answer's headers writes these; null while there are none. */
    cookiesToSet: Map<string, string> | null
    /** The same, for whoever adds one. */
    readonly setCookies: Map<string, string>
    /** Set where a session's last use only should be written down: left out of answers that a shared cache may keep. */
    setCookiesAreOptional: boolean
  }
  interface FastifyContextConfig {
    /** An own endpoint that is the same for everybody, and works while sessions cannot be read. */
    sessionless?: boolean
  }
  interface FastifyInstance {
    /** From the next answer on the browser holds this session. False once the session has been ended. */
    keepSession(request: FastifyRequest, session: Session): Promise<boolean>
    /** The same for a session that has just begun. */
    beginSession(request: FastifyRequest, session: Session): Promise<boolean>
    /** The browser holds this session, which was handed over from another host, as the text that came with it. */
    adoptSession(request: FastifyRequest, session: Session, text: string): void
    /** The browser is told to forget the session; ending it in the store is the caller's affair. */
    dropSession(request: FastifyRequest): void
    /** Ends a session whose time is over. The browser keeps the cookie: nothing but `lapsedSession` comes of it from now on. */
    lapseSession(request: FastifyRequest, session: Session): Promise<void>
  }
}

export interface SessionCookieOptions {
  readonly stores: HostStores
  readonly metrics: Metrics
  readonly now: () => number
  readonly maxAgeSeconds: number
  readonly book: Pick<LoginBook, 'awaited' | 'cookieSeen'>
}

export const SESSION_COOKIE = ownCookies.session.name
const SECOND_COOKIE = ownCookies.sessionRest.name
// A browser keeps 4,096 bytes of name and value; older ones count the attributes too.
const CHUNK_BYTES = 3_950
/** How long after its last possible day a session's cookie still tells whose it was: a form may be left open over night. */
const LAPSED_SECONDS = 86_400
/** The longest text that the two cookies of a session can hold. */
export const MAX_SESSION_TEXT_BYTES = 2 * CHUNK_BYTES

const hook: FastifyPluginCallback<SessionCookieOptions> = (app, options, ready) => {
  const { stores, metrics, now, maxAgeSeconds, book } = options
  app.decorateRequest('signedInSession', null)
  app.decorateRequest('lapsedSession', null)
  app.decorateRequest('leftoverToken', undefined)
  app.decorateRequest('sessionOnOldKey', false)
  app.decorateRequest('setCookiesAreOptional', false)
  app.decorateRequest('cookiesToSet', null)
  app.decorateRequest('setCookies', {
    getter() {
      return (this.cookiesToSet ??= new Map())
    },
  })

  app.addHook('onRequest', (request, _reply, done) => {
    if (!isSessionWanted(request)) {
      done()
      return
    }
    const found = findSession(request.raw.rawHeaders)
    if (found === null) {
      done()
      return
    }
    const stored = found.text === null ? null : storeOf(request).read(found.text)
    if (stored !== null && stored !== 'foreign' && !(stored instanceof Promise)) {
      admit(request, stored)
      done()
      return
    }
    look(request, found.text, stored).then(() => done(), done)
  })

  const storeOf = ({ site }: FastifyRequest) => stores.at(site.host)

  /** What is no session may have been one; a browser that holds anything else is told to forget it. */
  async function look(
    request: FastifyRequest,
    text: string | null,
    reading: ReadSession | Promise<ReadSession>,
  ): Promise<void> {
    const stored = await reading
    // A new key reaches replicas one after the other: one that knows it already may be asked next.
    if (stored === 'foreign') {
      request.outcome.reason = 'session_key_unknown'
      return
    }
    if (stored !== null) {
      admit(request, stored)
      return
    }
    const store = storeOf(request)
    request.lapsedSession = text === null ? null : await store.lastKnown(text)
    request.outcome.reason = request.lapsedSession === null ? 'session_invalid' : 'session_lapsed'
    if (request.lapsedSession !== null) return
    if (text !== null) request.leftoverToken = store.leftover(text)
    drop(request)
  }

  function admit(request: FastifyRequest, stored: StoredSession): void {
    // The host may have served people of another pool when it was set.
    if (stored.session.person.pool !== request.site.pool) return
    request.signedInSession = stored.session
    if (book.awaited > 0) book.cookieSeen(stored.session.id)
    request.sessionOnOldKey = stored.oldKey
    if (stored.oldKey) metrics.count('sessions_on_old_key_total', {})
  }

  function drop(request: FastifyRequest): void {
    request.signedInSession = null
    request.setCookiesAreOptional = false
    for (const name of [SESSION_COOKIE, SECOND_COOKIE]) request.setCookies.set(name, expiredCookie(name))
  }

  async function hold(request: FastifyRequest, session: Session, text: string | null): Promise<boolean> {
    if (text === null) return false
    adopt(request, session, text)
    return true
  }

  function adopt(request: FastifyRequest, session: Session, text: string): void {
    const maxAge = Math.max(0, Math.floor((rememberedUntil(session) - now()) / 1000))
    const set = (name: string, value: string): void => {
      request.setCookies.set(name, ownCookie(name, value, maxAge))
    }
    set(SESSION_COOKIE, text.slice(0, CHUNK_BYTES))
    // A second cookie left over from a longer value would make the whole unreadable, so it goes in the same answer.
    if (text.length > CHUNK_BYTES) set(SECOND_COOKIE, text.slice(CHUNK_BYTES))
    else if (hasCookie(request, SECOND_COOKIE)) request.setCookies.set(SECOND_COOKIE, expiredCookie(SECOND_COOKIE))
    metrics.observe('session_cookie_bytes', text.length, {})
    request.signedInSession = session
  }

  async function lapse(request: FastifyRequest, session: Session): Promise<void> {
    // One copy of several that grew old says nothing about the session: it is the other host's to end.
    if (session.lentAt === undefined) await storeOf(request).lapse(session)
    request.signedInSession = null
    request.lapsedSession = session
  }

  const rememberedUntil = ({ startedAt }: Session): number => startedAt + (maxAgeSeconds + LAPSED_SECONDS) * 1000

  app.decorate('keepSession', async (request, session) => hold(request, session, await storeOf(request).write(session)))
  app.decorate('beginSession', async (request, session) =>
    hold(request, session, await storeOf(request).create(session)),
  )
  app.decorate('adoptSession', adopt)
  app.decorate('lapseSession', lapse)
  app.decorate('dropSession', drop)

  app.addHook('onSend', (request, reply, _payload, done) => {
    for (const cookie of request.cookiesToSet?.values() ?? []) reply.header('set-cookie', cookie)
    done()
  })
  ready()
}

/** The session's text, `{ text: null }` where the cookies are there but cannot be read as one, or null where there are none. */
function findSession(rawHeaders: readonly string[]): { readonly text: string | null } | null {
  const found: FoundCookies = { first: null, second: null, doubled: false }
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] ?? ''
    if (name.length === 6 && name.toLowerCase() === 'cookie') collect(found, rawHeaders[at + 1] ?? '')
  }
  const { first, second, doubled } = found
  if (first === null && second === null && !doubled) return null
  return { text: doubled || first === null ? null : first + (second ?? '') }
}

interface FoundCookies {
  first: string | null
  second: string | null
  doubled: boolean
}

const SPACE = 0x20
const UNDERSCORE = 0x5f

/** Takes the session's cookies out of one Cookie header. Scans, because parsing all of a long header costs more. */
function collect(found: FoundCookies, header: string): void {
  let from = 0
  while (from < header.length) {
    const semicolon = header.indexOf(';', from)
    const end = semicolon === -1 ? header.length : semicolon
    while (from < end && header.codePointAt(from) === SPACE) from += 1
    // The names of ours begin with an underscore, and few others do.
    if (header.codePointAt(from) === UNDERSCORE) take(found, header.slice(from, end))
    from = end + 1
  }
}

function take(found: FoundCookies, pair: string): void {
  const equals = pair.indexOf('=')
  const name = equals === -1 ? pair : pair.slice(0, equals)
  const known = name.trim().toLowerCase()
  if (known !== '__host-gateway' && known !== '__host-gateway.1') return
  const value = equals === -1 ? '' : pair.slice(equals + 1)
  if (name === SESSION_COOKIE) {
    found.doubled ||= found.first !== null
    found.first = value
  } else if (name === SECOND_COOKIE) {
    found.doubled ||= found.second !== null
    found.second = value
  } else {
    // Another letter case: nobody of ours set that, and some application could take it for the session.
    found.doubled = true
  }
}

/** Nobody is asked on a public route of an application, and where a token decides no session does: no cookie is read there. */
function isSessionWanted({ route, access, bearer, routeOptions }: FastifyRequest): boolean {
  return route === null ? routeOptions.config.sessionless !== true : access !== 'public' && bearer === null
}

function hasCookie(request: FastifyRequest, name: string): boolean {
  return request.raw.headers.cookie?.includes(`${name}=`) === true
}

export const sessionCookie = fp(hook, { name: 'session-cookie', fastify: '5.x', dependencies: ['bearer', 'locate'] })
