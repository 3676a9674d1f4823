import type { FastifyInstance, FastifyPluginCallback, FastifyReply, FastifyRequest } from 'fastify'
import fp from 'fastify-plugin'
import type { Logger } from 'pino'
import type { CsrfTokens } from '../adapters/csrf-tokens.ts'
import { challenges, type Challenge } from '../domain/challenge.ts'
import { clientKind, isFromBrowser, type ClientKind } from '../domain/client-kind.ts'
import { corsHeaders } from '../domain/cors.ts'
import { catalogue, GatewayError, type ErrorCode } from '../domain/errors.ts'
import type { AccessRule } from '../domain/access.ts'
import type { Missing } from '../domain/conditions.ts'
import { nothingAt } from '../domain/own-endpoints.ts'
import { parseReturnTo, RESUME, type ReturnToSelf, type SafePath } from '../domain/return-to.ts'
import { errorPage } from '../pages/error-page.ts'
import { forbiddenPage, type MissingKind } from '../pages/forbidden-page.ts'
import { framePage } from '../pages/frame-page.ts'
import { keptFormPage } from '../pages/kept-form-page.ts'
import { onwardPage } from '../pages/onward-page.ts'
import { sessionRefusedPage } from '../pages/session-refused-page.ts'
import { signInRequiredPage } from '../pages/sign-in-required-page.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Where the person wants to be, once that is known to be safe; pages lead there. */
    returnTo: SafePath | null
    /** How a page gets to the sign-in. By header: whoever asked leads it there, because no redirect of ours would reach it. */
    leadsBy: 'redirect' | 'absoluteRedirect' | 'header'
  }
}

export interface ErrorHandlerOptions {
  readonly log: Logger
  readonly self: ReturnToSelf
  readonly csrf: CsrfTokens
  /** Where people who are not signed in are sent: `start`, or `sign_in` where there is something to choose. */
  readonly signInEndpoint: string
  readonly signOutEndpoint: string
  /** Address of the script of our pages. */
  readonly script: string
  /** What reaches whoever asks: some proxies know three answers only. Without it every status does. */
  readonly statusFor?: ((status: number, request: FastifyRequest) => number) | undefined
}

