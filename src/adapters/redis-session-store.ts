import { storeUnavailable } from '../domain/errors.ts'
import { Memo } from '../domain/memo.ts'
import type { Session } from '../domain/session.ts'
import { StoreError, type Redis } from './redis.ts'
import type { Revocations } from './revocations.ts'
import type { Seal } from './seal.ts'
import type { SessionRecords } from './session-records.ts'
import { idOf, newIds, type ReadSession, type SessionStore, type StoredSession } from './session-store.ts'

export interface RedisStoreOptions {
  readonly redis: Redis
  /** The same for whoever else writes sessions: what waits to be written waits in one place. */
  readonly records: SessionRecords
  /** The one of the records. */
  readonly seal: Seal
  readonly revocations: Revocations
  /** How long a session that Redis confirmed goes on while Redis is away. */
  readonly outageGraceSeconds: number
  /** A clock in milliseconds that only goes forward. */
  readonly ticks: () => number
  /** At least so many sessions are not asked for each time. */
  readonly remembered?: number
  /** Told of every session as it is from now on, so that what is open under it can follow. */
  readonly onWritten?: (session: Session) => void
}

/** How long a session is taken for what it was without asking: so late at most it is known what other replicas made of it. */
const TRUST_MS = 5_000
const HANDLE = /^[\w-]{43}$/
/** What came back wrong twice within this time is wrong in Redis, and not on the way. */
const DOUBT_MS = 60_000

/** A session as Redis last confirmed it. */
interface Known extends StoredSession {
  readonly confirmedAt: number
}

/** The store of which the browser holds nothing but a handle. Redis gets sealed records under a hash of it, and can neither read nor use them. */
export function createRedisStore(options: RedisStoreOptions): SessionStore {
  const { redis, records, revocations, ticks } = options
  const newMemo = (): Memo<Known> => new Memo(options.remembered ?? 10_000)
  let memo = newMemo()
  options.seal.onNewKeys(() => {
    memo = newMemo()
  })
  const doubts = new Memo<number>(1_000)
  const asking = new Map<string, Promise<Known | 'foreign' | null>>()

  /** Everybody who asks for the same session at the same moment shares one answer. */
  async function ask(handle: string): Promise<Known | 'foreign' | null> {
    const running = asking.get(handle) ?? fetch(handle).finally(() => asking.delete(handle))
    asking.set(handle, running)
    return running
  }

  async function fetch(handle: string): Promise<Known | 'foreign' | null> {
    const id = idOf(handle)
    const known = memo.get(handle)
    const unsaved = await records.settle(id)
    const confirmed = unsaved === null ? await confirm(handle, { id, known }) : { ...unsaved, oldKey: false }
    if (confirmed === null || confirmed === 'foreign') {
      memo.delete(handle)
      return confirmed
    }
    if (!isWithinGrace(confirmed)) throw unavailable(new StoreError('write', 'unsaved'))
    memo.set(handle, confirmed)
    if (confirmed.session.claimsAt !== known?.session.claimsAt) options.onWritten?.(confirmed.session)
    return confirmed
  }

  async function confirm(
    handle: string,
    { id, known }: { readonly id: string; readonly known: Known | null },
  ): Promise<Known | 'foreign' | null> {
    const confirmedAt = ticks()
    try {
      const found = await records.read(id)
      if (found === 'none') return null
      if (found === 'foreign') return found
      if (found === 'wrong') return doubt(handle)
      return { session: { ...found.session, handle }, oldKey: found.oldKey, confirmedAt }
    } catch (error) {
      if (known !== null && error instanceof StoreError && isWithinGrace(known)) return known
      throw unavailable(error)
    }
  }

  /** A record of somebody else: the connection has lost count of its answers, or somebody moved records about. */
  function doubt(handle: string): null {
    const before = doubts.get(handle)
    if (before !== null && ticks() < before + DOUBT_MS) return null
    doubts.set(handle, ticks())
    redis.distrust()
    throw new StoreError('read', 'wrong_answer')
  }

  const isWithinGrace = ({ confirmedAt }: Known): boolean => ticks() <= confirmedAt + options.outageGraceSeconds * 1000

  async function keep(session: Session, how: 'create' | 'replace'): Promise<string | null> {
    const { id } = session
    const handle = handleOf(session)
    if (revocations.hasEnded(session)) return null
    const confirmedAt = memo.get(handle)?.confirmedAt ?? ticks()
    const result = await records.write(session, { how, confirmedAt })
    if (revocations.hasEnded(session)) {
      if (result !== 'unsaved') await records.remove(id)
      return null
    }
    switch (result) {
      case 'gone':
        memo.delete(handle)
        return null
      case 'older':
        // Another replica has a newer one, which the next request will see.
        memo.delete(handle)
        return handle
      case 'full':
        throw unavailable(new StoreError('write', 'unsaved'))
      case 'unsaved':
      case 'saved':
        memo.set(handle, { session, oldKey: false, confirmedAt: result === 'saved' ? ticks() : confirmedAt })
        options.onWritten?.(session)
        return handle
    }
  }

  const unlessEnded = (found: Known | 'foreign' | null): ReadSession =>
    found !== null && found !== 'foreign' && revocations.hasEnded(found.session) ? null : found

  return {
    newIds,
    check() {
      revocations.requireKnown()
      return redis.up ? undefined : requireUp(redis)
    },
    read(handle) {
      if (!HANDLE.test(handle)) return null
      const known = memo.get(handle)
      if (known !== null && revocations.hasEnded(known.session)) return null
      if (known !== null && ticks() < known.confirmedAt + TRUST_MS) return known
      return ask(handle).then(unlessEnded)
    },
    create: async (session) => keep(session, 'create'),
    write: async (session) => keep(session, 'replace'),
    async end(session) {
      // The list comes first: whatever becomes of the record, nobody is let in with it.
      const told = revocations.endSession(session)
      await Promise.all([told, records.remove(session.id)])
    },
    lapse: async (session) => revocations.lapseSession(session),
    async lastKnown(handle) {
      if (!HANDLE.test(handle)) return null
      const known = memo.get(handle) ?? (await ask(handle))
      return known === null || known === 'foreign' || revocations.wasRevoked(known.session) ? null : known.session
    },
    lend: (session) => (revocations.hasEnded(session) ? null : handleOf(session)),
    leftover: () => undefined,
  }
}

function handleOf({ handle }: Session): string {
  if (handle === undefined) throw new TypeError('a session without a handle cannot be kept in Redis')
  return handle
}

async function requireUp(redis: Redis): Promise<void> {
  if (!(await redis.check())) throw unavailable(new StoreError('write', 'down'))
}

function unavailable(cause: unknown): unknown {
  if (!(cause instanceof StoreError)) return cause
  return storeUnavailable(cause)
}
