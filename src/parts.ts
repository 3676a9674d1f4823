import type { BasicClients } from './adapters/basic-clients.ts'
import type { Bearers } from './adapters/bearers.ts'
import { createCertificate, type Certificate } from './adapters/certificate.ts'
import { configHash } from './adapters/config-hash.ts'
import { createCookieBindings, type CookieBindings } from './adapters/cookie-bindings.ts'
import { createCsrfTokens, type CsrfTokens } from './adapters/csrf-tokens.ts'
import { createRequestLog, type RequestLog } from './adapters/request-log.ts'
import { createKeptForms, type KeptForms } from './adapters/kept-forms.ts'
import { createLoginBook, type LoginBook } from './adapters/login-book.ts'
import { createLoginStates, type LoginStates } from './adapters/login-states.ts'
import { createMetrics, type Metrics } from './adapters/metrics.ts'
import { createOpenStreams, type OpenStreams } from './adapters/open-streams.ts'
import { createOverload, type MemoryUse, type Overload, type OverloadReason } from './adapters/overload.ts'
import { createHandovers, type Handovers } from './adapters/handovers.ts'
import { createIdentityProofs, type IdentityProofs } from './adapters/identity-proofs.ts'
import { createPersonNames, type PersonNames } from './adapters/person-names.ts'
import type { Redis } from './adapters/redis.ts'
import { createRedisKeys } from './adapters/redis-keys.ts'
import type { Refresher, RefreshOutcome } from './adapters/refresher.ts'
import type { Revocations } from './adapters/revocations.ts'
import { createKeyRing, keySlots, type PlacedKey } from './adapters/key-ring.ts'
import { createSeal, deriveKey } from './adapters/seal.ts'
import type { HostStores, SessionStore } from './adapters/session-store.ts'
import { createSigningKeys, type SigningKeys } from './adapters/signing-keys.ts'
import { createTokenRevoker, type TokenRevoker } from './adapters/token-revoker.ts'
import { createTrustedProxies, type TrustedProxies } from './adapters/trusted-proxies.ts'
import { logUpstreamEvent } from './adapters/upstream/event-log.ts'
import { createUpstreams, upstreamFault, type UpstreamFault, type Upstreams } from './adapters/upstreams.ts'
import { withLive } from './config/changes.ts'
import type { PoolSettings, RouteSettings, Settings } from './config/settings.ts'
import { claimsWorthKeeping, tokensWorthKeeping } from './config/worth-keeping.ts'
import { createBrands, type Brand, type BrandedRequest } from './domain/branding.ts'
import { buildRouteTable, type RouteTable } from './domain/route-table.ts'
import type { LoginQuery, LoginRecord } from './domain/login-record.ts'
import type { ReturnToSelf } from './domain/return-to.ts'
import type { Revocation } from './domain/revocation.ts'
import type { Secret } from './domain/secret.ts'
import type { KeptTokens, Session } from './domain/session.ts'
import { sitesIn, type Sites } from './domain/site.ts'
import { openPools, type PoolParts } from './pool-parts.ts'
import { createSessionStores } from './session-parts.ts'
import type { Logger } from 'pino'
import { createRefresherOf, openRedis, openRevocations, revokeAsSet, together } from './shared-parts.ts'

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
  readonly sites: Sites
  readonly brandOf: (request: BrandedRequest) => Brand | null
  readonly self: ReturnToSelf
  /** By name; the first is the default. */
  readonly pools: ReadonlyMap<string, PoolParts>
  /** Since the keys of the pool whose keys are oldest were fetched; null until there are keys of all. */
  readonly keysAgeSeconds: () => number | null
  readonly bearers: Bearers
  readonly basicClients: BasicClients
  /** Of the host of publicUrl. */
  readonly store: SessionStore
  readonly stores: HostStores
  /** Null where the settings name none. */
  readonly redis: Redis | null
  readonly revocations: Revocations
  readonly refresher: Refresher
  readonly tokenRevoker: TokenRevoker
  readonly states: LoginStates
  readonly handovers: Handovers
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
  const [pool] = settings.pools
  if (pool === undefined) throw new TypeError('the settings name no user pool')
  const metrics = createMetrics()
  const routes = settings.applications.flatMap((application) => application.routes)
  const sites = sitesIn(settings)
  const self: ReturnToSelf = {
    publicUrl: settings.publicUrl,
    origins: sites.origins,
    ownPrefix: settings.endpoints.prefix,
    lenientPaths: routes.some(({ paths, allowInPath }) => paths === 'opaque' || allowInPath.length > 0),
  }
  const keys = createKeyRing(placedKeys(settings))
  // A cookie of another gateway, pool or app client is sealed under another key: it is no session here, whoever shares the master key.
  const contextOf = ({ issuer, clientId }: PoolSettings): string => [settings.publicUrl, issuer, clientId].join(' ')
  const context = contextOf(pool)
  const keepClaims = claimsWorthKeeping(routes)
  const keepTokens = tokensWorthKeeping(routes)
  const signingKeys = {
    assertion: createSigningKeys(pemsOf(settings.assertion.keys), 'thumbprint'),
    alb: createSigningKeys(pemsOf(settings.assertion.albKeys), 'uuid'),
  }

  let levelAsSet = settings.log.level
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
  const redisKeys = createRedisKeys(context)
  const redis = openRedis(settings, { metrics, log, keys: redisKeys })
  const revocations = openRevocations(
    { settings, now, ticks, log, redis, keys: redisKeys },
    streams,
    shared?.tellRevoked,
  )
  const book = createLoginBook({
    now,
    onCookieSeen: () => metrics.count('login_stages_total', { stage: 'cookie_seen' }),
  })
  // Refreshes are the primary's affair, and sign-ins those of each worker.
  const processes = shared === undefined ? 1 : settings.workers
  const poolOptions = { revocations, keepClaims, keepTokens, processes, metrics, log, now, ticks }
  const pools = openPools(settings.pools, poolOptions)
  const { store, stores, records } = createSessionStores(settings, {
    sites,
    sealFor: (site) => {
      const own = contextOf(pools.of(site.pool))
      return createSeal(keys, 'session', site === sites.main ? own : `${own} ${site.host}`)
    },
    redis,
    redisKeys,
    revocations,
    streams,
    maxTextBytes: maxSessionTextBytes,
    now,
    ticks,
  })
  const refresher = createRefresherOf(
    shared ??
      together(async (session, hold) => pools.of(session.person.pool).refresh(session, hold), {
        redis,
        records,
        keys: redisKeys,
        answerSeal: createSeal(keys, 'refresh', context),
        ticks,
      }),
    ticks,
  )
  const tokenRevoker = createTokenRevoker({ cognitoOf: (name) => pools.of(name).cognito, refresher, log })
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
    table: buildRouteTable(routes, sites.byHost.keys()),
    sites,
    brandOf: createBrands(settings.applications, sites),
    self,
    pools: pools.byName,
    keysAgeSeconds: () => pools.keysAgeSeconds(),
    bearers: pools.bearers,
    basicClients: pools.basicClients,
    store,
    stores,
    redis,
    revocations,
    refresher,
    tokenRevoker,
    book,
    findLogins: shared?.findLogins ?? (async (query) => book.find(query)),
    states: createLoginStates(createSeal(keys, 'state', context), self),
    handovers: createHandovers({ seal: createSeal(keys, 'handover', context), now, redis, keys: redisKeys }),
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
    watchKeys: async () => pools.watchKeys(),
    adopt(changed) {
      keys.replace(placedKeys(changed))
      pools.adopt(changed.pools)
      signingKeys.assertion.replace(pemsOf(changed.assertion.keys))
      signingKeys.alb.replace(pemsOf(changed.assertion.albKeys))
      // Only a setting that was changed: somebody may have set the level on the control port meanwhile.
      if (changed.log.level !== levelAsSet) log.level = changed.log.level
      levelAsSet = changed.log.level
      revokeAsSet(changed, revocations)
      inForce = inForceNow(withLive(settings, changed))
    },
    async close() {
      pools.stop()
      overload.stop()
      revocations.close()
      tokenRevoker.close()
      redis?.close()
      await upstreams.destroy()
    },
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

const pemsOf = (secrets: readonly Secret[]): readonly string[] => secrets.map((secret) => secret.reveal())
