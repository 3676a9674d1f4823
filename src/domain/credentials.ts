import { Secret } from './secret.ts'

/** What of an Authorization header is the gateway's to judge: then it alone decides. */
export type Credentials =
  | { readonly kind: 'token'; readonly token: string }
  | ClientCredentials
  /** The gateway's by the settings, and nothing that it knows. */
  | { readonly kind: 'unknown' }

/** Name and secret of an app client, as it would send them to the token endpoint itself. */
export interface ClientCredentials {
  readonly kind: 'client'
  readonly clientId: string
  readonly secret: Secret
}

/** How the gateway's own endpoints read an Authorization header. */
export const OWN_RULE = { authorization: 'auto', clientBasic: false } as const

const BASIC = /^basic +(?<pair>[\w+/-]+={0,2})$/i

/** What a Basic header says, whoever is meant; null for any other header. */
export function parseBasic(authorization: string): ClientCredentials | null {
  const encoded = BASIC.exec(authorization)?.groups?.['pair']
  if (encoded === undefined) return null
  const pair = Buffer.from(encoded, 'base64').toString('utf8')
  const colon = pair.indexOf(':')
  if (colon === -1) return null
  return { kind: 'client', clientId: pair.slice(0, colon), secret: new Secret(pair.slice(colon + 1), 'a Basic header') }
}
