import type { Worker } from 'node:cluster'
import { logLevelOf } from '../adapters/log.ts'
import type { RefreshOutcome } from '../adapters/refresher.ts'
import { fitsQuery, mergeLogins, type LoginQuery, type LoginRecord } from '../domain/login-record.ts'
import type { Revocation } from '../domain/revocation.ts'
import type { Parts } from '../parts.ts'
import { createAsks, type Asks } from './asks.ts'
import { isLoginList, isTrue, type PrimaryMessage, type WorkerMessage } from './messages.ts'

/** A worker as the primary knows it. */
export interface Member {
  readonly id: number
  readonly asks: Asks
  /** Undefined until it listens. */
  port: number | undefined
  hasKeys: boolean
  /** Whether it listens to us; before, there is nothing that it could be told. */
  greeted: boolean
  readonly tell: (message: PrimaryMessage) => void
  readonly kill: () => void
}

/** Where workers ask: it refreshes for all of them, and knows everything that was revoked. */
export interface Desk {
  readonly members: ReadonlyMap<number, Member>
  join(worker: Worker): void
  leave(worker: Worker): void
  receive(worker: Worker, message: WorkerMessage): void
  /** What the workers that answer in time know of these sign-ins. */
  findLogins(query: LoginQuery): Promise<readonly LoginRecord[]>
}

export interface DeskOptions {
  readonly parts: Parts
  /** A worker made a step: it listens, or has keys. */
  readonly onProgress: (member: Member) => void
  readonly onFailed: (member: Member, says: string) => void
}

/** How long a sign-out waits for a worker that hangs; that worker hears of it as soon as it hears anything. */
const END_PATIENCE_MS = 1_000
/** How long a question waits for a worker that hangs: then the others have answered it. */
const ANSWER_PATIENCE_MS = 1_000
const MAX_LOGINS = 1_000

export function createDesk({ parts, onProgress, onFailed }: DeskOptions): Desk {
  const members = new Map<number, Member>()

  async function tellRevoked(revocation: Revocation, teller: Member): Promise<true> {
    parts.revocations.learn(revocation)
    const others = [...members.values()].filter((member) => member !== teller && member.greeted)
    await Promise.all(
      others.map(async (other) =>
        other.asks.ask((ask) => other.tell({ type: 'revoked', ask, revocation }), {
          fits: isTrue,
          withinMs: END_PATIENCE_MS,
        }),
      ),
    )
    return true
  }

  async function findLogins(query: LoginQuery): Promise<readonly LoginRecord[]> {
    const greeted = [...members.values()].filter((member) => member.greeted)
    const expected = { fits: isLoginList, withinMs: ANSWER_PATIENCE_MS }
    // One worker knows how a sign-in began, another whose it was: only all of it together can be asked for the rest.
    const { attempt } = query
    const lists = await Promise.all(
      greeted.map(async ({ asks, tell }) =>
        asks.ask((ask) => tell({ type: 'logins', ask, query: { attempt } }), expected),
      ),
    )
    return mergeLogins(lists.map((list) => list ?? []))
      .filter((record) => fitsQuery(record, query))
      .slice(0, MAX_LOGINS)
  }

  function receive(member: Member, message: WorkerMessage): void {
    const reply = (value: unknown): void => {
      if ('ask' in message) member.tell({ type: 'answer', ask: message.ask, value })
    }
    switch (message.type) {
      case 'hello':
        member.greeted = true
        reply(parts.revocations.list())
        // Nobody waits for its answer. A worker that takes another's place starts with the level of the file, which may have been changed since.
        member.tell({ type: 'log-level', ask: 0, level: logLevelOf(parts.log) })
        return
      case 'refresh':
        void parts.refresher.renew(message.session).then((outcome) => reply(withoutCause(outcome)))
        return
      case 'settle':
        void parts.refresher.settle(message.session).then(reply)
        return
      case 'revoke':
        void tellRevoked(message.revocation, member).then(reply)
        return
      case 'logins':
        void findLogins(message.query).then(reply)
        return
      case 'answer':
        member.asks.answer(message.ask, message.value)
        return
      case 'listening':
        member.port = message.port
        onProgress(member)
        return
      case 'keys':
        member.hasKeys = true
        onProgress(member)
        return
      case 'failed':
        onFailed(member, message.says)
    }
  }

  return {
    members,
    findLogins,
    join(worker) {
      members.set(worker.id, memberOf(worker))
    },
    leave(worker) {
      members.get(worker.id)?.asks.abandon()
      members.delete(worker.id)
    },
    receive(worker, message) {
      const member = members.get(worker.id)
      if (member !== undefined) receive(member, message)
    },
  }
}

/** Causes are errors of libraries, which carry answers, which carry tokens: they stay where they were caught. */
function withoutCause(outcome: RefreshOutcome): RefreshOutcome {
  return outcome.kind === 'unavailable' ? { ...outcome, cause: undefined } : outcome
}

function memberOf(worker: Worker): Member {
  return {
    id: worker.id,
    asks: createAsks(),
    port: undefined,
    hasKeys: false,
    greeted: false,
    tell(message) {
      // Who is gone needs no answer; that it is gone is noticed elsewhere.
      if (worker.isConnected()) worker.send(message, () => undefined)
    },
    kill: () => void worker.process.kill('SIGKILL'),
  }
}
