export type ChallengeScheme = 'bearer' | 'basic'

/** What an answer says of how to get in. */
export interface Challenge {
  readonly schemes: readonly ChallengeScheme[]
  /** The name under which clients keep a password; letters, digits and hyphens. */
  readonly realm: string
  /** What was wrong with a bearer token (RFC 6750 3.1) or with the sign-in behind it (RFC 9470); undefined for whoever sent none. */
  readonly error?: 'invalid_token' | 'insufficient_scope' | 'insufficient_user_authentication' | undefined
  /** Those that would have been enough. */
  readonly scopes?: readonly string[] | undefined
  /** How old a sign-in would be recent enough. */
  readonly maxAgeSeconds?: number | undefined
}

/**
 * The values of `WWW-Authenticate`, one header each: old clients read the first of a line only. No realm stands beside Bearer, because
 * clients of container registries take one for the address of a token service.
 */
export function challenges({ schemes, realm, error, scopes, maxAgeSeconds }: Challenge): string[] {
  const values: string[] = []
  if (error !== undefined || schemes.includes('bearer')) {
    const parameters = [
      ...(error === undefined ? [] : [`error="${error}"`]),
      ...(scopes === undefined ? [] : [`scope="${scopes.join(' ')}"`]),
      ...(maxAgeSeconds === undefined ? [] : [`max_age="${maxAgeSeconds}"`]),
    ]
    values.push(['Bearer', parameters.join(', ')].filter(Boolean).join(' '))
  }
  if (schemes.includes('basic')) values.push(`Basic realm="${realm}", charset="UTF-8"`)
  return values
}
