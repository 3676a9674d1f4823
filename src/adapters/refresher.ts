import type { Session } from '../domain/session.ts'

/** What became of a refresh: a renewed session, a refusal for good, or a fault that may pass. */
export type RefreshOutcome =
  | { readonly kind: 'renewed'; readonly session: Session }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly cause: unknown }

export interface RefresherOptions {
  readonly refresh: (session: Session) => Promise<RefreshOutcome>
  readonly now: () => number
  /** How long a result is handed to latecomers, which still carry the cookie from before it. */
  readonly keepMs?: number
  /** How long a session whose refresh failed is left alone before the next try. */
  readonly pauseMs?: number
}

export interface Refresher {
  /** Renews a session: one call to the user pool at a time per session, its result shared with everybody who asks meanwhile. */
  renew(session: Session): Promise<RefreshOutcome>
  /** Waits for a running refresh and forgets its result, which nobody may use any more; the newest session known. */
  settle(session: Session): Promise<Session>
}

interface Entry {
  /** The claims' age that the refresh started from: whoever holds claims as old as that wants the same result. */
  readonly from: number
  readonly outcome: Promise<RefreshOutcome>
  done: RefreshOutcome | null
  doneAt: number
}

const MAX_ENTRIES = 10_000

export function createRefresher(options: RefresherOptions): Refresher {
  const { refresh, now, keepMs = 30_000, pauseMs = 2_000 } = options
  const entries = new Map<string, Entry>()

  async function renew(session: Session): Promise<RefreshOutcome> {
    const known = entries.get(session.id)
    if (known !== undefined) {
      if (known.done === null) {
        const outcome = await known.outcome
        return session.claimsAt <= known.from || outcome.kind !== 'renewed' ? outcome : renew(session)
      }
      const keep = known.done.kind === 'unavailable' ? pauseMs : keepMs
      if (session.claimsAt <= known.from && now() < known.doneAt + keep) return known.done
    }
    return begin(session).outcome
  }

  function begin(session: Session): Entry {
    const entry: Entry = { from: session.claimsAt, outcome: attempt(session), done: null, doneAt: 0 }
    entries.delete(session.id)
    entries.set(session.id, entry)
    return entry
  }

  async function attempt(session: Session): Promise<RefreshOutcome> {
    const outcome = await refresh(session).catch((cause: unknown): RefreshOutcome => ({ kind: 'unavailable', cause }))
    const entry = entries.get(session.id)
    if (entry?.from === session.claimsAt) {
      entry.done = outcome
      entry.doneAt = now()
    }
    dropStale()
    return outcome
  }

  function dropStale(): void {
    for (const [id, entry] of entries) {
      const stale = entry.done !== null && now() >= entry.doneAt + keepMs
      if (!stale && entries.size <= MAX_ENTRIES) return
      entries.delete(id)
    }
  }

  return {
    renew,
    async settle(session) {
      const known = entries.get(session.id)
      if (known === undefined) return session
      const outcome = await known.outcome
      entries.delete(session.id)
      return outcome.kind === 'renewed' && outcome.session.claimsAt >= session.claimsAt ? outcome.session : session
    },
  }
}
