import { createBasicClients, type BasicClients } from './adapters/basic-clients.ts'
import { createBearers, type Bearers } from './adapters/bearers.ts'
import { createCertificate, type Certificate } from './adapters/certificate.ts'
import { createCognitoClient, type CognitoClient } from './adapters/cognito-client.ts'
import { configHash } from './adapters/config-hash.ts'
import { createCookieBindings, type CookieBindings } from './adapters/cookie-bindings.ts'
import { createCookieStore } from './adapters/cookie-session-store.ts'
import { createCsrfTokens, type CsrfTokens } from './adapters/csrf-tokens.ts'
import { createRequestLog, type RequestLog } from './adapters/request-log.ts'
import { createKeptForms, type KeptForms } from './adapters/kept-forms.ts'
import { createLoginBook, type LoginBook } from './adapters/login-book.ts'
import { createLoginStates, type LoginStates } from './adapters/login-states.ts'
import { createMetrics, type Metrics } from './adapters/metrics.ts'
import { createOpenStreams, type OpenStreams } from './adapters/open-streams.ts'
import { createOverload, type MemoryUse, type Overload, type OverloadReason } from './adapters/overload.ts'
import { createIdentityProofs, type IdentityProofs } from './adapters/identity-proofs.ts'
import { createJwksFetch } from './adapters/jwks-fetch.ts'
import { createPersonNames, type PersonNames } from './adapters/person-names.ts'
import type { OnPoolRequest } from './adapters/pool-fetch.ts'
import { createPoolGate } from './adapters/pool-gate.ts'
import type { Redis } from './adapters/redis.ts'
import { createRedisKeys } from './adapters/redis-keys.ts'
import { createRedisStore } from './adapters/redis-session-store.ts'
import type { Refresher, RefreshOutcome } from './adapters/refresher.ts'
import type { Revocations } from './adapters/revocations.ts'
import { createKeyWatch } from './adapters/key-watch.ts'
import { createKeyRing, keySlots, type PlacedKey } from './adapters/key-ring.ts'
import { createSeal, deriveKey } from './adapters/seal.ts'
import { createSessionRefresh, FOREIGN } from './adapters/session-refresh.ts'
import type { SessionStore } from './adapters/session-store.ts'
import { createSigningKeys, type SigningKeys } from './adapters/signing-keys.ts'
import { createTokenRevoker, type TokenRevoker } from './adapters/token-revoker.ts'
import { createTokenVerifier, type TokenVerifier } from './adapters/token-verifier.ts'
import { createTrustedProxies, type TrustedProxies } from './adapters/trusted-proxies.ts'
import { logUpstreamEvent } from './adapters/upstream/event-log.ts'
import { createUpstreams, upstreamFault, type UpstreamFault, type Upstreams } from './adapters/upstreams.ts'
import type { PoolSettings, RouteSettings, Settings } from './config/settings.ts'
import { claimsAsked } from './domain/conditions.ts'
import { buildRouteTable, type RouteTable } from './domain/route-table.ts'
import type { LoginQuery, LoginRecord } from './domain/login-record.ts'
import type { ReturnToSelf } from './domain/return-to.ts'
import type { Revocation } from './domain/revocation.ts'
import type { Secret } from './domain/secret.ts'
import { claimsTold } from './domain/identity-headers.ts'
import type { KeptTokens, Session } from './domain/session.ts'
import type { Logger } from 'pino'
import { createRefresherOf, openRecords, openRedis, openRevocations, revokeAsSet, together } from './shared-parts.ts'

