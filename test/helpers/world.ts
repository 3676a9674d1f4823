import { randomBytes, randomInt } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { newAssertionKey } from '../../src/commands/keygen.ts'
import { loadSettings } from '../../src/config/load.ts'
import { startGateway as listen, type Gateway } from '../../src/gateway.ts'
import { startLocalPool, type LocalPool, type LocalPoolOptions } from '../../src/local/local-pool.ts'
import { makeCertificate, type TestCertificate } from './certificates.ts'
import { Client } from './client.ts'
import { createClock, type Clock } from './clock.ts'
import { startRecordingApplication, type Answer, type RecordingApplication } from './recording-application.ts'
import { nextSigningKey } from './signing-keys.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface WorldOptions {
  /** Settings to add or replace; `applications` replaces the default ones. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** More settings of sessions. */
  readonly session?: Readonly<Record<string, unknown>>
  /** The address of a Redis for `session.redis`. */
  readonly redisUrl?: string
  readonly pool?: Partial<LocalPoolOptions>
  /** Of the gateway and its pool, where others go by it as well. */
  readonly clock?: Clock
  /** Changes to the pool's app client of the gateway. */
  readonly client?: Readonly<Record<string, unknown>>
  readonly answer?: Answer
  /** The pool answers nothing until its faults are taken away. */
  readonly poolAway?: boolean
  /** Another application than the recording one, by its address. */
  readonly upstream?: string
  /** More settings of the public listener. */
  readonly listen?: Readonly<Record<string, unknown>>
  /** The gateway serves https itself, with a certificate of its own making. */
  readonly tls?: boolean
}

/** A whole small world: a local user pool, an application that records what reaches it, and a gateway between them. */
export interface World extends Serving {
  readonly url: string
  readonly port: number
  readonly pool: LocalPool
  readonly application: RecordingApplication
  readonly clock: Clock
  readonly settingsFile: string
  /** What it shows to clients; undefined where it speaks plain HTTP. */
  readonly certificate: TestCertificate | undefined
  client(): Client
}

/** What settings with `basic: { password: { file: 'application-password' } }` send for everybody. */
export const APPLICATION_PASSWORD = 'one password: for all of them'
export const CLIENT_ID = 'webappclient00000000000001'
/** What settings with `control: { token: { file: 'control-token' } }` ask callers of the control port for. */
export const CONTROL_TOKEN = 'token-for-the-control-port-0123456789'
const ASSERTION_KEY = newAssertionKey()
const ALB_KEY = newAssertionKey()
export const CLIENT_SECRET = 'web+secret/of=the+gateway'

