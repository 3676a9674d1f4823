import { randomUUID } from 'node:crypto'
import { setTimeout as wait } from 'node:timers/promises'
import type { Session } from '../domain/session.ts'
import { StoreError, type Redis } from './redis.ts'
import type { RedisKeys } from './redis-keys.ts'
import type { RefreshAnswer, RefreshAnswers } from './refresh-answers.ts'
import type { RefreshOutcome } from './refresher.ts'
import type { SessionRecords } from './session-records.ts'
import { HELD_MS, type RefreshAtPool } from './session-refresh.ts'

/**
 * One refresh at a time per session over all replicas that share a Redis, its result handed to whoever asks within half a minute. While Redis is
 * away everybody refreshes alone where browsers hold the sessions, and nobody does where Redis holds them.
 */
export interface SharedRefresh {
  readonly refresh: (session: Session) => Promise<RefreshOutcome>
  /** Waits for a refresh that runs anywhere, and sees to it that nobody gets its result any more; the newest session known. Never rejects. */
  readonly settle: (session: Session) => Promise<Session>
}

export interface SharedRefreshOptions {
  readonly redis: Pick<Redis, 'setIfAbsent' | 'deleteIf' | 'wasDownWithin'>
  readonly keys: Pick<RedisKeys, 'refreshing'>
  readonly answers: RefreshAnswers
  readonly atPool: RefreshAtPool
  /** Where the sessions live in Redis too. */
  readonly records?: Pick<SessionRecords, 'read' | 'write'> | undefined
  readonly ticks: () => number
  readonly lockMs?: number
  readonly pollMs?: number
  /** How long after an outage of Redis a refusal proves nothing yet. */
  readonly settledMs?: number
}

/** Longer than one call to the token endpoint may take. */
const LOCK_MS = 8_000
const POLL_MS = 40
/** So long after an outage every replica has written what it could not write before. */
const SETTLED_MS = 10_000

