import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readAuthorizationRequest, type AuthorizationRequest } from './authorization-request.ts'
import {
  csrfToken,
  formOf,
  isForged,
  isUnstyled,
  queryOf,
  redirectToError,
  refuse,
  refuseForged,
  refuseUnstyled,
  signIn,
  type PoolContext,
} from './pool-context.ts'
import { sendPage } from './pool-layout.ts'
import { confirmPage, forgotPasswordPage, newPasswordPage, signUpPage } from './pool-pages.ts'
import { withUsername } from './pool-sign-in.ts'
import { passwordFault } from './user-directory.ts'

const WRONG_CODE = 'Invalid verification code provided, please try again.'

interface Visit {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly asked: AuthorizationRequest
  /** The authorize request's query, without the name that the pages add to it. */
  readonly query: string
  readonly form: URLSearchParams
}

type Show = (visit: Visit) => FastifyReply

/** Sign-up with its confirmation, and the way to a new password. */
export function addAccounts(app: FastifyInstance, context: PoolContext): void {
  const visiting =
    (show: Show) =>
    async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
      const outcome = readAuthorizationRequest(context.pool, queryOf(request))
      if (outcome.kind !== 'accepted') return refuse(reply, context, outcome)
      if (isUnstyled(context, outcome.asked)) return refuseUnstyled(reply)
      if (request.method === 'POST' && isForged(request)) return refuseForged(reply)
      const { asked } = outcome
      const query = new URLSearchParams(asked.query)
      query.delete('username')
      return show({ request, reply, asked, query: query.toString(), form: formOf(request) })
    }
  const { pool } = context

  const open = (show: Show): Show =>
    pool.settings.selfSignUp ? show : ({ reply }) => redirectToError(reply, pool, NO_SIGN_UP)
  app.get('/signup', visiting(open((visit) => showSignUp(visit))))
  app.post('/signup', visiting(open((visit) => signUp(visit, context))))
  app.get(
    '/confirm',
    visiting((visit) => showConfirm(visit, context)),
  )
  app.post(
    '/confirm',
    visiting((visit) => confirm(visit, context)),
  )
  app.get(
    '/forgotPassword',
    visiting((visit) => showForgotPassword(visit)),
  )
  app.post(
    '/forgotPassword',
    visiting((visit) => forgetPassword(visit, context)),
  )
  app.get(
    '/confirmforgotPassword',
    visiting((visit) => showNewPassword(visit, context)),
  )
  app.post(
    '/confirmforgotPassword',
    visiting((visit) => resetPassword(visit, context)),
  )
}

const NO_SIGN_UP = 'Sign-up is not allowed in this user pool.'

function showSignUp(visit: Visit, problem?: string): FastifyReply {
  const [username, email] = [visit.form.get('username') ?? '', visit.form.get('email') ?? '']
  return sendPage(visit.reply, signUpPage({ ...formParts(visit, problem), username, email }))
}

function signUp(visit: Visit, { pool }: PoolContext): FastifyReply {
  const { form, reply, query } = visit
  const [username, email, password] = ['username', 'email', 'password'].map((name) => form.get(name) ?? '')
  if (!username?.trim() || !email?.includes('@'))
    return showSignUp(visit, 'A username and an e-mail address are needed.')
  const fault = passwordFault(password ?? '')
  if (fault !== undefined) return showSignUp(visit, fault)
  const user = pool.users.signUp({ username: username.trim(), email, password: password ?? '' })
  if (user === undefined) return showSignUp(visit, 'User already exists')
  return reply.redirect(`${pool.url}/confirm?${withUsername(query, user.username)}`, 302)
}

function showConfirm(visit: Visit, { pool }: PoolContext, problem?: string): FastifyReply {
  const username = namedIn(visit)
  const user = pool.users.find(username)
  const mailedCode = user?.confirmed === false ? user.mailedCode : undefined
  return sendPage(visit.reply, confirmPage({ ...formParts(visit, problem), username, mailedCode }))
}

function confirm(visit: Visit, context: PoolContext): FastifyReply {
  const user = context.pool.users.confirm(namedIn(visit), visit.form.get('code') ?? '')
  if (user === undefined) return showConfirm(visit, context, WRONG_CODE)
  return signIn(visit.reply, context, { asked: visit.asked, username: user.username })
}

function showForgotPassword(visit: Visit): FastifyReply {
  const username = visit.asked.loginHint
  return sendPage(visit.reply, forgotPasswordPage({ ...formParts(visit), username }))
}

function forgetPassword({ form, reply, query }: Visit, { pool }: PoolContext): FastifyReply {
  const username = (form.get('username') ?? '').trim()
  pool.users.forgetPassword(username)
  return reply.redirect(`${pool.url}/confirmforgotPassword?${withUsername(query, username)}`, 302)
}

function showNewPassword(visit: Visit, { pool }: PoolContext, problem?: string): FastifyReply {
  const username = namedIn(visit)
  const user = pool.users.find(username)
  const mailedCode = user?.confirmed === true ? user.mailedCode : undefined
  return sendPage(visit.reply, newPasswordPage({ ...formParts(visit, problem), username, mailedCode }))
}

function resetPassword(visit: Visit, context: PoolContext): FastifyReply {
  const { form, reply, query } = visit
  const password = form.get('password') ?? ''
  const fault = passwordFault(password)
  if (fault !== undefined) return showNewPassword(visit, context, fault)
  const user = context.pool.users.resetPassword(namedIn(visit), form.get('code') ?? '', password)
  if (user === undefined) return showNewPassword(visit, context, WRONG_CODE)
  return reply.redirect(`${context.pool.url}/login?${query}`, 302)
}

const namedIn = ({ asked, form }: Visit): string =>
  form.get('username') ?? new URLSearchParams(asked.query).get('username') ?? ''

const formParts = (
  { request, reply, query }: Visit,
  problem?: string,
): { query: string; csrf: string; problem: string | undefined } => ({
  query,
  csrf: csrfToken(request, reply),
  problem,
})
