import { createHash } from 'node:crypto'

/** The names of everything that the gateway keeps in Redis. What stands in braces decides where a cluster keeps it. */
export interface RedisKeys {
  session(id: string): string
  /** Held by whoever refreshes a session at the moment. */
  refreshing(id: string): string
  /** What became of the last refresh. */
  refreshed(id: string): string
  /** The log of sessions that were ended, and the one of people and times before which all have ended. */
  readonly ended: string
  readonly revoked: string
  /** There once somebody has used this hand-over. */
  handedOver(id: string): string
  readonly probe: string
}

/** `context` tells one gateway from another that uses the same server: what is sealed for one is nothing to the other. */
export function createRedisKeys(context: string): RedisKeys {
  const prefix = `cognito-gateway:${createHash('sha256').update(context).digest('base64url').slice(0, 12)}`
  return {
    session: (id) => `${prefix}:session:{${id}}`,
    refreshing: (id) => `${prefix}:refreshing:{${id}}`,
    refreshed: (id) => `${prefix}:refreshed:{${id}}`,
    ended: `${prefix}:ended:{log}`,
    revoked: `${prefix}:revoked:{log}`,
    handedOver: (id) => `${prefix}:handed-over:{${id}}`,
    probe: `${prefix}:probe`,
  }
}
