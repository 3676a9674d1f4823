import type { FastifyPluginAsync } from 'fastify'
import type { PersonNames } from '../../adapters/person-names.ts'
import type { Revocations } from '../../adapters/revocations.ts'
import { GatewayError } from '../../domain/errors.ts'
import { parseInstant, type Revocation } from '../../domain/revocation.ts'

export interface RevokeOptions {
  readonly revocations: Revocations
  readonly names: PersonNames
  /** Names of user pools; the first is the default. */
  readonly poolNames: readonly string[]
  readonly now: () => number
}

/**
 * `POST /revoke` with `{ "sub", "pool"? }` for everything of one person or machine until now, `{ "session" }` for one session, or
 * `{ "before" }` for everything until a moment that has been. Answered with what was revoked, once it is written down for all replicas.
 */
export const revoke: FastifyPluginAsync<RevokeOptions> = async (app, options) => {
  const { revocations, names } = options

  app.post('/revoke', async (request, reply) => {
    const revocation = revocationIn(request.body, options)
    await revocations.revoke(revocation)
    const { kind, ...what } = revocation
    const told = revocation.kind === 'person' ? { pool: revocation.pool, ...names.ofSubject(revocation.subject) } : what
    app.audit(request, 'revoked', { what: kind, by: 'control', ...told })
    return reply.send(answerOf(revocation))
  })
}

function revocationIn(body: unknown, { poolNames, now }: RevokeOptions): Revocation {
  const fields = new Map(Object.entries(typeof body === 'object' && body !== null ? body : {}))
  const text = (name: string): string | undefined => {
    const value: unknown = fields.get(name)
    if (value !== undefined && (typeof value !== 'string' || value === '' || value.length > 256)) throw malformed()
    return value
  }
  const [sub, session, before] = [text('sub'), text('session'), text('before')]
  const pool = text('pool') ?? poolNames[0] ?? ''
  const given = [sub, session, before].filter((value) => value !== undefined).length
  const known = [...fields.keys()].every((name) => ['sub', 'pool', 'session', 'before'].includes(name))
  if (given !== 1 || !known || (fields.has('pool') && sub === undefined)) throw malformed()
  if (session !== undefined) return sessionRevocation(session)
  if (before !== undefined) return { kind: 'everything', before: pastInstant(before, now()) }
  if (!poolNames.includes(pool)) throw refused(`there is no pool ${pool}; there is ${poolNames.join(', ')}`)
  return { kind: 'person', pool, subject: sub ?? '', before: now() }
}

function sessionRevocation(id: string): Revocation {
  if (!/^[\w-]{22}$/.test(id))
    throw refused('a session is 22 letters, digits, - and _, as in the line signed_in of the log')
  return { kind: 'session', id }
}

function pastInstant(text: string, now: number): number {
  const instant = parseInstant(text)
  if (instant === null) throw refused('before is a moment with its zone, such as 2025-01-31T03:00:00Z')
  if (instant > now) throw refused('before must not be in the future: nobody could stay signed in until then')
  return instant
}

function answerOf(revocation: Revocation): Readonly<Record<string, unknown>> {
  switch (revocation.kind) {
    case 'session':
      return { revoked: 'session', session: revocation.id }
    case 'person':
      return {
        revoked: 'person',
        pool: revocation.pool,
        sub: revocation.subject,
        before: new Date(revocation.before).toISOString(),
      }
    case 'everything':
      return { revoked: 'everything', before: new Date(revocation.before).toISOString() }
  }
}

const refused = (remedy: string): GatewayError =>
  new GatewayError('GW_REQUEST_REFUSED', { reason: 'malformed', remedy })

const malformed = (): GatewayError =>
  refused('send { "sub": S, "pool": P }, { "session": ID } or { "before": TIME } as application/json')
