import type { Logger } from 'pino'
import { parseRevocation, type Revocation } from '../domain/revocation.ts'
import { storeUnavailable } from '../domain/errors.ts'
import type { Redis } from './redis.ts'
import type { RedisKeys } from './redis-keys.ts'

/** What all replicas have revoked, in Redis: each appends to it and reads what the others appended. */
export interface RevocationLog {
  /** Whether all of it was read once. */
  readonly known: boolean
  /** Resolves when `known`, or after this time. */
  waitUntilKnown(patienceMs: number): Promise<void>
  /** Rejects with GW_STORE_UNAVAILABLE where Redis did not say that it has it. */
  append(revocation: Revocation): Promise<void>
  /** Appends now, or as soon as Redis answers again. Never rejects. */
  appendSoon(revocation: Revocation): Promise<void>
  close(): void
}

export interface RevocationLogOptions {
  readonly redis: Redis
  readonly keys: RedisKeys
  /** How long an ended session, and everything else that was revoked, must be remembered. */
  readonly keepMs: { readonly sessions: number; readonly others: number }
  /** Told of every entry, the own ones too. */
  readonly onRead: (revocation: Revocation) => void
  readonly log: Logger
}

const POLL_MS = 1_000
/** At the start there is somebody waiting. */
const FIRST_POLL_MS = 100
const PAGE = 1_000
const MAX_UNSENT = 10_000

export function createRevocationLog({ redis, keys, keepMs, onRead, log }: RevocationLogOptions): RevocationLog {
  const positions = new Map([keys.ended, keys.revoked].map((key) => [key, '0']))
  const unsent: Revocation[] = []
  const waiting = new Set<() => void>()
  let known = false
  let reachable = true
  let closed = false
  let timer: NodeJS.Timeout | undefined

  async function send(revocation: Revocation): Promise<void> {
    const [key, keep] = revocation.kind === 'session' ? [keys.ended, keepMs.sessions] : [keys.revoked, keepMs.others]
    await redis.append(key, JSON.stringify(revocation), keep)
  }

  async function readOn(key: string): Promise<void> {
    for (;;) {
      const { entries, position } = await redis.entriesAfter(key, positions.get(key) ?? '0', PAGE)
      for (const entry of entries) {
        const revocation = parseRevocation(entry)
        if (revocation !== null) onRead(revocation)
      }
      positions.set(key, position)
      if (entries.length < PAGE) return
    }
  }

  async function sendUnsent(): Promise<void> {
    try {
      for (let next = unsent[0]; next !== undefined; next = unsent[0]) {
        await send(next)
        unsent.shift()
      }
    } catch {
      // A server that is full takes nothing, and can still be read.
    }
  }

  async function poll(): Promise<void> {
    try {
      await sendUnsent()
      for (const key of positions.keys()) await readOn(key)
      known = true
      for (const resolve of waiting) resolve()
      noteReachable(true)
    } catch {
      noteReachable(false)
    }
    if (!closed) timer = setTimeout(() => void poll(), known ? POLL_MS : FIRST_POLL_MS).unref()
  }

  function noteReachable(is: boolean): void {
    if (is !== reachable && is) log.info({ event: 'revocations_read' }, 'what other replicas revoke is heard of again')
    if (is !== reachable && !is)
      log.warn({ event: 'revocations_unread' }, 'Redis does not say what other replicas revoke; trying again')
    reachable = is
  }

  function keep(revocation: Revocation): void {
    const hasRoom = unsent.length < MAX_UNSENT
    if (hasRoom) unsent.push(revocation)
    log.warn(
      { event: hasRoom ? 'revocation_kept' : 'revocation_lost', waiting: unsent.length },
      hasRoom
        ? 'an ended session could not be told to other replicas yet; they hear of it when Redis answers'
        : 'an ended session cannot be told to other replicas: too many wait for Redis already',
    )
  }

  void poll()
  return {
    get known() {
      return known
    },
    async waitUntilKnown(patienceMs) {
      if (known) return
      await new Promise<void>((resolve) => {
        waiting.add(resolve)
        setTimeout(resolve, patienceMs).unref()
      })
    },
    async append(revocation) {
      await send(revocation).catch((cause: unknown) => {
        throw storeUnavailable(cause)
      })
    },
    async appendSoon(revocation) {
      await send(revocation).catch(() => keep(revocation))
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
