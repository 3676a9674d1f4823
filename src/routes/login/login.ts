import fastifyCookie from '@fastify/cookie'
import secureSession from '@fastify/secure-session'
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify'
import type { PoolSettings } from '../../config/settings.ts'
import { GatewayError } from '../../domain/errors.ts'
import { hasCookie, SWITCH_COOKIE } from '../../domain/own-cookies.ts'
import { parseReturnTo, type ReturnToSelf } from '../../domain/return-to.ts'
import { leavingHeaders, leavingPage } from '../../pages/leaving-page.ts'
import { signInPage } from '../../pages/sign-in-page.ts'
import { createAttempts } from './attempts.ts'
import { beginLogin, HANDOVER, leave, leaveFirst } from './begin.ts'
import { createCallback, type CallbackParts } from './callback.ts'
import { createDiagnose, type DiagnoseParts } from './diagnose.ts'
import { createHandover, type Entrance, type HandoverParts, type Visit, type Wish } from './handover.ts'
import { createJournal, type JournalParts } from './journal.ts'
import { createLoopGuard } from './loop-guard.ts'
import { createSignInLimits, type SignInLimitsOptions } from './sign-in-limits.ts'

type Diagnosed = Pick<DiagnoseParts, 'findLogins' | 'sessionLimits' | 'maxHeaderBytes' | 'version' | 'script'>

export interface LoginOptions
  extends
    Omit<CallbackParts, 'journal' | 'limits' | 'pool' | keyof LoginPool>,
    Omit<HandoverParts, 'limits'>,
    Omit<JournalParts, 'pool'>,
    SignInLimitsOptions,
    Diagnosed {
  readonly self: ReturnToSelf
  /** 32-byte keys of the purpose `attempt`; the first seals, every one opens. What these buffers hold changes with the session keys. */
  readonly attemptKeys: readonly Buffer[]
  readonly pools: ReadonlyMap<string, LoginPool>
}

/** What signing in needs of one user pool. */
type LoginPool = Pick<PoolSettings, 'name' | 'identityProviders'> &
  Pick<CallbackParts, 'callback' | 'cognito' | 'verifier' | 'userPoolId' | 'trustEmailFrom'>

const MAX_HINT = 256

function noPool(pool: string): never {
  throw new TypeError(`there is no user pool ${pool}`)
}

