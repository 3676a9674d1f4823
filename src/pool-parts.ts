import type { Logger } from 'pino'
import { createBasicClients, type BasicClients } from './adapters/basic-clients.ts'
import { createBearers, type Bearers } from './adapters/bearers.ts'
import { createCognitoClient, type CognitoClient } from './adapters/cognito-client.ts'
import { createJwksFetch } from './adapters/jwks-fetch.ts'
import { createKeyWatch, type KeyWatch } from './adapters/key-watch.ts'
import type { Metrics } from './adapters/metrics.ts'
import type { OnPoolRequest } from './adapters/pool-fetch.ts'
import { createPoolGate } from './adapters/pool-gate.ts'
import type { Revocations } from './adapters/revocations.ts'
import { createSessionRefresh, FOREIGN, type RefreshAtPool } from './adapters/session-refresh.ts'
import { createTokenVerifier, type TokenVerifier } from './adapters/token-verifier.ts'
import type { PoolSettings } from './config/settings.ts'
import type { KeptTokens } from './domain/session.ts'

/** What the gateway has for one user pool. */
export interface PoolParts extends PoolSettings {
  readonly cognito: CognitoClient
  readonly verifier: TokenVerifier
  readonly refresh: RefreshAtPool
  readonly keyWatch: KeyWatch
  /** Takes over what of its settings may change while the process runs. */
  adopt(changed: PoolSettings | undefined): void
}

interface PoolPartsOptions {
  readonly keepClaims: readonly string[]
  readonly keepTokens: KeptTokens
  /** How many processes send requests to the token endpoint. */
  readonly processes: number
  readonly metrics: Metrics
  readonly log: Logger
  readonly now: () => number
  readonly ticks: () => number
}

/** All user pools. */
export interface Pools {
  /** The first is the default. */
  readonly byName: ReadonlyMap<string, PoolParts>
  /** Throws where there is none of that name. */
  of(name: string): PoolParts
  /** Their tokens and app clients, each read by its own pool. */
  readonly bearers: Bearers
  readonly basicClients: BasicClients
  /** Since the keys of the pool whose keys are oldest were fetched; null until there are keys of all. */
  keysAgeSeconds(): number | null
  /** Fetches the keys of all, trying again until they are there, and renews them from then on. Resolves when they are there first. */
  watchKeys(): Promise<void>
  adopt(changed: readonly PoolSettings[]): void
  stop(): void
}

export function openPools(
  settings: readonly PoolSettings[],
  { revocations, ...options }: PoolPartsOptions & { readonly revocations: Revocations },
): Pools {
  const { keepClaims, now, ticks } = options
  const pools = settings.map((pool) => createPoolParts(pool, options))
  const byName = new Map(pools.map((pool) => [pool.name, pool]))
  const bearers = createBearers({ pools, revocations, keepClaims, now, ticks })
  return {
    byName,
    of(name) {
      const pool = byName.get(name)
      if (pool === undefined) throw new TypeError(`there is no user pool ${name}`)
      return pool
    },
    bearers,
    basicClients: createBasicClients({ clients: bearerClientsOf(pools), bearers, ticks }),
    keysAgeSeconds: () => oldest(pools.map(({ verifier }) => verifier.keysAgeSeconds)),
    watchKeys: async () => void (await Promise.all(pools.map(async ({ keyWatch }) => keyWatch.start()))),
    adopt(changed) {
      for (const pool of pools) pool.adopt(changed.find(({ name }) => name === pool.name))
    },
    stop() {
      for (const { keyWatch } of pools) keyWatch.stop()
    },
  }
}

function oldest(ages: readonly (number | null)[]): number | null {
  return ages.reduce((one, other) => (one === null || other === null ? null : Math.max(one, other)), 0)
}

/** Of a client that two pools list, the first of them is asked. */
function bearerClientsOf(pools: readonly PoolParts[]): ReadonlyMap<string, CognitoClient> {
  const listed = pools.flatMap(({ bearerClients, cognito }) => bearerClients.map((id) => [id, cognito] as const))
  return new Map(listed.toReversed())
}

/** Makes the adapters of one user pool: whatever is sent to it, or comes from it, concerns no other. */
function createPoolParts(pool: PoolSettings, options: PoolPartsOptions): PoolParts {
  const { metrics, log, now, ticks, keepClaims, keepTokens } = options
  const { name } = pool
  const countRequest: OnPoolRequest = (endpoint, result, seconds) => {
    metrics.observe('pool_request_duration_seconds', seconds, { endpoint, result })
    if (result === 'throttled') metrics.count('pool_throttled_total', { endpoint })
  }
  metrics.set('circuit_open', 0, { target: `pool/${name}` })
  let { clientSecret } = pool
  const cognito = createCognitoClient({
    issuer: pool.issuer,
    domain: pool.domain,
    clientId: pool.clientId,
    clientSecret: () => clientSecret,
    scopes: pool.scopes,
    onRequest: countRequest,
    gate: createPoolGate({
      requestsPerSecond: pool.requestsPerSecond / options.processes,
      now: ticks,
      onCircuit(state) {
        logCircuit(log, name, state)
        metrics.set('circuit_open', state === 'opened' ? 1 : 0, { target: `pool/${name}` })
      },
    }),
    now: ticks,
  })
  const verifier = createTokenVerifier({
    issuers: pool.acceptedIssuers,
    clientId: pool.clientId,
    bearerClients: pool.bearerClients,
    now,
    ticks,
    fetchJwks: createJwksFetch({
      onRequest: countRequest,
      onFetch: (result) => metrics.count('jwks_fetches_total', { result }),
    }),
  })
  return {
    ...pool,
    cognito,
    verifier,
    refresh: createSessionRefresh({
      cognito,
      verifier,
      pool,
      keepClaims,
      keepTokens,
      now,
      onOutcome(result, reason) {
        metrics.count('token_refreshes_total', { result, reason })
        if (FOREIGN.has(reason))
          log.error({ event: 'refresh_foreign', pool: name, reason }, 'tokens of somebody or something else')
      },
    }),
    keyWatch: createKeyWatch({ verifier, log }),
    adopt(changed) {
      clientSecret = changed?.clientSecret
    },
  }
}

function logCircuit(log: Logger, pool: string, state: 'opened' | 'closed'): void {
  if (state === 'closed') log.info({ event: 'pool_answers', pool }, 'the token endpoint answers again')
  else log.warn({ event: 'pool_fails', pool }, 'the token endpoint keeps failing; it is not asked for a while')
}
