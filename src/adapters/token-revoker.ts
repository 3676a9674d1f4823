import type { Logger } from 'pino'
import type { Session } from '../domain/session.ts'
import type { CognitoClient } from './cognito-client.ts'
import type { Refresher } from './refresher.ts'

/** Ends the refresh tokens of sessions that are over. */
export interface TokenRevoker {
  /**
   * Waits for a running refresh, then revokes the newest token of the session. Best effort: resolves when that is done or after a moment, never
   * rejects, and is tried again for a while where Cognito is away.
   */
  revoke(session: Session, requestId: string): Promise<void>
  /** The same for a token of which no session is left. */
  revokeToken(token: PoolToken, requestId: string): Promise<void>
  close(): void
}

/** A refresh token and the name of the pool that gave it. */
export interface PoolToken {
  readonly pool: string
  readonly refreshToken: string
}

export interface TokenRevokerOptions {
  /** By the pool's name. */
  readonly cognitoOf: (pool: string) => Pick<CognitoClient, 'revoke'>
  readonly refresher: Pick<Refresher, 'settle'>
  readonly log: Logger
  /** How long after each failure the next try comes. */
  readonly pausesMs?: readonly number[]
}

/** Nobody waits longer than this for their sign-out because Cognito is slow. */
const PATIENCE_MS = 700
const PAUSES_MS = [2_000, 15_000, 120_000, 600_000]
/** Beyond so many that wait for their next try, what fails ends with its own life. */
const MAX_WAITING = 1_000

export function createTokenRevoker(options: TokenRevokerOptions): TokenRevoker {
  const { cognitoOf, refresher, log, pausesMs = PAUSES_MS } = options
  const waiting = new Set<NodeJS.Timeout>()

  async function attempt(token: PoolToken, requestId: string, failures = 0): Promise<void> {
    try {
      await cognitoOf(token.pool).revoke(token.refreshToken)
    } catch {
      const pauseMs = waiting.size < MAX_WAITING ? pausesMs[failures] : undefined
      if (pauseMs === undefined) {
        log.warn({ event: 'revoke_failed', requestId }, 'the refresh token was not revoked; it ends with its own life')
        return
      }
      log.warn(
        { event: 'revoke_delayed', requestId, againInSeconds: pauseMs / 1000 },
        'the refresh token is not revoked yet',
      )
      const timer = setTimeout(() => {
        waiting.delete(timer)
        void attempt(token, requestId, failures + 1)
      }, pauseMs).unref()
      waiting.add(timer)
    }
  }

  async function settleAndRevoke(session: Session, requestId: string): Promise<void> {
    const { refreshToken, person } = await refresher.settle(session)
    if (refreshToken !== undefined) await attempt({ pool: person.pool, refreshToken }, requestId)
  }

  return {
    async revoke(session, requestId) {
      await Promise.race([settleAndRevoke(session, requestId), pause(PATIENCE_MS)])
    },
    async revokeToken(token, requestId) {
      await Promise.race([attempt(token, requestId), pause(PATIENCE_MS)])
    },
    close() {
      for (const timer of waiting) clearTimeout(timer)
    },
  }
}

async function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds).unref()
  })
}