/** The one place where a failure becomes an answer: a redirect to sign in, a page for people, JSON for programs. */
const handler: FastifyPluginCallback<ErrorHandlerOptions> = (app, options, ready) => {
  const { log, self, csrf, signInEndpoint, signOutEndpoint, script, statusFor = (status) => status } = options
  const methodsAt = ownMethods(app)
  app.decorateRequest('returnTo', null)
  app.decorateRequest('leadsBy', 'redirect')

  app.setNotFoundHandler((request) => {
    throw nothingAt(methodsAt(request.target?.rawPath ?? ''))
  })

  app.setErrorHandler(async (thrown, request, reply) => {
    const error = toGatewayError(thrown)
    const status = statusFor(catalogue[error.code].status, request)
    request.outcome.code = error.code
    request.outcome.reason = error.reason ?? request.outcome.reason
    logFault(request, error)
    reply.code(status).headers(error.headers)
    reply.header('x-gateway-code', error.code).header('cache-control', 'no-store').header('x-request-id', request.id)
    const challenge = challengeOf(request, error.code)
    if (challenge !== null) reply.header('www-authenticate', challenges(challenge))
    if (request.route !== null)
      for (const [name, value] of corsHeaders(request.raw.headers.origin, request.route)) reply.header(name, value)
    return answer(request, reply, error.code)
  })

  // A body that nobody reads must not be taken for the next request, nor be waited for.
  app.addHook('onSend', (request, reply, _payload, done) => {
    const { headers, complete, overHttp2 } = request.raw
    const body = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
    if (body && !complete && overHttp2 === undefined) reply.header('connection', 'close')
    done()
  })

  async function answer(request: FastifyRequest, reply: FastifyReply, code: ErrorCode): Promise<FastifyReply> {
    const kind = request.bearer !== null ? 'program' : kindFor(request)
    if (code === 'GW_SIGN_IN_REQUIRED') return signInRequired(request, reply, kind)
    if (kind === 'program') return reply.send({ code, message: catalogue[code].says, requestId: request.id })
    return reply.sendPage(pageFor(request, code))
  }

  async function signInRequired(request: FastifyRequest, reply: FastifyReply, kind: ClientKind): Promise<FastifyReply> {
    const { route, id: reference } = request
    const reading = request.method === 'GET' || request.method === 'HEAD'
    const href = signInHref(placeOf(request, kind), route) + againIn(request)
    if (kind === 'frame') return reply.sendPage(framePage({ href }))
    const leads = kind === 'page' && reading && route !== null && route.onUnauthenticated !== '401'
    if (leads && request.leadsBy === 'header') reply.header('x-gateway-sign-in', request.site.origin + href)
    if (kind === 'page' && reading && request.sessionRefused)
      return reply.sendPage(sessionRefusedPage({ reference, href }))
    if (leads && route.signInBy === 'page') return reply.sendPage(onwardPage({ reference, href, script }))
    // Some proxies complete a relative address with that of the gateway.
    if (leads && request.leadsBy === 'absoluteRedirect')
      return reply.removeHeader('www-authenticate').redirect(request.site.origin + href, 302)
    if (leads && request.leadsBy === 'redirect') return reply.removeHeader('www-authenticate').redirect(href, 302)
    if (kind === 'page' && reading) return reply.sendPage(signInRequiredPage({ reference, href, nothingSent: false }))
    if (kind === 'page') return reply.sendPage(await formPage(request, href))
    return reply.send({
      code: 'GW_SIGN_IN_REQUIRED',
      message: catalogue.GW_SIGN_IN_REQUIRED.says,
      requestId: request.id,
      signIn: request.site.origin + href,
    })
  }

  /** A form was posted without a session: it is kept where that was a session of ours that has ended. */
  async function formPage(request: FastifyRequest, plainHref: string): Promise<string> {
    const reference = request.id
    const fate = await app.keepForm(request)
    if (fate.kind === 'lost')
      return signInRequiredPage({ reference, href: plainHref, nothingSent: true, why: fate.why })
    const href = signInHref(parseReturnTo(self.ownPrefix + RESUME, self), request.route) + againIn(request)
    return keptFormPage({ reference, sealed: fate.sealed, href, plainHref, script })
  }

  function pageFor(request: FastifyRequest, code: ErrorCode): string {
    const reference = request.id
    const { identity, signedInSession, route } = request
    if (code === 'GW_FORBIDDEN' && identity?.kind === 'person' && signedInSession !== null) {
      const missing = request.missing ?? []
      return forbiddenPage({
        reference,
        who: identity.email ?? identity.preferredUsername ?? identity.username,
        kinds: [...new Set(missing.map((one) => KINDS[one]))],
        names: route?.showMissing === true ? namesAsked(route.access) : [],
        switchAction: signOutEndpoint,
        csrfToken: csrf.tokenFor(signedInSession.id),
        returnTo: placeOf(request, 'page'),
      })
    }
    const here = placeOf(request, 'page')
    const retry = request.method === 'GET' && request.route !== null ? { retry: here } : {}
    const { attempt } = request.outcome
    const diagnose = `${self.ownPrefix}/diagnose${attempt === null ? '' : `?attempt=${attempt}`}`
    return errorPage({
      code,
      reference,
      signInAgain: signInHref(request.returnTo ?? here, request.route),
      diagnose,
      ...retry,
    })
  }

  function kindFor(request: FastifyRequest): ClientKind {
    if (request.route?.onUnauthenticated === 'signIn' && request.method === 'GET') return 'page'
    return clientKind(request.raw.headers)
  }

  /** Where to come back to: the page itself; for what a page loaded in the background, the page that did. */
  function placeOf(request: FastifyRequest, kind: ClientKind): SafePath {
    if (request.returnTo !== null) return request.returnTo
    const { target } = request
    const reading = request.method === 'GET' || request.method === 'HEAD'
    if (kind !== 'program' && reading && target !== null) return parseReturnTo(target.rawPath + target.query, self)
    return parseReturnTo(request.raw.headers.referer, self, request.site.origin)
  }

  function signInHref(returnTo: SafePath, route: FastifyRequest['route']): string {
    const provider = route?.identityProvider
    const rd = `rd=${encodeURIComponent(returnTo)}`
    if (provider === undefined) return `${signInEndpoint}?${rd}`
    return `${self.ownPrefix}/start?idp=${encodeURIComponent(provider)}&${rd}`
  }

  function logFault(request: FastifyRequest, error: GatewayError): void {
    const level = catalogue[error.code].log
    if (level === 'info' && error.detail === undefined) return
    log[level](
      {
        event: 'fault',
        requestId: request.id,
        attempt: request.outcome.attempt ?? undefined,
        code: error.code,
        reason: error.reason,
        detail: error.detail,
        cause: causeOf(error),
      },
      catalogue[error.code].says,
    )
  }
  ready()
}

