import { createHash } from 'node:crypto'

/** How everything is called in Redis. What belongs to one session, and both logs, stay on one node of a cluster. */
export interface RedisKeys {
  readonly ended: string
  readonly revoked: string
}

/** `context` sets gateways apart that share a server. */
export function createRedisKeys(context: string): RedisKeys {
  const name = createHash('sha256').update(context).digest('base64url').slice(0, 12)
  const key = (kind: string, id: string): string => `cognito-gateway:${name}:${kind}:{${id}}`
  return { ended: key('ended', 'log'), revoked: key('revoked', 'log') }
}
