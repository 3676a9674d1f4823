import { randomUUID } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import { readAuthorizationRequest } from './authorization-request.ts'
import {
  formOf,
  queryOf,
  redirectToCallback,
  redirectToError,
  refuse,
  signIn,
  type PoolContext,
} from './pool-context.ts'
import { sendPage } from './pool-layout.ts'
import { providerPage } from './pool-pages.ts'
import type { Profile } from './user-directory.ts'

/** Sign-in through external providers: the simulated provider's own page, and the pool's address that it returns to. */
export function addFederation(app: FastifyInstance, context: PoolContext): void {
  const { pool } = context

  app.get('/simulated-provider', async (request, reply) => {
    const state = new URLSearchParams(queryOf(request)).get('state') ?? ''
    const federation = pool.federation(state)
    if (federation === undefined) return redirectToError(reply, pool, 'invalid_request')
    return sendPage(reply, providerPage(federation.provider, state))
  })

  app.post('/simulated-provider', async (request, reply) => {
    const form = formOf(request)
    const state = form.get('state') ?? ''
    const code = pool.answerFederation(state, profileIn(form))
    if (code === undefined) return redirectToError(reply, pool, 'invalid_request')
    return reply.redirect(`${pool.url}/oauth2/idpresponse?${new URLSearchParams({ code, state })}`, 302)
  })

  app.get('/oauth2/idpresponse', async (request, reply) => {
    const given = new URLSearchParams(queryOf(request))
    const federation = pool.endFederation(given.get('state') ?? '')
    if (federation === undefined) return redirectToError(reply, pool, 'invalid_request')
    const outcome = readAuthorizationRequest(pool, federation.query)
    if (outcome.kind !== 'accepted') return refuse(reply, context, outcome)
    const { asked } = outcome
    const { answer, provider } = federation
    if (answer === undefined || answer.code !== given.get('code')) {
      const parameters = { state: asked.state, error: given.get('error') ?? 'invalid_request' }
      return redirectToCallback(reply, context, { redirectUri: asked.redirectUri, parameters })
    }
    const { username } = pool.users.federate(provider, answer.profile, pool.nowMs())
    // Cognito invents a nonce here when the client sent none, which clients that expect none must survive.
    return signIn(reply, context, { asked: { ...asked, nonce: asked.nonce ?? randomUUID() }, username })
  })
}

function profileIn(form: URLSearchParams): Profile {
  return {
    subject: form.get('subject')?.trim() || 'somebody',
    email: form.get('email')?.trim() ?? '',
    name: form.get('name')?.trim() ?? '',
    emailVerified: true,
  }
}