/** Everything that the servers are made of, made once from the settings. */
export interface Parts {
  readonly settings: Settings
  /** Of this build. */
  readonly version: string
  readonly log: Logger
  readonly requestLog: RequestLog
  readonly names: PersonNames
  /** The time of day: for what tokens and cookies say. */
  readonly now: () => number
  /** Milliseconds that only go forward: for pauses, limits and everything else that lasts. */
  readonly ticks: () => number
  readonly metrics: Metrics
  readonly table: RouteTable<RouteSettings>
  readonly self: ReturnToSelf
  readonly pool: PoolSettings
  readonly callbackUrl: string
  readonly cognito: CognitoClient
  readonly verifier: TokenVerifier
  readonly bearers: Bearers
  readonly basicClients: BasicClients
  readonly store: SessionStore
  /** Null where the settings name none. */
  readonly redis: Redis | null
  readonly revocations: Revocations
  readonly refresher: Refresher
  readonly tokenRevoker: TokenRevoker
  readonly states: LoginStates
  readonly keptForms: KeptForms
  readonly book: LoginBook
  /** What is known of the last sign-ins, by other workers too. Never rejects. */
  readonly findLogins: (query: LoginQuery) => Promise<readonly LoginRecord[]>
  readonly csrf: CsrfTokens
  readonly cookieBindings: CookieBindings
  readonly attemptKeys: readonly Buffer[]
  readonly keepClaims: readonly string[]
  readonly keepTokens: KeptTokens
  readonly proofs: IdentityProofs
  readonly signingKeys: SignersOfIdentity
  readonly routes: readonly RouteSettings[]
  readonly streams: OpenStreams
  readonly overload: Overload
  readonly upstreams: Upstreams
  readonly trustedProxies: TrustedProxies
  /** Of the public listener; null where somebody in front speaks TLS. */
  readonly certificate: Certificate | null
  readonly upstreamFault: (error: unknown) => UpstreamFault
  readonly lifecycle: Lifecycle
  /** What holds now: what the process was started with, and what of a change it has taken over since. */
  readonly inForce: () => InForce
  /** Fetches the pool's keys, trying again until it has them, and renews them from then on. Resolves when they are there first. */
  watchKeys(): Promise<void>
  /** Takes over what of new settings may change while the process runs. */
  adopt(changed: Settings): void
  close(): Promise<void>
}

export interface InForce {
  readonly settings: Settings
  readonly hash: string
  /** Epoch milliseconds. */
  readonly since: number
}

/** Apart from each other, and from the session keys: what is made with one must not pass for another. */
export interface SignersOfIdentity {
  readonly assertion: SigningKeys
  readonly alb: SigningKeys
}

/** Where the process is in its life; the servers read it, the command moves it on. */
export interface Lifecycle {
  /** In ticks. */
  readonly startedAt: number
  listening: boolean
  draining: boolean
}

export interface PartsOptions {
  readonly settings: Settings
  readonly version: string
  readonly log: Logger
  readonly now?: (() => number) | undefined
  readonly ticks?: (() => number) | undefined
  /** The longest text that the session's cookies can hold. */
  readonly maxSessionTextBytes: number
  /** For one of several workers: how it shares with the others. */
  readonly shared?: Shared | undefined
}

/** What workers of one gateway must not do each for itself. */
export interface Shared {
  /** Refreshes for every worker, once for all who ask. Never rejects. */
  readonly refresh: (session: Session) => Promise<RefreshOutcome>
  /** Waits for a refresh that any worker began; the newest session known. Never rejects. */
  readonly settle: (session: Session) => Promise<Session>
  /** Tells the others what was revoked; resolves when they know. Never rejects. */
  readonly tellRevoked: (revocation: Revocation) => Promise<void>
  /** What all of them know of the last sign-ins. Never rejects. */
  readonly findLogins: (query: LoginQuery) => Promise<readonly LoginRecord[]>
}

