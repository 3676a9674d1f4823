import type { Parts } from './parts.ts'

/** How long a start waits for Cognito and Redis before it serves what can be served without them. */
const PATIENCE_MS = 20_000

/** Why this process is not ready, for a gateway without workers. */
export function unreadiness(parts: Parts): string | null {
  if (parts.lifecycle.draining) return 'draining'
  if (!parts.lifecycle.listening) return 'starting'
  return waitingFor(parts, parts.keysAgeSeconds() !== null)
}

/** What a start still waits for. Once it is over nothing outside makes a gateway unready: every replica would be at the same moment. */
export function waitingFor(
  { lifecycle, revocations, ticks }: Pick<Parts, 'lifecycle' | 'revocations' | 'ticks'>,
  keysKnown: boolean,
): string | null {
  if (ticks() >= lifecycle.startedAt + PATIENCE_MS) return null
  if (!keysKnown) return "waiting for the user pool's keys"
  return revocations.known ? null : 'waiting for Redis'
}
