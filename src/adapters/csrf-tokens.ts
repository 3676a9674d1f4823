import { createHmac, timingSafeEqual } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'

/** Tokens that tie a form of ours to the session whose page showed it. */
export interface CsrfTokens {
  tokenFor(sessionId: string): string
  isValid(sessionId: string, token: string): boolean
}

/** The first key makes tokens, every one checks; `derive` makes the key of this purpose out of each. */
export function createCsrfTokens(ring: Pick<KeyRing, 'follow'>, derive: (master: Buffer) => Buffer): CsrfTokens {
  const tokenWith = (key: Buffer, sessionId: string): Buffer => createHmac('sha256', key).update(sessionId).digest()
  let keys: readonly Buffer[] = []
  ring.follow((masters) => {
    keys = masters.map(derive)
  })
  return {
    tokenFor(sessionId) {
      const [first] = keys
      if (first === undefined) throw new TypeError('form tokens need at least one key')
      return tokenWith(first, sessionId).toString('base64url')
    },
    isValid(sessionId, token) {
      const given = Buffer.from(token, 'base64url')
      return keys.some((key) => {
        const expected = tokenWith(key, sessionId)
        return given.length === expected.length && timingSafeEqual(given, expected)
      })
    },
  }
}
