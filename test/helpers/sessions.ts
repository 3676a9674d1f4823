import { randomBytes } from 'node:crypto'
import { newIds } from '../../src/adapters/session-store.ts'
import type { Session } from '../../src/domain/session.ts'
import type { Clock } from './clock.ts'
import { alice } from './people.ts'

/** As long and as incompressible as Cognito's. */
const refreshToken = [
  'eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ',
  randomBytes(256),
  randomBytes(12),
  randomBytes(990),
  randomBytes(16),
]
  .map((part) => (typeof part === 'string' ? part : part.toString('base64url')))
  .join('.')

/** A session that has just begun. */
export const newSession = (
  clock: Clock,
  more: Partial<Session> = {},
  groups: readonly string[] = ['admins'],
): Session => ({
  ...newIds(),
  person: alice({ groups: new Set(groups) }),
  startedAt: clock.now(),
  seenAt: clock.now(),
  claimsAt: clock.now(),
  accessExpiresAt: clock.now() + 3_600_000,
  refreshToken,
  ...more,
})
