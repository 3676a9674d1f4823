import { createHash, timingSafeEqual } from 'node:crypto'
import type { Client } from './pool-settings.ts'
import type { UserPool } from './user-pool.ts'

/** A refusal in the words of OAuth. The pool sends nothing but the code, as Cognito does. */
export class OAuthError extends Error {
  readonly error: string
  readonly status: number

  constructor(error: string, status = 400) {
    super(error)
    this.error = error
    this.status = status
  }
}

export interface Credentials {
  readonly way: 'basic' | 'post' | 'none'
  readonly id: string | undefined
  readonly secrets: readonly string[]
}

/** The client's name and secret, from the header or the form. */
export function readCredentials(authorization: string | undefined, form: URLSearchParams): Credentials {
  const basic = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization ?? '')?.[1]
  const posted = form.get('client_secret')
  const id = form.get('client_id') ?? undefined
  if (basic === undefined)
    return { way: posted === null ? 'none' : 'post', id, secrets: posted === null ? [] : [posted] }
  const text = Buffer.from(basic, 'base64').toString()
  const colon = text.indexOf(':')
  const [name, secret] = colon === -1 ? [text, ''] : [text.slice(0, colon), text.slice(colon + 1)]
  // Whether Cognito decodes what RFC 6749 section 2.3.1 has clients encode is not known, so both spellings pass.
  return {
    way: 'basic',
    id: id === undefined || id === decoded(name) ? decoded(name) : undefined,
    secrets: [secret, decoded(secret)],
  }
}

/** The client that these credentials prove. Throws `invalid_request` without a name, else `invalid_client`. */
export function authenticateClient(pool: UserPool, { way, id, secrets }: Credentials, status = 400): Client {
  if (id === undefined && way === 'none') throw new OAuthError('invalid_request')
  const client = pool.client(id)
  if (client === undefined) throw new OAuthError('invalid_client', status)
  const { secret } = client
  const proved = secret === undefined ? way === 'none' : secrets.some((given) => isEqual(given, secret))
  if (!proved) throw new OAuthError('invalid_client', status)
  return client
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '))
  } catch {
    return text
  }
}

function isEqual(one: string, other: string): boolean {
  const [first, second] = [one, other].map((text) => createHash('sha256').update(text).digest())
  return first !== undefined && second !== undefined && timingSafeEqual(first, second)
}