/** Signing in, from the first redirect to the session: one scope, in which secure-session carries the attempts. */
export const login: FastifyPluginAsync<LoginOptions> = async (app, options) => {
  const { self, ownPrefix, pools } = options
  await app.register(fastifyCookie)
  await app.register(secureSession, {
    key: [...options.attemptKeys],
    sessionName: 'loginAttempt',
    cookieName: '__Host-gateway-login',
    cookie: { path: '/', secure: true, httpOnly: true, sameSite: 'lax' },
  })
  const attempts = createAttempts(app, self)
  const limits = createSignInLimits(options)
  const byPool = new Map(
    [...pools].map(([name, pool]) => [
      name,
      { ...options, ...pool, pool: name, journal: createJournal({ ...options, pool: name }), limits },
    ]),
  )
  const partsOf = (pool: string) => byPool.get(pool) ?? noPool(pool)
  const loopGuard = createLoopGuard(options.now)
  const handover = createHandover(app, { ...options, limits }, { attempts, loopGuard })

  /** Begins where a person was sent to: to sign in, or to the host where people of their pool do. */
  async function begin(wish: Wish, pool: string, visit: Visit): Promise<FastifyReply> {
    // Nobody types a password for a session that could not be kept.
    await options.store.check()
    const { request, reply } = visit
    const { entrance, returnTo } = wish
    const { site } = request
    const parts = partsOf(pool)
    request.returnTo = returnTo
    if (loopGuard.isLoop(request)) {
      const error = new GatewayError('GW_SIGN_IN_LOOP', { reason: 'login_loop' })
      parts.journal.failed({ request, attempt: null }, 'started', error)
      throw error
    }
    const isPassing = pool !== site.pool
    const isSwitching = !isPassing && hasCookie(request.raw.headers.cookie, SWITCH_COOKIE)
    if (entrance === 'sign-in' && isSwitching && wish.leave !== true) {
      const href = `${ownPrefix}/start?leave=1&rd=${encodeURIComponent(returnTo)}`
      return reply.headers(leavingHeaders(href)).sendPage(leavingPage({ href }))
    }
    const identityProvider = parts.identityProviders.find((name) => name === wish.identityProvider)
    const loginHint = (wish.loginHint ?? '').length <= MAX_HINT ? wish.loginHint : undefined
    const sound = { ...wish, identityProvider, loginHint }
    if (!site.signsIn) return handover.beginVisit(sound, visit)
    if (entrance === 'choose' && !isPassing)
      return leave(reply, `${ownPrefix}/sign_in?rd=${encodeURIComponent(returnTo)}${againIn(wish.afresh)}`)
    if (site.callbackOrigin !== site.origin) return handover.beginVisit(sound, visit)
    if (wish.leave === true) return leaveFirst(parts, attempts, { returnTo, visit: wish.visit }, visit)
    return beginLogin(parts, attempts, { ...sound, page: entrance === 'choose' ? 'sign-in' : entrance }, visit)
  }

  const beginAs = (entrance: Entrance) => async (request: FastifyRequest, reply: FastifyReply) => {
    const { query, ...wish } = wishIn(request)
    const leave = query.has('leave') && hasCookie(request.raw.headers.cookie, SWITCH_COOKIE)
    return begin({ ...wish, entrance, leave }, request.site.pool, { request, reply })
  }
  const start = beginAs('sign-in')
  const open = { config: { access: 'public' } } as const
  const same = { config: { access: 'public', sessionless: true } } as const

  app.get(`${ownPrefix}/start`, same, start)
  app.get(`${ownPrefix}/sign_up`, same, beginAs('sign-up'))
  app.get(`${ownPrefix}/forgot_password`, same, beginAs('forgot-password'))
  for (const parts of byPool.values())
    app.get(parts.callback, open, createCallback(app, parts, { attempts, loopGuard, handover }))

  app.get(
    `${ownPrefix}/diagnose`,
    open,
    createDiagnose({
      ...options,
      limits,
      attempts,
      signInHref: `${ownPrefix}/sign_in`,
    }),
  )

  app.get(`${ownPrefix}/sign_in`, same, async (request, reply) => {
    const { identityProviders } = partsOf(request.site.pool)
    if (identityProviders.length < 2) return start(request, reply)
    // Whoever is signed in already has nothing to choose.
    if (!request.site.signsIn) return beginAs('choose')(request, reply)
    const { returnTo, afresh } = wishIn(request)
    request.returnTo = returnTo
    const rd = encodeURIComponent(returnTo) + againIn(afresh)
    const link = (endpoint: string, more = ''): string => `${ownPrefix}/${endpoint}?rd=${rd}${more}`
    const providers = identityProviders.map((name) => ({
      label: name === 'COGNITO' ? 'User name and password' : name,
      href: link('start', `&idp=${encodeURIComponent(name)}`),
    }))
    return reply.sendPage(signInPage({ providers, signUpHref: link('sign_up'), forgotHref: link('forgot_password') }))
  })

  // Who is signed in is asked as on any other page, so that what is handed over is fresh.
  app.get(`${ownPrefix}${HANDOVER}`, { config: { access: 'optional' } }, async (request, reply) =>
    new URLSearchParams(request.target?.query ?? '').has('for')
      ? handover.give({ request, reply }, begin)
      : handover.take({ request, reply }),
  )

  function wishIn({ target, site }: FastifyRequest) {
    const query = new URLSearchParams(target?.query ?? '')
    // `rd`, given once: of two nobody should have to ask which counts.
    const [first, ...more] = query.getAll('rd')
    return {
      query,
      returnTo: parseReturnTo(more.length === 0 ? first : undefined, self, site.origin),
      identityProvider: query.get('idp') ?? undefined,
      loginHint: query.get('login_hint') ?? undefined,
      afresh: query.get('prompt') === 'login',
    }
  }
}

const againIn = (afresh = false): string => (afresh ? '&prompt=login' : '')