export function createParts(options: PartsOptions): Parts {
  const {
    settings,
    version,
    log,
    now = Date.now,
    ticks = () => performance.now(),
    maxSessionTextBytes,
    shared,
  } = options
  const pool = settings.pools[0]
  if (pool === undefined) throw new TypeError('the settings name no user pool')
  const metrics = createMetrics()
  const routes = settings.applications.flatMap((application) => application.routes)
  const self: ReturnToSelf = {
    publicUrl: settings.publicUrl,
    ownPrefix: settings.endpoints.prefix,
    lenientPaths: routes.some(({ paths, allowInPath }) => paths === 'opaque' || allowInPath.length > 0),
  }
  const keys = createKeyRing(placedKeys(settings))
  // A cookie of another gateway, pool or app client is sealed under another key: it is no session here, whoever shares the master key.
  const context = [settings.publicUrl, pool.issuer, pool.clientId].join(' ')
  const keepClaims = claimsWorthKeeping(routes)
  const keepTokens = tokensWorthKeeping(routes)
  const signingKeys = {
    assertion: createSigningKeys(pemsOf(settings.assertion.keys), 'thumbprint'),
    alb: createSigningKeys(pemsOf(settings.assertion.albKeys), 'uuid'),
  }

  const countRequest: OnPoolRequest = (endpoint, result, seconds) => {
    metrics.observe('pool_request_duration_seconds', seconds, { endpoint, result })
    if (result === 'throttled') metrics.count('pool_throttled_total', { endpoint })
  }
  metrics.set('circuit_open', 0, { target: `pool/${pool.name}` })
  const { issuer, domain, clientId, scopes } = pool
  let { clientSecret } = pool
  let levelAsSet = settings.log.level
  const cognito = createCognitoClient({
    issuer,
    domain,
    clientId,
    clientSecret: () => clientSecret,
    scopes,
    onRequest: countRequest,
    gate: createPoolGate({
      // Refreshes are the primary's affair, and sign-ins those of each worker.
      requestsPerSecond: shared === undefined ? pool.requestsPerSecond : pool.requestsPerSecond / settings.workers,
      now: ticks,
      onCircuit(state) {
        logCircuit(log, pool.name, state)
        metrics.set('circuit_open', state === 'opened' ? 1 : 0, { target: `pool/${pool.name}` })
      },
    }),
    now: ticks,
  })
  const verifier = createTokenVerifier({
    issuers: pool.acceptedIssuers,
    clientId,
    bearerClients: pool.bearerClients,
    now,
    ticks,
    fetchJwks: createJwksFetch({
      onRequest: countRequest,
      onFetch: (result) => metrics.count('jwks_fetches_total', { result }),
    }),
  })
  const lifecycle: Lifecycle = { startedAt: ticks(), listening: false, draining: false }
  const upstreams = createUpstreams({
    now: ticks,
    onWaited: (upstream, seconds) => metrics.observe('upstream_queue_seconds', seconds, { upstream }),
    onEvent: (event) => logUpstreamEvent(log, event),
  })
  const streams = createOpenStreams({
    limits: settings.session,
    now,
    onWebSockets: (open) => metrics.set('websockets_open', open, {}),
  })
  const overload = createOverload({ onChange: (reason, memory) => logOverload(log, reason, memory) })
  const keyWatch = createKeyWatch({ verifier, log })
  const redisKeys = createRedisKeys(context)
  const redis = openRedis(settings, { metrics, log, keys: redisKeys })
  const revocations = openRevocations(
    { settings, now, ticks, log, redis, keys: redisKeys },
    streams,
    shared?.tellRevoked,
  )
  const bearers = createBearers({
    verifier,
    revocations,
    pool: pool.name,
    userPoolId: pool.userPoolId,
    keepClaims,
    now,
    ticks,
  })
  const book = createLoginBook({
    now,
    onCookieSeen: () => metrics.count('login_stages_total', { stage: 'cookie_seen' }),
  })
  const seal = createSeal(keys, 'session', context)
  const onWritten = (session: Session): void => streams.renewed(session)
  const inRedis = openRecords(settings, { redis, keys: redisKeys, seal, now })
  const store =
    inRedis === null
      ? createCookieStore({ seal, revocations, maxTextBytes: maxSessionTextBytes, onWritten })
      : createRedisStore({ ...inRedis, revocations, ticks, onWritten })
  const atPool = createSessionRefresh({
    cognito,
    verifier,
    pool,
    keepClaims,
    keepTokens,
    now,
    onOutcome(result, reason) {
      metrics.count('token_refreshes_total', { result, reason })
      if (FOREIGN.has(reason)) log.error({ event: 'refresh_foreign', reason }, 'tokens of somebody or something else')
    },
  })
  const refresher = createRefresherOf(
    shared ??
      together(atPool, {
        redis,
        records: inRedis?.records ?? null,
        keys: redisKeys,
        answerSeal: createSeal(keys, 'refresh', context),
        ticks,
      }),
    ticks,
  )
  const tokenRevoker = createTokenRevoker({ cognito, refresher, log })
  const inForceNow = (held: Settings): InForce => {
    const hash = configHash(held)
    metrics.setOnly('config_info', 1, { hash })
    return { settings: held, hash, since: now() }
  }
  let inForce = inForceNow(settings)

  return {
    settings,
    version,
    log,
    requestLog: createRequestLog(log),
    names: createPersonNames(settings.log.people),
    now,
    ticks,
    metrics,
    table: buildRouteTable(routes),
    self,
    pool,
    callbackUrl: settings.publicUrl + settings.endpoints.callback,
    cognito,
    verifier,
    bearers,
    basicClients: createBasicClients({ clientIds: pool.bearerClients, cognito, bearers, ticks }),
    store,
    redis,
    revocations,
    refresher,
    tokenRevoker,
    book,
    findLogins: shared?.findLogins ?? (async (query) => book.find(query)),
    states: createLoginStates(createSeal(keys, 'state', context), self),
    keptForms: createKeptForms(createSeal(keys, 'form', context), self),
    csrf: createCsrfTokens(keys, (master) => deriveKey(master, 'csrf', context)),
    cookieBindings: createCookieBindings(createSeal(keys, 'bound', context)),
    attemptKeys: keySlots(keys, (master) => deriveKey(master, 'attempt', context)),
    keepClaims,
    keepTokens,
    signingKeys,
    proofs: createIdentityProofs({
      assertionKeys: signingKeys.assertion,
      albKeys: signingKeys.alb,
      publicUrl: settings.publicUrl,
      pools: settings.pools,
      now,
    }),
    routes,
    streams,
    overload,
    upstreams,
    trustedProxies: createTrustedProxies(settings.trustedProxies),
    certificate: settings.listen.tls === undefined ? null : createCertificate(settings.listen.tls),
    upstreamFault,
    lifecycle,
    inForce: () => inForce,
    watchKeys: async () => keyWatch.start(),
    adopt(changed) {
      keys.replace(placedKeys(changed))
      signingKeys.assertion.replace(pemsOf(changed.assertion.keys))
      signingKeys.alb.replace(pemsOf(changed.assertion.albKeys))
      clientSecret = changed.pools[0]?.clientSecret
      // Only a setting that was changed: somebody may have set the level on the control port meanwhile.
      if (changed.log.level !== levelAsSet) log.level = changed.log.level
      levelAsSet = changed.log.level
      revokeAsSet(changed, revocations)
      inForce = inForceNow(withAdopted(settings, changed))
    },
    async close() {
      keyWatch.stop()
      overload.stop()
      revocations.close()
      tokenRevoker.close()
      redis?.close()
      await upstreams.destroy()
    },
  }
}