export function createSharedRefresh(options: SharedRefreshOptions): SharedRefresh {
  const {
    redis,
    keys,
    answers,
    atPool,
    records,
    ticks,
    lockMs = LOCK_MS,
    pollMs = POLL_MS,
    settledMs = SETTLED_MS,
  } = options

  /** What others have made of this session: its result, or the newest session to begin with. */
  async function madeByOthers(session: Session): Promise<RefreshOutcome | Session> {
    const answer = await answers.read(session)
    const outcome = answer === null ? null : outcomeIn(answer)
    if (outcome !== null) return outcome
    const kept = await recordOf(session)
    if (kept !== null && kept.claimsAt > session.claimsAt + HELD_MS) return { kind: 'renewed', session: kept }
    return answer?.kind === 'held' ? answer.session : (kept ?? session)
  }

  /** Null where there is none to be had. That proves nothing: it may be on its way still, and if it was deleted nobody writes it again. */
  async function recordOf({ id, handle }: Session): Promise<Session | null> {
    const found = records === undefined ? 'none' : await records.read(id)
    return typeof found === 'string' ? null : { ...found.session, handle }
  }

  const record = async (session: Session): Promise<unknown> =>
    records?.write(session, { how: 'replace', confirmedAt: ticks() })

  async function together(session: Session, me: string): Promise<RefreshOutcome> {
    // Whoever held the lock for so long in turn has failed: nobody waits longer than a call to the pool may take.
    const patience = performance.now() + lockMs + 2 * pollMs
    for (;;) {
      const made = await madeByOthers(session)
      if ('kind' in made) return made
      if (await redis.setIfAbsent(keys.refreshing(session.id), me, lockMs)) return lead(session, me)
      if (performance.now() > patience) return { kind: 'unavailable', cause: new Error('others refresh without end') }
      await wait(pollMs)
    }
  }

  async function lead(session: Session, me: string): Promise<RefreshOutcome> {
    try {
      // Somebody may have finished between the look and the lock.
      const made = await madeByOthers(session)
      if ('kind' in made) return made
      const outcome = await atPool(made, async (held) => keep(session, held))
      return await published(session, outcome)
    } finally {
      await redis.deleteIf(keys.refreshing(session.id), me).catch(storeOnly)
    }
  }

  /** The new refresh token first of all: whoever comes after us must not use the old one again. */
  async function keep(session: Session, held: Session): Promise<void> {
    await Promise.all([record(held), answers.write(session, { kind: 'held', session: held }).catch(storeOnly)])
  }

  async function published(session: Session, outcome: RefreshOutcome): Promise<RefreshOutcome> {
    if (outcome.kind === 'rejected') {
      // A token that was used up may be so because a leader that was given up for dead has used it.
      const made = await madeByOthers(session).catch(storeOnly)
      if (made === undefined) return unproven(outcome)
      if ('kind' in made && made.kind === 'renewed') return made
      if (redis.wasDownWithin(settledMs)) return unproven(outcome)
    }
    if (outcome.kind === 'renewed') await record(outcome.session)
    const answer = answerOf(outcome)
    if (answer !== null) await answers.write(session, answer).catch(storeOnly)
    return outcome
  }

  async function waited(session: Session): Promise<Session> {
    const me = randomUUID()
    const patience = performance.now() + lockMs + 2 * pollMs
    while (!(await redis.setIfAbsent(keys.refreshing(session.id), me, lockMs)) && performance.now() < patience)
      await wait(pollMs)
    try {
      const answer = await answers.read(session)
      const found = answer !== null && 'session' in answer ? answer.session : await recordOf(session)
      await answers.write(session, { kind: 'refused', reason: 'signed_out' })
      return found !== null && found.claimsAt >= session.claimsAt ? found : session
    } finally {
      await redis.deleteIf(keys.refreshing(session.id), me)
    }
  }

  return {
    async refresh(session) {
      const me = randomUUID()
      for (let tries = 0; tries < 2; tries += 1) {
        try {
          return await together(session, me)
        } catch (error) {
          storeOnly(error)
          // One answer that did not come may be the lock's; without a second try a busy moment would cost a call to the pool.
          await redis.deleteIf(keys.refreshing(session.id), me).catch(storeOnly)
        }
      }
      // A token that came now could not be kept where the other replicas find it, and theirs would be worth nothing.
      if (records !== undefined) return { kind: 'unavailable', cause: new Error('the store is away') }
      return unproven(await atPool(session))
    },
    async settle(session) {
      return waited(session).catch(() => session)
    },
  }
}

function outcomeIn(answer: RefreshAnswer): RefreshOutcome | null {
  switch (answer.kind) {
    case 'renewed':
      return answer
    case 'refused':
      return { kind: 'rejected', reason: answer.reason }
    case 'failed':
      return { kind: 'unavailable', cause: new Error('another replica got no answer') }
    case 'held':
      return null
  }
}

/** A fault is told too, for a moment: the others need not wait for it one after the other. */
function answerOf(outcome: RefreshOutcome): RefreshAnswer | null {
  switch (outcome.kind) {
    case 'renewed':
      return outcome
    case 'rejected':
      return { kind: 'refused', reason: outcome.reason }
    case 'unavailable':
      return outcome.session === undefined ? { kind: 'failed' } : { kind: 'held', session: outcome.session }
  }
}

/** Another replica may have used the refresh token meanwhile, and could not tell: that it is over proves nothing. */
function unproven(outcome: RefreshOutcome): RefreshOutcome {
  if (outcome.kind !== 'rejected' || outcome.reason !== 'refresh_rejected') return outcome
  return { kind: 'unavailable', cause: new Error('refused while the store was away') }
}

/** For what may fail because the store is away, and for no other reason. */
function storeOnly(error: unknown): undefined {
  if (!(error instanceof StoreError)) throw error
}
