import { createHmac, timingSafeEqual } from 'node:crypto'

/** Tokens that tie a form of ours to the session whose page showed it. */
export interface CsrfTokens {
  tokenFor(sessionId: string): string
  isValid(sessionId: string, token: string): boolean
}

/** The keys are those of the purpose `csrf`; the first makes tokens, every one checks. */
export function createCsrfTokens(keys: readonly Buffer[]): CsrfTokens {
  const tokenWith = (key: Buffer, sessionId: string): Buffer => createHmac('sha256', key).update(sessionId).digest()
  const [first] = keys
  if (first === undefined) throw new TypeError('form tokens need at least one key')
  return {
    tokenFor: (sessionId) => tokenWith(first, sessionId).toString('base64url'),
    isValid(sessionId, token) {
      const given = Buffer.from(token, 'base64url')
      return keys.some((key) => {
        const expected = tokenWith(key, sessionId)
        return given.length === expected.length && timingSafeEqual(given, expected)
      })
    },
  }
}