/** The settings of the start with what `adopt` takes of others. */
function withAdopted(settings: Settings, { session, assertion, log, pools }: Settings): Settings {
  const [first, ...others] = settings.pools
  return {
    ...settings,
    session: { ...settings.session, keys: session.keys, revokeAllBefore: session.revokeAllBefore },
    assertion,
    log: { ...settings.log, level: log.level },
    pools: first === undefined ? [] : [{ ...first, clientSecret: pools[0]?.clientSecret }, ...others],
  }
}

function placedKeys({ session }: Settings): readonly PlacedKey[] {
  return session.keys.map((secret) => ({ place: secret.origin, key: Buffer.from(secret.reveal(), 'base64url') }))
}

function logOverload(log: Logger, reason: OverloadReason | null, { heldBytes, limitBytes }: MemoryUse): void {
  const figures = { heldMiB: Math.round(heldBytes / 1_048_576), limitMiB: Math.round(limitBytes / 1_048_576) }
  if (reason === null) log.info({ event: 'overload_over', ...figures }, 'new requests are taken again')
  else log.warn({ event: 'overloaded', reason, ...figures }, 'new requests are refused')
}

function logCircuit(log: Logger, pool: string, state: 'opened' | 'closed'): void {
  if (state === 'closed') log.info({ event: 'pool_answers', pool }, 'the token endpoint answers again')
  else log.warn({ event: 'pool_fails', pool }, 'the token endpoint keeps failing; it is not asked for a while')
}

/** Claims that a rule asks for or a header tells; all others stay out of the session. */
function claimsWorthKeeping(routes: readonly RouteSettings[]): readonly string[] {
  const asked = routes.flatMap(({ access }) => (typeof access === 'string' ? [] : access.flatMap(claimsAsked)))
  const told = routes.flatMap(({ identity }) => claimsTold(identity))
  return [...new Set([...asked, ...told])]
}

/** Tokens that a route passes on; all others stay out of the session. */
function tokensWorthKeeping(routes: readonly RouteSettings[]): KeptTokens {
  return {
    accessToken: routes.some(
      ({ identity }) => identity.authorization === 'accessToken' || identity.albSigner !== undefined,
    ),
    idToken: routes.some(({ identity }) => identity.authorization === 'idToken'),
  }
}

const pemsOf = (secrets: readonly Secret[]): readonly string[] => secrets.map((secret) => secret.reveal())
