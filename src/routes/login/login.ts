import fastifyCookie from '@fastify/cookie'
import secureSession from '@fastify/secure-session'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { CognitoPage } from '../../adapters/cognito-client.ts'
import { GatewayError } from '../../domain/errors.ts'
import { hasCookie, SWITCH_COOKIE } from '../../domain/own-cookies.ts'
import { parseReturnTo, type ReturnToSelf, type SafePath } from '../../domain/return-to.ts'
import { leavingHeaders, leavingPage } from '../../pages/leaving-page.ts'
import { pageHeaders } from '../../pages/layout.ts'
import { signInPage } from '../../pages/sign-in-page.ts'
import { createAttempts } from './attempts.ts'
import { beginLogin, leaveFirst } from './begin.ts'
import { createCallback, type CallbackParts } from './callback.ts'
import { createDiagnose, type DiagnoseParts } from './diagnose.ts'
import { createJournal, type JournalParts } from './journal.ts'
import { createLoopGuard } from './loop-guard.ts'
import { createSignInLimits, type SignInLimitsOptions } from './sign-in-limits.ts'

type Diagnosed = Pick<DiagnoseParts, 'findLogins' | 'sessionLimits' | 'maxHeaderBytes' | 'version' | 'script'>

export interface LoginOptions
  extends Omit<CallbackParts, 'journal' | 'limits'>, JournalParts, SignInLimitsOptions, Diagnosed {
  readonly self: ReturnToSelf
  /** 32-byte keys of the purpose `attempt`; the first seals, every one opens. What these buffers hold changes with the session keys. */
  readonly attemptKeys: readonly Buffer[]
  readonly endpoints: { readonly prefix: string; readonly callback: string }
  readonly identityProviders: readonly string[]
}

const MAX_HINT = 256

/** Signing in, from the first redirect to the session: one scope, in which secure-session carries the attempts. */
export const login: FastifyPluginAsync<LoginOptions> = async (app, options) => {
  const { self, endpoints, identityProviders } = options
  await app.register(fastifyCookie)
  await app.register(secureSession, {
    key: [...options.attemptKeys],
    sessionName: 'loginAttempt',
    cookieName: '__Host-gateway-login',
    cookie: { path: '/', secure: true, httpOnly: true, sameSite: 'lax' },
  })
  const attempts = createAttempts(app, self)
  const https = self.publicUrl.startsWith('https:')
  const parts = { ...options, journal: createJournal(options), limits: createSignInLimits(options) }
  const loopGuard = createLoopGuard(options.now)
  const begin = (page: CognitoPage) => async (request: FastifyRequest, reply: FastifyReply) => {
    // Nobody types a password for a session that could not be kept.
    await options.store.check()
    const query = new URLSearchParams(request.target?.query ?? '')
    const returnTo = returnToIn(query, self)
    request.returnTo = returnTo
    const provider = query.get('idp') ?? undefined
    const hint = query.get('login_hint') ?? undefined
    const afresh = query.get('prompt') === 'login'
    if (loopGuard.isLoop(request)) {
      const error = new GatewayError('GW_SIGN_IN_LOOP', { reason: 'login_loop' })
      parts.journal.failed({ request, attempt: null }, 'started', error)
      throw error
    }
    if (page === 'sign-in' && hasCookie(request.raw.headers.cookie, SWITCH_COOKIE)) {
      if (query.has('leave')) return leaveFirst(parts, { returnTo }, { request, reply })
      const href = `${endpoints.prefix}/start?leave=1&rd=${encodeURIComponent(returnTo)}`
      return reply.headers({ ...pageHeaders({ https }), ...leavingHeaders(href) }).send(leavingPage({ href }))
    }
    return beginLogin(
      parts,
      attempts,
      {
        page,
        returnTo,
        identityProvider: provider !== undefined && identityProviders.includes(provider) ? provider : undefined,
        loginHint: hint !== undefined && hint.length <= MAX_HINT ? hint : undefined,
        afresh,
      },
      { request, reply },
    )
  }
  const start = begin('sign-in')
  const open = { config: { access: 'public' } } as const
  const same = { config: { access: 'public', sessionless: true } } as const

  app.get(`${endpoints.prefix}/start`, same, start)
  app.get(`${endpoints.prefix}/sign_up`, same, begin('sign-up'))
  app.get(`${endpoints.prefix}/forgot_password`, same, begin('forgot-password'))
  app.get(endpoints.callback, open, createCallback(app, parts, { attempts, loopGuard }))

  app.get(
    `${endpoints.prefix}/diagnose`,
    open,
    createDiagnose({
      ...parts,
      attempts,
      https: self.publicUrl.startsWith('https:'),
      signInHref: `${endpoints.prefix}/sign_in`,
    }),
  )

  app.get(`${endpoints.prefix}/sign_in`, same, async (request, reply) => {
    if (identityProviders.length < 2) return start(request, reply)
    const query = new URLSearchParams(request.target?.query ?? '')
    const rd = encodeURIComponent(returnToIn(query, self))
    const again = query.get('prompt') === 'login' ? '&prompt=login' : ''
    const link = (endpoint: string, more = ''): string => `${endpoints.prefix}/${endpoint}?rd=${rd}${again}${more}`
    const providers = identityProviders.map((name) => ({
      label: name === 'COGNITO' ? 'User name and password' : name,
      href: link('start', `&idp=${encodeURIComponent(name)}`),
    }))
    return reply
      .headers(pageHeaders({ https }))
      .send(signInPage({ providers, signUpHref: link('sign_up'), forgotHref: link('forgot_password') }))
  })
}

/** `rd`, given once: of two nobody should have to ask which counts. */
function returnToIn(query: URLSearchParams, self: ReturnToSelf): SafePath {
  const [first, ...more] = query.getAll('rd')
  return parseReturnTo(more.length === 0 ? first : undefined, self)
}
