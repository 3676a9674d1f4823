import type { FastifyPluginAsync } from 'fastify'
import { GatewayError } from '../../domain/errors.ts'
import { LOGIN_QUERY_KEYS, type LoginQuery, type LoginRecord } from '../../domain/login-record.ts'

export interface LoginsOptions {
  /** What every process of the gateway knows of the last sign-ins, the newest first. */
  readonly findLogins: (query: LoginQuery) => Promise<readonly LoginRecord[]>
}

const MAX_VALUE = 320

/** `GET /logins?reference=|attempt=|sub=|email=`: what became of somebody's sign-in. Without a question, all that are remembered. */
export const logins: FastifyPluginAsync<LoginsOptions> = async (app, { findLogins }) => {
  app.get('/logins', async (request, reply) => {
    const query = queryIn(new URLSearchParams(request.url.split('?', 2)[1] ?? ''))
    const found = await findLogins(query)
    // Whoever looks people up leaves a trace of it too; what they looked for stays out of the log.
    app.audit(request, 'logins_read', { by: Object.keys(query), found: found.length })
    return reply.header('cache-control', 'no-store').send({ logins: found.map(shown) })
  })
}

function queryIn(parameters: URLSearchParams): LoginQuery {
  const remedy = `ask for any of ${LOGIN_QUERY_KEYS.map((key) => `${key}=`).join(', ')}, each at most once and not empty`
  const given = [...parameters]
  const known = given.every(
    ([name, value]) =>
      LOGIN_QUERY_KEYS.some((key) => key === name) &&
      parameters.getAll(name).length === 1 &&
      value !== '' &&
      value.length <= MAX_VALUE,
  )
  if (!known) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'malformed', remedy })
  return Object.fromEntries(given)
}

const shown = ({ startedAt, changedAt, ...record }: LoginRecord) => ({
  ...record,
  startedAt: new Date(startedAt).toISOString(),
  changedAt: new Date(changedAt).toISOString(),
})
