import type { Session } from '../domain/session.ts'

/**
 * What became of a refresh: a renewed session, a refusal for good, or a fault that may pass. Even then there can be a session to keep: a new
 * refresh token came, and the one from before may be worth nothing any more.
 */
export type RefreshOutcome =
  | { readonly kind: 'renewed'; readonly session: Session }
  | { readonly kind: 'rejected'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly cause: unknown; readonly session?: Session | undefined }

export interface RefresherOptions {
  readonly refresh: (session: Session) => Promise<RefreshOutcome>
  readonly now: () => number
  /** How long a result is handed to latecomers, which still carry the cookie from before it. */
  readonly keepMs?: number
  /** From 0 to 1, to spread tries that failed together. */
  readonly random?: () => number
}

export interface Refresher {
  /** Renews a session: one call to the user pool at a time per session, its result shared with everybody who asks meanwhile. */
  renew(session: Session): Promise<RefreshOutcome>
  /** The same for a session that is still good: null where somebody else is at it already, or it failed a moment ago. */
  renewEarly(session: Session): Promise<RefreshOutcome> | null
  /** Waits for a running refresh and forgets its result, which nobody may use any more; the newest session known. */
  settle(session: Session): Promise<Session>
}

interface Entry {
  /** The claims' age that the refresh started from: whoever holds claims as old as that wants the same result. */
  readonly from: number
  readonly subject: string
  readonly outcome: Promise<RefreshOutcome>
  done: RefreshOutcome | null
  doneAt: number
  /** How many tries have failed in a row. */
  failures: number
  /** How long the result, or the failure, stands for an answer. */
  keepMs: number
}

const MAX_ENTRIES = 10_000
/** How long a session whose refresh failed is left alone: so long, doubling up to the most, and less by chance. */
const PAUSE_MS = { first: 2_000, most: 8_000 }

export function createRefresher(options: RefresherOptions): Refresher {
  const { refresh, now, keepMs = 30_000, random = Math.random } = options
  const entries = new Map<string, Entry>()

  /** What is known of the refresh that this session wants; null where another one must be begun. */
  function standing(session: Session): Entry | null {
    const known = entries.get(session.id)
    if (known === undefined || session.claimsAt > known.from || !sameSubject(known, session)) return null
    return known.done === null || now() < known.doneAt + known.keepMs ? known : null
  }

  async function renew(session: Session): Promise<RefreshOutcome> {
    const known = standing(session)
    if (known !== null) return known.outcome
    const other = entries.get(session.id)
    // One that carries older claims than ours is under way: when it is over, ours may have been renewed as well.
    if (other?.done === null) {
      await other.outcome
      return renew(session)
    }
    return begin(session).outcome
  }

  function begin(session: Session): Entry {
    const before = entries.get(session.id)
    const newest = newestOf(before, session)
    const entry: Entry = {
      from: session.claimsAt,
      subject: session.person.subject,
      outcome: attempt(newest, session),
      done: null,
      doneAt: 0,
      failures: before?.failures ?? 0,
      keepMs,
    }
    entries.delete(session.id)
    entries.set(session.id, entry)
    void entry.outcome.then((outcome) => finish(entry, outcome))
    return entry
  }

  async function attempt(newest: Session, asked: Session): Promise<RefreshOutcome> {
    const outcome = await refresh(newest).catch((cause: unknown): RefreshOutcome => ({ kind: 'unavailable', cause }))
    return outcome.kind === 'unavailable' && newest !== asked ? { session: newest, ...outcome } : outcome
  }

  function finish(entry: Entry, outcome: RefreshOutcome): void {
    entry.done = outcome
    entry.doneAt = now()
    entry.failures = outcome.kind === 'unavailable' ? entry.failures + 1 : 0
    entry.keepMs = outcome.kind === 'unavailable' ? pauseAfter(entry.failures, random()) : keepMs
    dropStale()
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
    renewEarly(session) {
      const known = standing(session)
      if (known === null) return entries.get(session.id)?.done === null ? null : begin(session).outcome
      const nothingNew = known.done?.kind === 'unavailable' && known.done.session === undefined
      return known.done === null || nothingNew ? null : known.outcome
    },
    async settle(session) {
      const known = entries.get(session.id)
      if (known === undefined) return session
      const outcome = await known.outcome
      entries.delete(session.id)
      const found = outcome.kind === 'rejected' ? undefined : outcome.session
      return found !== undefined && found.claimsAt >= session.claimsAt ? found : session
    },
  }
}

const sameSubject = ({ subject }: Entry, { person }: Session): boolean => subject === person.subject

/** The session with the newest refresh token: a try that failed may have got one that the cookie from before does not hold. */
function newestOf(before: Entry | undefined, session: Session): Session {
  if (before?.done?.kind !== 'unavailable' || before.from !== session.claimsAt) return session
  return before.done.session ?? session
}

function pauseAfter(failures: number, chance: number): number {
  return Math.min(PAUSE_MS.most, PAUSE_MS.first * 2 ** (failures - 1)) * (1 - chance / 2)
}
