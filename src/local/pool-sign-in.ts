import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { readAuthorizationRequest, type AuthorizationRequest } from './authorization-request.ts'
import {
  csrfToken,
  formOf,
  isForged,
  isUnstyled,
  queryOf,
  refuse,
  refuseForged,
  refuseUnstyled,
  signIn,
  type PoolContext,
} from './pool-context.ts'
import { sendPage } from './pool-layout.ts'
import { signInPage } from './pool-pages.ts'
import { OWN_DIRECTORY } from './pool-settings.ts'

interface Exchange {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
}

/** `/login`: the page with the password, and the ways to external providers. */
export function addSignIn(app: FastifyInstance, context: PoolContext): void {
  const { pool } = context

  app.get('/login', async (request, reply) => {
    const outcome = readAuthorizationRequest(pool, queryOf(request))
    if (outcome.kind !== 'accepted') return refuse(reply, context, outcome)
    const { asked } = outcome
    if (isUnstyled(context, asked)) return refuseUnstyled(reply)
    return show(asked, context, { request, reply, username: asked.loginHint })
  })

  app.post('/login', async (request, reply) => {
    const outcome = readAuthorizationRequest(pool, queryOf(request))
    if (outcome.kind !== 'accepted') return refuse(reply, context, outcome)
    const { asked } = outcome
    if (isForged(request) || !asked.client.identityProviders.includes(OWN_DIRECTORY)) return refuseForged(reply)
    const form = formOf(request)
    const username = (form.get('username') ?? '').trim()
    const user = pool.users.authenticate(username, form.get('password') ?? '')
    if (user === undefined) {
      return show(asked, context, { request, reply, username, problem: 'Incorrect username or password.' })
    }
    if (user.confirmed) return signIn(reply, context, { asked, username })
    return reply.redirect(`${pool.url}/confirm?${withUsername(asked.query, username)}`, 302)
  })
}

function show(
  asked: AuthorizationRequest,
  { pool }: PoolContext,
  { request, reply, username, problem }: Exchange & { readonly username: string; readonly problem?: string },
): FastifyReply {
  const { identityProviders } = asked.client
  const page = signInPage({
    query: asked.query,
    csrf: csrfToken(request, reply),
    problem,
    username,
    ownDirectory: identityProviders.includes(OWN_DIRECTORY),
    providers: pool.settings.identityProviders.filter(({ name }) => identityProviders.includes(name)),
    selfSignUp: pool.settings.selfSignUp,
  })
  return sendPage(reply, page)
}

/** The query of a page that must know whom it is about. */
export function withUsername(query: string, username: string): string {
  const parameters = new URLSearchParams(query)
  parameters.set('username', username)
  return parameters.toString()
}
