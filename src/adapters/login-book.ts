import { fitsQuery, mergeLogins, mergeRecords, type LoginQuery, type LoginRecord } from '../domain/login-record.ts'

/** The last sign-ins, in memory, and the sessions whose cookie has still to come back. */
export interface LoginBook {
  /** Adds what is new to what is known of the same attempt. */
  note(record: LoginRecord): void
  /** The newest first. */
  find(query: LoginQuery): readonly LoginRecord[]
  /** From now on the first request with this session ends its sign-in. */
  awaitCookie(sessionId: string, record: LoginRecord): void
  /** How many sessions are waited for: while it is 0, there is nothing to ask `cookieSeen`. */
  readonly awaited: number
  /** A request came with this session. */
  cookieSeen(sessionId: string): void
}

export interface LoginBookOptions {
  readonly now: () => number
  /** The first request with a session that was waited for. */
  readonly onCookieSeen: () => void
}

const MAX_ATTEMPTS = 1_000
// Guesses at the callback belong to no attempt: they must not push out those that do.
const MAX_WITHOUT_ATTEMPT = 200
const MAX_AWAITED = 1_000
const AWAITED_MS = 600_000

export function createLoginBook({ now, onCookieSeen }: LoginBookOptions): LoginBook {
  const attempts = new Map<string, LoginRecord>()
  const strangers: LoginRecord[] = []
  const awaited = new Map<string, LoginRecord>()

  function note(record: LoginRecord): void {
    if (record.attempt === null) {
      strangers.push(record)
      if (strangers.length > MAX_WITHOUT_ATTEMPT) strangers.shift()
      return
    }
    const known = attempts.get(record.attempt)
    attempts.set(record.attempt, known === undefined ? record : mergeRecords(known, record))
    if (attempts.size > MAX_ATTEMPTS) dropOldest(attempts)
  }

  /** Who has not come back by now is not waited for: cookies that a browser does not keep would be waited for always. */
  function dropStale(): void {
    for (const [sessionId, { changedAt }] of awaited) {
      if (awaited.size <= MAX_AWAITED && now() < changedAt + AWAITED_MS) return
      awaited.delete(sessionId)
    }
  }

  return {
    note,
    find(query) {
      const fitting = [...strangers, ...attempts.values()].filter((record) => fitsQuery(record, query))
      return mergeLogins([fitting.toReversed()])
    },
    get awaited() {
      return awaited.size
    },
    awaitCookie(sessionId, record) {
      awaited.set(sessionId, record)
      dropStale()
    },
    cookieSeen(sessionId) {
      const record = awaited.get(sessionId)
      if (record !== undefined) {
        awaited.delete(sessionId)
        onCookieSeen()
        note({ ...record, stage: 'cookie_seen', changedAt: now() })
      }
      dropStale()
    },
  }
}

function dropOldest(map: Map<string, unknown>): void {
  for (const key of map.keys()) {
    map.delete(key)
    return
  }
}
