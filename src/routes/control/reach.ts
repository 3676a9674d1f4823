import formbody from '@fastify/formbody'
import type { FastifyPluginAsync } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import { filterReached, type ReachAnswer, type ReachQuestion } from '../../domain/reach.ts'
import { OPERATOR_HEADERS } from '../../pages/operator-layout.ts'
import { reachPage } from '../../pages/reach-page.ts'

export interface ReachOptions {
  /** Rejects with GW_REQUEST_REFUSED for what it cannot understand. */
  readonly reach: (question: ReachQuestion) => Promise<ReachAnswer>
}

/** What callers must show on this port; undefined where only this machine can ask. */
interface Guarded extends ReachOptions {
  readonly token: unknown
}

/** The claims of somebody in a hundred groups, escaped as forms do it. */
const MAX_BODY_BYTES = 65_536
const FIELDS = ['claims', 'token', 'address', 'q']

/**
 * `GET /reach`: a form. `POST /reach` with what is in it, or with `{ "claims", "token", "address" }` as JSON: what becomes of somebody's
 * requests at every route. Neither claims nor tokens are logged or sent back.
 */
export const reachRoutes: FastifyPluginAsync<Guarded> = async (app, { reach, token }) => {
  const asksToken = token !== undefined
  const config = { page: (problem: string) => reachPage({ asksToken, problem }) }
  await app.register(formbody, { bodyLimit: MAX_BODY_BYTES })

  app.get('/reach', { config }, async (_request, reply) =>
    reply.headers(OPERATOR_HEADERS).send(reachPage({ asksToken })),
  )

  app.post('/reach', { config, bodyLimit: MAX_BODY_BYTES }, async (request, reply) => {
    const { filter, ...question } = questionIn(request.body)
    const all = await reach(question)
    const answer = { ...all, routes: filterReached(all.routes, filter) }
    const by = question.token === '' ? (question.claims === '' ? 'nobody' : 'claims') : 'token'
    app.audit(request, 'reach_asked', { by })
    if (request.isForm) return reply.headers(OPERATOR_HEADERS).send(reachPage({ asksToken, answer, filter }))
    return reply.header('cache-control', 'no-store').send(answer)
  })
}

function questionIn(body: unknown): ReachQuestion & { readonly filter: string } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw malformed()
  const fields = new Map<string, unknown>(Object.entries(body))
  if ([...fields.keys()].some((name) => !FIELDS.includes(name))) throw malformed()
  const text = (name: string): string => {
    const value = fields.get(name) ?? ''
    if (typeof value !== 'string') throw malformed()
    return value.trim()
  }
  const claims = fields.get('claims')
  return {
    claims: typeof claims === 'object' && claims !== null ? JSON.stringify(claims) : text('claims'),
    token: text('token').replace(/^Bearer +/i, ''),
    address: text('address'),
    filter: text('q'),
  }
}

const malformed = (): GatewayError =>
  new GatewayError('GW_REQUEST_REFUSED', {
    reason: 'malformed',
    remedy:
      'send { "claims": { "access": { … }, "id": { … } } } or { "token": T }, and perhaps "address", as application/json',
  })
