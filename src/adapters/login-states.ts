import type { LoginState } from '../domain/login-attempt.ts'
import { parseReturnTo, type ReturnToSelf } from '../domain/return-to.ts'
import type { Seal } from './seal.ts'

/** The `state` of a sign-in: sealed, and in base64url without padding, because Cognito may encode it a second time on its way. */
export interface LoginStates {
  write(state: LoginState): string
  /** Null for anything that was not written here. */
  read(text: string): LoginState | null
}

const MAX_RETURN_TO_BYTES = 512
const MAX_STATE_CHARACTERS = 2_048

export function createLoginStates(seal: Seal, self: ReturnToSelf): LoginStates {
  return {
    write(state) {
      const returnTo = state.returnTo.length > MAX_RETURN_TO_BYTES ? '/' : state.returnTo
      const record = [
        state.id,
        state.secret,
        state.pool,
        returnTo,
        state.startedAt,
        state.restarted ? 1 : 0,
        state.renewed ? 1 : 0,
        state.host,
        state.afresh ? 1 : 0,
      ]
      return Buffer.from(seal.seal(Buffer.from(JSON.stringify(record))), 'ascii').toString('base64url')
    },
    read(text) {
      if (text.length > MAX_STATE_CHARACTERS || !/^[\w-]+$/.test(text)) return null
      const opened = seal.open(Buffer.from(text, 'base64url').toString('ascii'))
      if (opened === null) return null
      const record: unknown = JSON.parse(opened.plain.toString('utf8'))
      if (!Array.isArray(record)) return null
      const [id, secret, pool, returnTo, startedAt, restarted, renewed, host, afresh]: unknown[] = record
      if (typeof id !== 'string' || typeof secret !== 'string' || typeof pool !== 'string' || typeof host !== 'string')
        return null
      if (typeof returnTo !== 'string' || typeof startedAt !== 'number') return null
      const flags = { restarted: restarted === 1, renewed: renewed === 1, afresh: afresh === 1 }
      return { id, secret, pool, host, returnTo: parseReturnTo(returnTo, self, null), startedAt, ...flags }
    },
  }
}
