import { waitingFor } from '../readiness.ts'
import type { Parts } from '../parts.ts'
import type { Member } from './desk.ts'

/** Whether the whole is ready, out of what its workers have told. */
export interface Readiness {
  /** Looks at the workers after one made a step; true the one time when all listen. */
  progress(): boolean
  /** Null while ready; else why not. */
  unreadiness(): string | null
}

/** Once all workers have listened, and had keys, the gateway has started: one that is replaced later does not undo that. */
export function createReadiness(
  { settings, ...parts }: Pick<Parts, 'settings' | 'lifecycle' | 'revocations' | 'ticks'>,
  members: ReadonlyMap<number, Member>,
): Readiness {
  const { lifecycle } = parts
  let keysKnown = false
  const all = (): readonly Member[] => [...members.values()]

  return {
    progress() {
      if (members.size < settings.workers) return false
      keysKnown ||= all().every(({ hasKeys }) => hasKeys)
      if (lifecycle.listening || all().some(({ port }) => port === undefined)) return false
      lifecycle.listening = true
      return true
    },
    unreadiness() {
      if (lifecycle.draining) return 'draining'
      if (!lifecycle.listening) return 'starting'
      const waiting = waitingFor(parts, keysKnown)
      if (waiting !== null) return waiting
      return all().some(({ port }) => port !== undefined) ? null : 'no worker listens'
    },
  }
}
