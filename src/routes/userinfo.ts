import type { FastifyPluginAsync } from 'fastify'
import { GatewayError } from '../domain/errors.ts'
import type { SessionLimits } from '../domain/session.ts'

export interface UserinfoOptions {
  readonly ownPrefix: string
  readonly limits: SessionLimits
}

/** Who is signed in, for the scripts of applications. Never a token. */
export const userinfo: FastifyPluginAsync<UserinfoOptions> = async (app, { ownPrefix, limits }) => {
  app.get(`${ownPrefix}/userinfo`, { config: { access: 'signedIn' } }, async (request, reply) => {
    const { identity, signedInSession } = request
    if (identity?.kind !== 'person') throw new GatewayError('GW_INTERNAL', { detail: 'a permit without a person' })
    const { subject, email, groups, preferredUsername, username, pool } = identity
    const endsAt = signedInSession === null ? undefined : signedInSession.startedAt + limits.maxAgeSeconds * 1000
    return reply.header('cache-control', 'no-store').send({
      user: subject,
      email,
      groups: [...groups],
      preferredUsername: preferredUsername ?? username,
      pool,
      expiresAt: endsAt === undefined ? undefined : new Date(endsAt).toISOString(),
    })
  })
}
