/** How far a sign-in came, in the order of travel. */
export const LOGIN_STAGES = ['started', 'came_back', 'exchanged', 'verified', 'session_set', 'cookie_seen'] as const
export type LoginStage = (typeof LOGIN_STAGES)[number]

/** What is known of one sign-in, for those who help people with it: who, from where, how far, and why no further. Never a secret. */
export interface LoginRecord extends LoginFacts {
  /** Null for what came back without a state of ours: it belongs to no sign-in. */
  readonly attempt: string | null
  readonly pool: string
  /** Epoch milliseconds. */
  readonly startedAt: number
  readonly changedAt: number
  readonly stage: LoginStage
  readonly result: LoginResult
  /** Ids of the requests that belonged to it, the oldest first. */
  readonly references: readonly string[]
  /** The address from which it was last heard of. */
  readonly client: string
}

/**
 * `restarted`: its attempt was gone, so another one was begun in its place. `signed_in_before`: it came back where somebody was signed in
 * already, and only led on. `sent_back`: what it brought was revoked before, so Cognito was told to ask for the password.
 */
export type LoginResult = 'under_way' | 'signed_in' | 'restarted' | 'signed_in_before' | 'sent_back' | 'failed'

export interface LoginFacts {
  readonly code?: string | undefined
  readonly reason?: string | undefined
  /** What the log says too: Cognito's own error and description, among others. */
  readonly detail?: string | undefined
  readonly identityProvider?: string | undefined
  readonly sub?: string | undefined
  readonly email?: string | undefined
  /** Names and values of the session's cookies together. */
  readonly cookieBytes?: number | undefined
  /** The sign-in that it was begun in place of. */
  readonly insteadOf?: string | undefined
}

/** Everything that is given must fit; nothing given fits every sign-in. */
export interface LoginQuery {
  readonly reference?: string | undefined
  readonly attempt?: string | undefined
  readonly sub?: string | undefined
  readonly email?: string | undefined
}

export const LOGIN_QUERY_KEYS = ['reference', 'attempt', 'sub', 'email'] as const satisfies (keyof LoginQuery)[]

export function fitsQuery(record: LoginRecord, { reference, attempt, sub, email }: LoginQuery): boolean {
  return (
    (reference === undefined || record.references.includes(reference)) &&
    (attempt === undefined || record.attempt === attempt) &&
    (sub === undefined || record.sub === sub) &&
    (email === undefined || record.email?.toLowerCase() === email.toLowerCase())
  )
}

const MAX_REFERENCES = 8

/**
 * One record out of two of the same sign-in: what the later one says counts, and nothing that only one knows is lost. A sign-in that worked
 * has worked, whatever becomes of its callback when that is opened again.
 */
export function mergeRecords(one: LoginRecord, other: LoginRecord): LoginRecord {
  const [older, newer] = one.changedAt <= other.changedAt ? [one, other] : [other, one]
  const again = older.result === 'signed_in' && newer.result !== 'signed_in'
  const known = Object.fromEntries(Object.entries(newer).filter(([, value]) => value !== undefined))
  return {
    ...older,
    ...(again ? {} : known),
    result: again || newer.result === 'under_way' ? older.result : newer.result,
    startedAt: Math.min(older.startedAt, newer.startedAt),
    changedAt: newer.changedAt,
    stage: LOGIN_STAGES.findLast((stage) => stage === older.stage || stage === newer.stage) ?? newer.stage,
    references: [...new Set([...older.references, ...newer.references])].slice(-MAX_REFERENCES),
  }
}

/** What several processes know, as one list: the newest first, each sign-in once. */
export function mergeLogins(lists: readonly (readonly LoginRecord[])[]): readonly LoginRecord[] {
  const merged = new Map<string, LoginRecord>()
  for (const record of lists.flat()) {
    const key = record.attempt ?? `without ${record.references.join(' ')}`
    const known = merged.get(key)
    merged.set(key, known === undefined ? record : mergeRecords(known, record))
  }
  return [...merged.values()].toSorted((a, b) => b.startedAt - a.startedAt)
}
