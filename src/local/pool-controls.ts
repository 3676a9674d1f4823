import type { Fault } from './pool-faults.ts'
import type { PoolContext, TokenRequest } from './pool-context.ts'
import type { Client } from './pool-settings.ts'
import type { Tamper } from './pool-tokens.ts'
import { tokenReply, tokensOf, type TokenReply } from './token-endpoint.ts'
import type { User, UserChanges } from './user-directory.ts'
import type { LargeClaims } from './user-pool.ts'

export interface TokenOrder {
  readonly clientId: string
  /** Whose tokens; without it the app client's own, as by client_credentials. */
  readonly username?: string
  /** All that the client may have when absent. */
  readonly scopes?: readonly string[]
  readonly nonce?: string
  /** When the person signed in, in seconds; now when absent. */
  readonly authTime?: number
}

/** What a test can do to a pool that nobody can do to Cognito. */
export interface PoolControls {
  /** The misbehaviours to come: push one, or empty the list. */
  readonly faults: Fault[]
  /** How often each endpoint was asked. */
  readonly calls: Record<string, number>
  readonly tokenRequests: readonly TokenRequest[]
  /** Changes tokens before they are signed. */
  tamper: Tamper | undefined
  /** The pool's time in milliseconds. */
  now(): number
  advanceClock(ms: number): void
  /** New signing keys; with `keep` (the default) the earlier ones stay published. */
  rotateKeys(options?: { readonly keep?: boolean | number }): Promise<void>
  /** Changes a person, or adds one; attributes are merged, and null removes one. */
  setUser(username: string, changes: UserChanges): User
  /** Changes an app client. Throws when there is none of that id. */
  setClient(id: string, changes: Partial<Client>): Client
  /** Makes the tokens of everybody larger, until it is `{}` again. */
  largeClaims: LargeClaims
  /** Ends all refresh tokens of a person; the hosted session stays. */
  globalSignOut(username: string): void
  /** Lets the next callbacks come without their state. */
  dropState(times?: number): void
  /** Tokens without a browser. Throws when the client or the person does not exist. */
  issueTokens(order: TokenOrder): Promise<TokenReply>
}

/** The controls of a pool; the HTTP interface below `/_pool/` offers the same. */
export function createControls({ pool, mint, faults, tokenRequests }: PoolContext): PoolControls {
  return {
    faults: faults.coming,
    calls: faults.calls,
    tokenRequests,
    get tamper() {
      return mint.tamper
    },
    set tamper(tamper) {
      mint.tamper = tamper
    },
    now: () => pool.nowMs(),
    advanceClock: (ms) => pool.advanceClock(ms),
    rotateKeys: async ({ keep = true } = {}) => pool.keys.rotate(Boolean(keep)),
    setUser: (username, changes) => pool.users.change(username, changes),
    setClient: (id, changes) => existing(pool.changeClient(id, changes), `app client ${id}`),
    get largeClaims() {
      return pool.largeClaims
    },
    set largeClaims(claims) {
      pool.largeClaims = claims
    },
    globalSignOut: (username) => pool.revokeFamiliesOf(username),
    dropState: (times = 1) => void faults.coming.push({ on: 'callback', dropState: true, times }),
    issueTokens: async (order) => issueTokens({ pool, mint }, order),
  }
}

async function issueTokens(
  { pool, mint }: Pick<PoolContext, 'pool' | 'mint'>,
  { clientId, username, scopes, nonce, authTime }: TokenOrder,
): Promise<TokenReply> {
  const client = existing(pool.client(clientId), `app client ${clientId}`)
  if (username === undefined) {
    const accessToken = await mint.forMachine(client, scopes ?? client.scopes)
    return tokenReply(client, { idToken: undefined, accessToken })
  }
  existing(pool.users.find(username), `user ${username}`)
  const family = pool.startFamily({
    clientId,
    username,
    scopes: scopes ?? client.scopes,
    authTime: authTime ?? pool.now(),
  })
  const tokens = await tokensOf({ pool, mint }, { family, nonce, source: 'TokenGeneration_HostedAuth' })
  return tokenReply(client, tokens, pool.newRefreshToken(family))
}

function existing<T>(found: T | undefined, what: string): T {
  if (found === undefined) throw new Error(`The local user pool has no ${what}`)
  return found
}
