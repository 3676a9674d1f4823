import { GatewayError, storeUnavailable } from '../domain/errors.ts'
import { Generations } from '../domain/generations.ts'
import type { Person } from '../domain/identity.ts'
import { isCovered, type Revocation, type SessionRevocation, type TokenOrigin } from '../domain/revocation.ts'
import type { Session } from '../domain/session.ts'
import type { RevocationLog } from './revocation-log.ts'

/** Knows what was ended before its time: single sessions, people, and everything before a moment. */
export interface Revocations {
  /** False until what was revoked before this start is known: nobody can say which sessions still are any. */
  readonly known: boolean
  /** Resolves when `known`, or after this time. */
  waitUntilKnown(patienceMs: number): Promise<void>
  /** Throws GW_STORE_UNAVAILABLE until `known`. */
  requireKnown(): void
  /** Whether a revocation reaches every replica and survives a restart. */
  readonly lasting: boolean
  /** Whether a session is none any more. Asked for every request. Throws GW_STORE_UNAVAILABLE until `known`. */
  hasEnded(session: Session): boolean
  /** Whether somebody wanted it to end. */
  wasRevoked(session: Session): boolean
  /** Whether somebody who comes back from Cognito signed in there before everything of theirs was ended. */
  coversSignIn(person: Person): boolean
  coversToken(origin: TokenOrigin): boolean
  /** Ends one session here, at once, and elsewhere as soon as possible; resolves when the other workers know. Never rejects. */
  endSession(session: Session): Promise<void>
  /** The same for a session whose time is over or that Cognito renews no more. */
  lapseSession(session: Session): Promise<void>
  /**
   * Revokes everywhere and for good, or not at all: rejects with GW_STORE_UNAVAILABLE where it could not be written down, and with
   * GW_REQUEST_REFUSED where nothing is `lasting`.
   */
  revoke(revocation: Revocation): Promise<void>
  /** Takes note of what was revoked elsewhere. */
  learn(revocation: Revocation): void
  list(): readonly Revocation[]
  close(): void
}

export interface RevocationsOptions {
  /** The time of day. */
  readonly now: () => number
  /** Milliseconds that only go forward. */
  readonly ticks: () => number
  /** Two pools of the settings may be app clients of one user pool, and a person is the same in both; the pool's own name where it is no other's. */
  readonly userPoolOf: (pool: string) => string
  /** How long what was revoked must be remembered: as long as a cookie or token of it could still come. */
  readonly keepMs: { readonly sessions: number; readonly others: number }
  /** Of all replicas; null where there is no Redis. Made from what is to be told of every entry. */
  readonly openLog: ((onRead: (revocation: Revocation) => void) => RevocationLog) | null
  /** Tells the other workers. */
  readonly tell?: ((revocation: Revocation) => Promise<void>) | undefined
  /** Told of everything that is revoked, here or elsewhere, so that what is open under it can end too. */
  readonly onRevoked?: ((revocation: Revocation) => void) | undefined
}

interface OnePerson {
  readonly pool: string
  readonly subject: string
}

/** A moment that is further ahead than clocks differ would keep everybody out until it comes. */
const MAX_AHEAD_MS = 300_000

const NOT_LASTING =
  'without session.redis a revocation would be forgotten at the next start: set session.revokeAllBefore and start anew, or give session.redis'

export function createRevocations(options: RevocationsOptions): Revocations {
  const { now, ticks, userPoolOf, keepMs, tell, onRevoked } = options
  const sessions = new Generations<SessionRevocation>(keepMs.sessions)
  const signIns = new Generations<true>(keepMs.sessions)
  const people = new Generations<number>(keepMs.others)
  let everything = -Infinity
  const log = options.openLog?.(learn) ?? null

  function learn(revocation: Revocation): void {
    switch (revocation.kind) {
      case 'session':
        // What somebody ended does not become one that merely lapsed.
        if (revocation.lapsed !== true || !sessions.has(revocation.id)) sessions.set(revocation.id, revocation, ticks())
        if (revocation.originJti !== undefined) signIns.set(revocation.originJti, true, ticks())
        break
      case 'person': {
        const key = personKey(revocation)
        people.set(key, Math.max(people.get(key) ?? -Infinity, bounded(revocation.before)), ticks())
        break
      }
      case 'everything':
        everything = Math.max(everything, bounded(revocation.before))
    }
    onRevoked?.(revocation)
  }

  function requireKnown(): void {
    if (log?.known === false) throw storeUnavailable()
  }

  /** Ids of user pools hold no space. */
  const personKey = ({ pool, subject }: OnePerson): string => `${userPoolOf(pool)} ${subject}`
  const bounded = (before: number): number => Math.min(before, now() + MAX_AHEAD_MS)

  function coversPerson(person: OnePerson, since: number): boolean {
    if (isCovered(everything, since)) return true
    return people.size > 0 && isCovered(people.get(personKey(person)) ?? -Infinity, since)
  }

  async function end(revocation: SessionRevocation): Promise<void> {
    learn(revocation)
    await Promise.all([tell?.(revocation), log?.appendSoon(revocation)])
  }

  return {
    get known() {
      return log === null || log.known
    },
    requireKnown,
    waitUntilKnown: async (patienceMs) => log?.waitUntilKnown(patienceMs),
    lasting: log !== null,
    hasEnded({ id, person }) {
      requireKnown()
      return sessions.has(id) || coversPerson(person, person.authTime)
    },
    coversSignIn: (person) => coversPerson(person, person.authTime),
    coversToken: (origin) =>
      coversPerson(origin, origin.since) || (origin.originJti !== undefined && signIns.has(origin.originJti)),
    wasRevoked({ id, person }) {
      const known = sessions.get(id)
      return (known !== undefined && known.lapsed !== true) || coversPerson(person, person.authTime)
    },
    endSession: async ({ id, originJti }) => end({ kind: 'session', id, originJti }),
    // Whoever holds tokens of the same sign-in may go on with them.
    lapseSession: async ({ id }) => end({ kind: 'session', id, lapsed: true }),
    async revoke(revocation) {
      if (log === null) throw new GatewayError('GW_REQUEST_REFUSED', { reason: 'not_lasting', remedy: NOT_LASTING })
      await log.append(revocation)
      learn(revocation)
      await tell?.(revocation)
    },
    learn,
    close: () => log?.close(),
    list: () => [
      ...[...sessions.entries()].map(([, revocation]) => revocation),
      ...[...people.entries()].map(([key, before]) => ({ kind: 'person', ...personIn(key), before }) as const),
      ...(everything === -Infinity ? [] : [{ kind: 'everything', before: everything } as const]),
    ],
  }
}

function personIn(key: string): OnePerson {
  const space = key.indexOf(' ')
  return { pool: key.slice(0, space), subject: key.slice(space + 1) }
}