export async function startWorld(t: Teardown, options: WorldOptions = {}): Promise<World> {
  const { clock = createClock() } = options
  const port = await freePort()
  const url = `${options.tls === true ? 'https' : 'http'}://localhost:${port}`
  const application = await startRecordingApplication(t, options.answer)
  const pool = await startPool(t, url, clock, options)
  if (options.poolAway === true)
    pool.faults.push({ on: 'jwks', reset: true, times: 1000 }, { on: 'discovery', reset: true, times: 1000 })
  const folder = mkdtempSync(join(tmpdir(), 'gateway-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const certificate = options.tls === true ? makeCertificate(folder) : undefined
  if (options.redisUrl !== undefined) writeFileSync(join(folder, 'redis-url'), options.redisUrl, { mode: 0o600 })
  const settingsFile = writeSettings(folder, {
    url,
    listen: {
      host: '127.0.0.1',
      port,
      ...(certificate === undefined ? {} : { tls: { certFile: 'tls.crt', keyFile: 'tls.key' } }),
      ...options.listen,
    },
    pool,
    upstream: options.upstream ?? application.url,
    session: {
      ...(options.redisUrl === undefined ? {} : { redis: { url: { file: 'redis-url' } } }),
      ...options.session,
    },
    more: options.settings ?? {},
  })
  return {
    url,
    port,
    pool,
    application,
    clock,
    settingsFile,
    certificate,
    client: () => new Client(t, certificate?.cert),
    ...(await startServing(t, { settingsFile, clock })),
  }
}

export interface Serving {
  /** From now on the gateway's time of day is wrong by so many seconds; what lasts goes on as before, and the pool's time is right. */
  setClockWrong(seconds: number): void
  readonly gateway: Gateway
  readonly adminUrl: string
  /** Of the control port, where the settings have one. */
  readonly controlUrl: string
  /** Every line of the gateway's log so far, as text. */
  readonly log: string[]
  metrics(): Promise<string>
}

/** A gateway by a file of settings, and what of it shows. */
export async function startServing(
  t: Teardown,
  { settingsFile, clock }: Pick<World, 'settingsFile' | 'clock'>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Serving> {
  const load = () => loadSettings({ file: settingsFile, environment })
  const loaded = load()

  let wrongBy = 0
  const log: string[] = []
  const logger = pino({ level: 'debug', base: null }, { write: (line: string) => void log.push(line) })
  const gateway = await listen({
    settings: loaded.settings,
    log: logger,
    version: 'test',
    now: () => clock.now() + wrongBy * 1000,
    ticks: clock.now,
    // Tests say when to look.
    source: { loaded, load, everyMs: 3_600_000 },
  })
  t.teardown(async () => gateway.close())
  const adminUrl = `http://127.0.0.1:${gateway.adminPort}`
  return {
    gateway,
    adminUrl,
    controlUrl: `http://127.0.0.1:${gateway.controlPort ?? 0}`,
    setClockWrong: (seconds) => {
      wrongBy = seconds
    },
    log,
    metrics: async () => (await fetch(`${adminUrl}/metrics`)).text(),
  }
}

async function startPool(t: Teardown, url: string, clock: Clock, options: WorldOptions): Promise<LocalPool> {
  const pool = await startLocalPool({
    now: clock.now,
    newSigningKey: nextSigningKey,
    users: {
      alice: {
        password: 'Passw0rd!',
        groups: ['admins', 'ops'],
        attributes: { email: 'alice@example.com', email_verified: 'true', 'custom:tenant': 'acme' },
      },
      bob: { password: 'Passw0rd!', groups: [], attributes: { email: 'bob@example.com', email_verified: 'true' } },
    },
    resourceServers: [{ identifier: 'orders', scopes: ['read', 'write'] }],
    identityProviders: [],
    clients: [
      {
        id: CLIENT_ID,
        secret: CLIENT_SECRET,
        callbackUrls: [`${url}/oauth2/callback`],
        logoutUrls: [`${url}/oauth2/signed_out`],
        scopes: ['openid', 'email', 'profile', 'orders/read', 'orders/write'],
        flows: ['code'],
        ...options.client,
      },
      { id: 'orders-batch', secret: 'orders-batch-secret', scopes: ['orders/read'], flows: ['client_credentials'] },
    ],
    ...options.pool,
  })
  t.teardown(async () => pool.close())
  return pool
}

interface SettingsParts {
  readonly url: string
  readonly listen: Readonly<Record<string, unknown>>
  readonly pool: LocalPool
  readonly upstream: string
  readonly session: Readonly<Record<string, unknown>>
  readonly more: Readonly<Record<string, unknown>>
}

/** Settings as an operator would write them: YAML is a superset of JSON. */
function writeSettings(folder: string, { url, listen, pool, upstream, session, more }: SettingsParts): string {
  writeFileSync(join(folder, 'session-key'), randomBytes(32).toString('base64url'), { mode: 0o600 })
  writeFileSync(join(folder, 'client-secret'), CLIENT_SECRET, { mode: 0o600 })
  writeFileSync(join(folder, 'control-token'), CONTROL_TOKEN, { mode: 0o600 })
  // For routes that ask for a signed assertion, for the headers of a load balancer, or for Basic.
  writeFileSync(join(folder, 'assertion-key'), ASSERTION_KEY, { mode: 0o600 })
  writeFileSync(join(folder, 'alb-key'), ALB_KEY, { mode: 0o600 })
  writeFileSync(join(folder, 'application-password'), APPLICATION_PASSWORD, { mode: 0o600 })
  const { pools: { local, ...otherPools } = {}, ...rest } = more as { pools?: Record<string, object> }
  const settings = {
    publicUrl: url,
    listen,
    admin: { host: '127.0.0.1', port: 0 },
    session: { keys: [{ file: 'session-key' }], ...session },
    shutdown: { drainDelaySeconds: 0, shutdownTimeoutSeconds: 2 },
    // Tests sign in as often as they like, at a clock that may stand still.
    limits: { signInsPerMinutePerAddress: 100_000 },
    applications: {
      sample: {
        upstream,
        access: 'signedIn',
        routes: {
          public: { path: '/public/*', access: 'public' },
          maybe: { path: '/maybe/*', access: 'optional' },
          admin: { path: '/admin/*', access: [{ groups: ['admins'] }] },
          'orders-read': { path: '/api/orders/*', methods: ['GET'], access: [{ scopes: ['orders/read'] }] },
          'orders-write': { path: '/api/orders/*', access: [{ scopes: ['orders/write'] }] },
        },
      },
    },
    ...rest,
    pools: {
      local: {
        userPoolId: pool.userPoolId,
        issuer: pool.issuer,
        clientId: CLIENT_ID,
        clientSecret: { file: 'client-secret' },
        scopes: ['openid', 'email', 'profile'],
        bearerClients: ['orders-batch'],
        ...local,
      },
      ...otherPools,
    },
  }
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, JSON.stringify(settings, null, 2).replaceAll('%UPSTREAM%', upstream))
  return file
}

/** Below the ports that the system gives away by itself: nobody who listens or connects meanwhile gets this one. */
const PORTS = { from: 12_000, to: 32_000 }
const givenPorts = new Set<number>()

/** Of the files that run at once each has its own part: what one found free another must not find. */
function anyPort(): number {
  const [part = 0, parts = 1] = (process.env['TEST_PORTS'] ?? '0/1').split('/').map(Number)
  const width = Math.floor((PORTS.to - PORTS.from) / parts)
  return PORTS.from + part * width + randomInt(width)
}

/** A port that was free a moment ago, and no other caller has: the public address must be known before anything listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = anyPort()
    if (givenPorts.has(port)) continue
    givenPorts.add(port)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => resolve(true))
    })
    if (!isFree) continue
    await new Promise((resolve) => {
      server.close(resolve)
    })
    return port
  }
}
