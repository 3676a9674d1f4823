/** A session that ended before its time. */
export interface EndedSession {
  readonly sessionId: string
  /** When it would have ended anyway, in epoch milliseconds. */
  readonly until: number
}

/** Sessions that are worth nothing any more, however often their cookies were copied. */
export interface EndedSessions {
  has(sessionId: string): boolean
  /** Ends a session here, at once, and wherever else it may be used; resolves when it is known there. */
  end(session: EndedSession): void | Promise<void>
  /** Takes note of a session that was ended elsewhere. */
  learn(session: EndedSession): void
  list(): readonly EndedSession[]
}

export interface EndedSessionsOptions {
  readonly now: () => number
  /** Tells others. */
  readonly tell?: ((session: EndedSession) => Promise<void>) | undefined
  /** Told of every session that ends, here or elsewhere, so that what is open under it can end too. */
  readonly onEnded?: ((sessionId: string) => void) | undefined
}

export function createEndedSessions({ now, tell, onEnded }: EndedSessionsOptions): EndedSessions {
  const ended = new Map<string, number>()

  function learn({ sessionId, until }: EndedSession): void {
    for (const [id, time] of ended) if (time <= now()) ended.delete(id)
    ended.set(sessionId, until)
    onEnded?.(sessionId)
  }

  return {
    has: (sessionId) => ended.has(sessionId),
    end(session) {
      learn(session)
      return tell?.(session)
    },
    learn,
    list: () => [...ended].map(([sessionId, until]) => ({ sessionId, until })),
  }
}
