import { Cluster, Redis as Client, type RedisOptions } from 'ioredis'
import type { RedisAddress } from '../../domain/redis-address.ts'

type Options = Omit<RedisOptions, 'replyMapping'>

/** What is asked of the library, which is the same over one server, sentinels and a cluster. */
export type Commands = Pick<Client, 'get' | 'set' | 'del' | 'eval' | 'xadd' | 'xrange' | 'info'>

export interface Connection {
  /** All of it goes over one connection, so that silence there is silence. */
  readonly single: boolean
  readonly commands: Commands
  /** Throws away what is open and connects anew. */
  renew(): void
  close(): void
}

export interface ConnectionOptions {
  readonly address: RedisAddress
  readonly ca: string | undefined
  /** It can be asked now. */
  readonly onReady: () => void
  /** Something that is no answer to a command went wrong. */
  readonly onFault: (error: unknown) => void
  readonly onClose: () => void
}

const CONNECT_TIMEOUT_MS = 1_000
/** For what the library asks by itself, and for a node that stands still: what waits for it must not pile up. */
const SILENCE_MS = 1_000
const DISCONNECT_MS = 20
const RECONNECT_STEP_MS = 100
const MAX_RECONNECT_PAUSE_MS = 1_000
const SLOTS_REFRESH_MS = 2_000
const MAX_REDIRECTIONS = 4

/** Connects and goes on connecting whatever happens; a command on a connection that is not there fails at once. */
export function connectToRedis(options: ConnectionOptions): Connection {
  const { address, onReady, onFault, onClose } = options
  const client = address.kind === 'cluster' ? toCluster(options) : new Client(toServer(options))
  // Without a listener an error of the connection would be printed, with what it was about.
  client.on('error', onFault)
  client.on('node error', onFault)
  let renewing = false
  client.on('ready', () => {
    renewing = false
    onReady()
  })
  client.on('close', () => {
    renewing = false
    onClose()
  })
  return {
    single: address.kind !== 'cluster',
    commands: client,
    renew() {
      if (renewing) return
      renewing = true
      client.disconnect(true)
    },
    close: () => client.disconnect(),
  }
}

/** Replicas of a gateway do not come back all at the same moment. */
const pauseBefore = (times: number): number =>
  Math.min(times * RECONNECT_STEP_MS, MAX_RECONNECT_PAUSE_MS) * (0.5 + Math.random() / 2)

function common({ address, ca }: ConnectionOptions): Options {
  return {
    ...(address.user === undefined ? {} : { username: address.user }),
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls ? { tls: tlsOf(ca) } : {}),
    commandTimeout: SILENCE_MS,
    socketTimeout: SILENCE_MS,
    connectTimeout: CONNECT_TIMEOUT_MS,
    disconnectTimeout: DISCONNECT_MS,
    connectionName: 'cognito-gateway',
    disableClientInfo: true,
    // Its question may be forbidden to our user, and HELLO has been answered by then.
    enableReadyCheck: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    reconnectOnError: (error) => /\bREADONLY\b/.test(error.message),
  }
}

const tlsOf = (ca: string | undefined): { readonly ca?: string } => (ca === undefined ? {} : { ca })

function toServer(options: ConnectionOptions): Options {
  const { address, ca } = options
  const alone = {
    ...common(options),
    db: address.database,
    enableOfflineQueue: false,
    retryStrategy: pauseBefore,
  }
  if (address.kind !== 'sentinel') return { ...alone, ...address.hosts[0] }
  return {
    ...alone,
    sentinels: [...address.hosts],
    name: address.master,
    sentinelCommandTimeout: SILENCE_MS,
    sentinelRetryStrategy: pauseBefore,
    ...(address.tls ? { enableTLSForSentinelMode: true, sentinelTLS: tlsOf(ca) } : {}),
    ...(address.sentinelsAsk && address.user !== undefined ? { sentinelUsername: address.user } : {}),
    ...(address.sentinelsAsk && address.password !== undefined ? { sentinelPassword: address.password } : {}),
  }
}

function toCluster(options: ConnectionOptions): Cluster {
  return new Cluster([...options.address.hosts], {
    redisOptions: common(options),
    enableOfflineQueue: false,
    clusterRetryStrategy: pauseBefore,
    maxRedirections: MAX_REDIRECTIONS,
    // A node that stands still answers no MOVED: that another took over its part is found out by asking.
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    // Certificates are made out for names; the address behind one would be checked against nothing.
    dnsLookup: (host, callback) => callback(null, host),
  })
}
