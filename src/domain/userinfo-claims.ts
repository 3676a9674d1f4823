type Claims = Readonly<Record<string, unknown>>

// What an ID token says of itself and of its sign-in, and Cognito's userInfo does not.
const OF_THE_TOKEN = new Set(
  'at_hash aud auth_time event_id exp iat iss jti nonce nbf origin_jti sub token_use username version'.split(' '),
)

/** The attributes in an ID token as Cognito's userInfo tells them: every value a text, lists and maps as JSON (cognito.md 1.5). */
export function userInfoAttributes(idClaims: Claims): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(idClaims)
      .filter(([name, value]) => !OF_THE_TOKEN.has(name) && !name.startsWith('cognito:') && isTold(value))
      .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  )
}

const isTold = (value: unknown): boolean => value !== undefined && value !== null