/** The methods of each path that routes are registered for from now on; empty for any other. */
export function ownMethods(app: FastifyInstance): (path: string) => readonly string[] {
  const methodsAt = new Map<string, readonly string[]>()
  app.addHook('onRoute', ({ url, method }) => {
    methodsAt.set(url, [...new Set([...(methodsAt.get(url) ?? []), ...[method].flat()])].toSorted())
  })
  return (path) => methodsAt.get(path) ?? []
}

const KINDS = {
  scope_missing: 'scope',
  client_unknown: 'client',
  group_missing: 'group',
  claim_mismatch: 'claim',
  provider_mismatch: 'provider',
  email_unverified: 'email',
  email_mismatch: 'email',
  address_mismatch: 'address',
  sign_in_too_old: 'recent',
  person_required: 'person',
  foreign_pool: 'pool',
  no_rule: 'claim',
} as const satisfies Record<Missing, MissingKind>

const CHALLENGED: ReadonlySet<ErrorCode> = new Set(['GW_SIGN_IN_REQUIRED', 'GW_TOKEN_INVALID', 'GW_TOKEN_USE'])

/** What a refusal says in `WWW-Authenticate`; null where it says nothing. */
function challengeOf(request: FastifyRequest, code: ErrorCode): Challenge | null {
  const { route, bearer, missing, raw, signedInWithinSeconds } = request
  const realm = route?.application ?? 'gateway'
  if (code === 'GW_FORBIDDEN' && bearer?.kind === 'token' && missing?.includes('scope_missing') === true) {
    const scopes = route?.showMissing === true ? scopesAsked(route.access) : undefined
    return { schemes: [], realm, error: 'insufficient_scope', scopes }
  }
  if (!CHALLENGED.has(code)) return null
  const schemes = route === null || isFromBrowser(raw.headers) ? (['bearer'] as const) : route.challenge
  if (signedInWithinSeconds !== null)
    return { schemes, realm, error: 'insufficient_user_authentication', maxAgeSeconds: signedInWithinSeconds }
  const isTokenRefused = bearer !== null && bearer.kind !== 'client' && code !== 'GW_SIGN_IN_REQUIRED'
  return { schemes, realm, error: isTokenRefused ? 'invalid_token' : undefined }
}

/** Scopes that let in by themselves; undefined where there are no such. */
function scopesAsked(access: AccessRule): readonly string[] | undefined {
  if (typeof access === 'string') return undefined
  return access.find((entry) => entry.scopes !== undefined && Object.keys(entry).length === 1)?.scopes
}

/** Networks and app clients stay out of it: nobody can do anything about those. */
function namesAsked(access: AccessRule): readonly string[] {
  if (typeof access === 'string') return []
  const names = access.flatMap(({ groups, scopes, claims, identityProviders, emailDomains }) =>
    [groups, scopes, Object.keys(claims ?? {}), identityProviders, emailDomains].flatMap((part) => part ?? []),
  )
  return [...new Set(names)]
}

/** Has Cognito ask for the password once more, where only that is missing. */
function againIn({ signedInWithinSeconds }: FastifyRequest): string {
  return signedInWithinSeconds === null ? '' : '&prompt=login'
}

/** Everything that is thrown ends up in the catalogue; what is not ours by class is told apart by its status. */
export function toGatewayError(thrown: unknown): GatewayError {
  if (thrown instanceof GatewayError) return thrown
  const status =
    typeof thrown === 'object' && thrown !== null && 'statusCode' in thrown ? Number(thrown.statusCode) : 500
  if (status === 413) return new GatewayError('GW_BODY_TOO_LARGE', { cause: thrown })
  if (status >= 400 && status < 500)
    return new GatewayError('GW_REQUEST_REFUSED', { cause: thrown, reason: 'malformed' })
  return new GatewayError('GW_INTERNAL', { cause: thrown })
}

/** A cause for the log: its kind, code and place in our code. Messages of libraries can quote tokens, so they stay out. */
export function causeOf({ code, cause }: GatewayError): string | undefined {
  if (!(cause instanceof Error)) return undefined
  const name = 'code' in cause ? `${cause.constructor.name} ${String(cause.code)}` : cause.constructor.name
  if (code !== 'GW_INTERNAL') return name
  const frames = cause.stack?.split('\n').filter((line) => /^\s+at /.test(line)) ?? []
  return [name, ...frames.slice(0, 6).map((line) => line.trim())].join(' < ')
}

export const errorHandler = fp(handler, {
  name: 'error-handler',
  fastify: '5.x',
  dependencies: ['keep-form', 'send-page'],
})
