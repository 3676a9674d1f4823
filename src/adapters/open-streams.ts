import { decide, type Rule } from '../domain/access.ts'
import type { Identity, Person } from '../domain/identity.ts'
import { carriesOn, freshness, type Session, type SessionLimits } from '../domain/session.ts'

/** Why an open stream is ended; each is a reason in the log too. */
export type StreamEnd = 'session_ended' | 'access_lost' | 'draining' | 'idle'

/** An answer or a connection that outlives the decision that let it in: a WebSocket, an event stream. */
export interface OpenStream {
  /** What its route asks. */
  readonly rule: Rule
  /** The client's. */
  readonly address: string
  readonly webSocket: boolean
  /** Who was let in; null where nobody had to say. */
  readonly identity: Identity | null
  end(why: StreamEnd): void
}

/** Everything that is open, by session: decided again when claims are renewed, ended with the session and at shutdown. */
export interface OpenStreams {
  /** `session` is null where nobody had to sign in. The result takes the stream off the list. */
  add(stream: OpenStream, session: Session | null): () => void
  webSocketsOf(sessionId: string): number
  /** The session as it is from now on: with claims renewed, or used again. */
  renewed(session: Session): void
  ended(sessionId: string): void
  /** Ends whatever people have open, by session or by bearer token, of whom this is true. */
  revoked(isRevoked: (person: Person) => boolean): void
  /** Ends the streams of sessions that have come of age, were not used for too long, or are copies that nobody renews. To be called now and then. */
  endStale(): void
  /** Ends everything, spread over this time, so that not all clients come back at once. */
  drain(milliseconds: number): void
}

interface Group {
  session: Session
  readonly streams: Set<OpenStream>
}

export interface OpenStreamsOptions {
  readonly limits: SessionLimits
  readonly now: () => number
  /** Told whenever the number of open WebSockets changes. */
  readonly onWebSockets: (open: number) => void
}

export function createOpenStreams({ limits, now, onWebSockets }: OpenStreamsOptions): OpenStreams {
  const all = new Set<OpenStream>()
  const groups = new Map<string, Group>()
  let webSockets = 0

  function endAll(streams: Iterable<OpenStream>, why: StreamEnd): void {
    for (const stream of streams) stream.end(why)
  }

  return {
    add(stream, session) {
      all.add(stream)
      if (stream.webSocket) onWebSockets((webSockets += 1))
      const group = session === null ? undefined : (groups.get(session.id) ?? { session, streams: new Set() })
      if (group !== undefined && session !== null) groups.set(session.id, group)
      group?.streams.add(stream)
      return () => {
        if (!all.delete(stream)) return
        if (stream.webSocket) onWebSockets((webSockets -= 1))
        group?.streams.delete(stream)
        if (group?.streams.size === 0) groups.delete(group.session.id)
      }
    },
    webSocketsOf: (sessionId) => [...(groups.get(sessionId)?.streams ?? [])].filter((one) => one.webSocket).length,
    renewed(session) {
      const group = groups.get(session.id)
      if (group === undefined) return
      // The copy that another host holds may be older: its use counts, and its claims do not.
      if (session.claimsAt < group.session.claimsAt) {
        group.session = { ...group.session, seenAt: Math.max(group.session.seenAt, session.seenAt) }
        return
      }
      group.session = session
      const lost = [...group.streams].filter(
        ({ rule, address }) => decide(rule, session.person, { address, now: now() }).kind !== 'permit',
      )
      endAll(lost, 'access_lost')
    },
    ended(sessionId) {
      endAll([...(groups.get(sessionId)?.streams ?? [])], 'session_ended')
    },
    revoked(isRevoked) {
      const theirs = [...all].filter(({ identity }) => identity?.kind === 'person' && isRevoked(identity))
      endAll(theirs, 'session_ended')
    },
    endStale() {
      for (const { session, streams } of groups.values()) {
        const state = freshness(session, limits, now())
        // Nobody has renewed it on the host that could.
        const isOutgrown = session.lentAt !== undefined && !carriesOn(session, limits, now())
        if (state === 'aged' || state === 'idle' || isOutgrown) endAll([...streams], 'session_ended')
      }
    },
    drain(milliseconds) {
      const open = [...all]
      for (const [at, stream] of open.entries())
        setTimeout(() => stream.end('draining'), (milliseconds * at) / open.length).unref()
    },
  }
}
