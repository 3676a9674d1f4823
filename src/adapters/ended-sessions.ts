/** A session that ended before its time. */
export interface EndedSession {
  readonly sessionId: string
  /** When it would have ended anyway, in epoch milliseconds. */
  readonly until: number
  /** Nobody ended it: its time was over, or Cognito renews it no more. */
  readonly lapsed?: boolean | undefined
}

/** Sessions that are worth nothing any more, however often their cookies were copied. */
export interface EndedSessions {
  has(sessionId: string): boolean
  /** Whether it ended, and somebody wanted that. */
  wasEnded(sessionId: string): boolean
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
  const ended = new Map<string, EndedSession>()

  function learn(session: EndedSession): void {
    for (const [id, { until }] of ended) if (until <= now()) ended.delete(id)
    // What somebody ended does not become one that merely lapsed.
    if (session.lapsed !== true || !ended.has(session.sessionId)) ended.set(session.sessionId, session)
    onEnded?.(session.sessionId)
  }

  return {
    has: (sessionId) => ended.has(sessionId),
    wasEnded(sessionId) {
      const known = ended.get(sessionId)
      return known !== undefined && known.lapsed !== true
    },
    end(session) {
      learn(session)
      return tell?.(session)
    },
    learn,
    list: () => [...ended.values()],
  }
}
