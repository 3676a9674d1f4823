import { createHmac, randomBytes } from 'node:crypto'
import type { ClientCredentials } from '../domain/credentials.ts'
import { parseBasic } from '../domain/credentials.ts'
import { GatewayError } from '../domain/errors.ts'
import type { Identity } from '../domain/identity.ts'
import { Memo } from '../domain/memo.ts'
import type { Bearers } from './bearers.ts'
import type { CognitoClient } from './cognito-client.ts'

/** App clients that show id and secret instead of a token, because they know nothing but Basic. */
export interface BasicClients {
  /** Null for any header but a Basic one with the id of a client whose tokens are accepted. */
  clientIn(authorization: string): ClientCredentials | null
  /**
   * A promise only where the user pool must be asked or a token verified. Rejects with GW_TOKEN_INVALID, with GW_TOO_MANY_REQUESTS where
   * too many secrets of one client are being tried, or with GW_POOL_UNAVAILABLE.
   */
  identityOf(client: ClientCredentials): Identity | Promise<Identity>
}

export interface BasicClientsOptions {
  /** By its id, each client whose tokens are accepted: the one user pool that is asked about it, so that no other learns its secret. */
  readonly clients: ReadonlyMap<string, Pick<CognitoClient, 'machineToken'>>
  readonly bearers: Pick<Bearers, 'identityOf'>
  /** Milliseconds that only go forward. */
  readonly ticks: () => number
}

interface Kept {
  readonly token: string
  readonly until: number
}

const KEPT = 1_000
const REFUSED = 250
const REFUSED_MS = 10_000
/** No token is sent on in its last seconds, nor kept long where the pool does not say how long it lasts. */
const MARGIN_SECONDS = 30
const UNKNOWN_LIFE_SECONDS = 60
/** Secrets of one client that wait to be tried, one after the other. */
const WAITING = 20
/** Longer than any secret of Cognito. */
const MAX_SECRET_LENGTH = 512

export function createBasicClients(options: BasicClientsOptions): BasicClients {
  const { clients, bearers, ticks } = options
  // Of each pair only this is kept: nobody gets a secret out of the memory of the process that did not just come in.
  const hashKey = randomBytes(32)
  const kept = new Memo<Kept>(KEPT)
  const refused = new Memo<number>(REFUSED)
  const underWay = new Map<string, Promise<Identity>>()
  const inTurn = createTurns(WAITING)

  const hashOf = ({ clientId, secret }: ClientCredentials): string =>
    createHmac('sha256', hashKey).update(`${clientId}:${secret.reveal()}`).digest('base64url')

  /** Once for all who ask at the same time. */
  async function exchanged(pair: string, client: ClientCredentials): Promise<Identity> {
    const before = underWay.get(pair)
    if (before !== undefined) return before
    // A pair that was right before does not wait behind those that are only being tried.
    const exchange =
      kept.get(pair) === null ? inTurn(client.clientId, async () => ask(pair, client)) : ask(pair, client)
    underWay.set(pair, exchange)
    try {
      return await exchange
    } finally {
      underWay.delete(pair)
    }
  }

  async function ask(pair: string, { clientId, secret }: ClientCredentials): Promise<Identity> {
    const cognito = clients.get(clientId)
    if (cognito === undefined) throw refusal('the client is not listed')
    const grant = await cognito.machineToken(clientId, secret)
    if (grant.kind !== 'tokens') {
      kept.delete(pair)
      refused.set(pair, ticks() + REFUSED_MS)
      throw refusal(grant.error)
    }
    const { accessToken: token, expiresInSeconds = UNKNOWN_LIFE_SECONDS } = grant.tokens
    const identity = await bearers.identityOf(token)
    if (identity.kind !== 'machine' || identity.clientId !== clientId) throw refusal('the token is of another client')
    const life = Math.max(expiresInSeconds - MARGIN_SECONDS, expiresInSeconds / 2)
    kept.set(pair, { token, until: ticks() + life * 1000 })
    return identity
  }

  /** A token that was revoked, or that is not valid any more for another reason, is changed for a new one: the user pool decides. */
  async function known(pair: string, client: ClientCredentials, identity: Promise<Identity>): Promise<Identity> {
    try {
      return await identity
    } catch (error) {
      if (!(error instanceof GatewayError) || error.code !== 'GW_TOKEN_INVALID') throw error
      return exchanged(pair, client)
    }
  }

  return {
    clientIn(authorization) {
      const client = parseBasic(authorization)
      return client !== null && clients.has(client.clientId) ? client : null
    },
    identityOf(client) {
      const pair = hashOf(client)
      const token = kept.get(pair)
      if (token === null || ticks() >= token.until) {
        const until = refused.get(pair)
        const isHopeless = client.secret.reveal().length > MAX_SECRET_LENGTH || (until !== null && ticks() < until)
        return isHopeless ? Promise.reject(refusal()) : exchanged(pair, client)
      }
      const identity = bearers.identityOf(token.token)
      return identity instanceof Promise ? known(pair, client, identity) : identity
    },
  }
}

/** Runs tasks of one name one after the other; throws where too many wait. */
function createTurns(limit: number): <T>(name: string, task: () => Promise<T>) => Promise<T> {
  const lines = new Map<string, { last: Promise<unknown>; waiting: number }>()
  return async (name, task) => {
    const line = lines.get(name) ?? { last: Promise.resolve(), waiting: 0 }
    lines.set(name, line)
    if (line.waiting >= limit)
      throw new GatewayError('GW_TOO_MANY_REQUESTS', { reason: 'client_secrets', headers: { 'retry-after': '5' } })
    line.waiting += 1
    const turn = line.last.then(task)
    line.last = turn.catch(() => undefined)
    try {
      return await turn
    } finally {
      line.waiting -= 1
    }
  }
}

/** `detail` is a word of OAuth or of ours. */
function refusal(detail?: string): GatewayError {
  return new GatewayError('GW_TOKEN_INVALID', {
    reason: 'client_refused',
    ...(detail === undefined ? {} : { detail }),
  })
}
