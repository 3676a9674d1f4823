import type { AccessRule } from '../domain/access.ts'
import type { Branding } from '../domain/branding.ts'
import type { ChallengeScheme } from '../domain/challenge.ts'
import type { IdentityRule } from '../domain/identity-headers.ts'
import type { PrefixRewrite } from '../domain/rewriting.ts'
import type { PathWord } from '../domain/path-readings.ts'
import type { AskingProxy } from '../domain/proxy-question.ts'
import type { Secret } from '../domain/secret.ts'

/** The effective settings: everything merged, every default in place, every secret read, frozen. What the rest of the product reads. */
export interface Settings {
  /** An origin: lower-case host, no slash at the end, no default port. */
  readonly publicUrl: string
  readonly listen: {
    readonly host: string
    readonly port: number
    /** Absolute paths of PEM files that fit together. */
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined
    /** Only with tls. */
    readonly http2: boolean
    readonly maxHeaderBytes: number
    readonly keepAliveTimeoutSeconds: number
    readonly headersTimeoutSeconds: number
  }
  readonly admin: { readonly host: string; readonly port: number }
  /** Undefined: there is no control port. */
  readonly control: { readonly host: string; readonly port: number; readonly token: Secret | undefined } | undefined
  /** Undefined: no proxy may ask. */
  readonly forwardAuth: { readonly host: string; readonly port: number; readonly proxy: AskingProxy } | undefined
  readonly trustedProxies: readonly TrustedProxySettings[]
  /** In the file's order, never empty; the first is the default. */
  readonly pools: readonly PoolSettings[]
  readonly session: {
    readonly store: 'cookie' | 'redis'
    /** Always there with store redis. */
    readonly redis: RedisSettings | undefined
    /** Each reveals 32 bytes as base64url. The first seals, every one opens. */
    readonly keys: readonly Secret[]
    readonly idleTimeoutSeconds: number
    readonly maxAgeSeconds: number
    readonly recheckSeconds: number
    readonly refreshGraceSeconds: number
    /** Epoch milliseconds, not in the future. */
    readonly revokeAllBefore: number | undefined
  }
  readonly endpoints: {
    readonly prefix: string
    readonly callback: string
    /** Where Cognito sends people back to: one host for all, or each host to itself. */
    readonly callbackOn: 'publicUrl' | 'eachHost'
    readonly ping: string
  }
  /** Processes that share the public port. With 1 there is no other process. */
  readonly workers: number
  readonly shutdown: { readonly drainDelaySeconds: number; readonly shutdownTimeoutSeconds: number }
  readonly limits: {
    /** Null where clients' addresses are not known, because somebody in front speaks TLS who is not trusted to tell them. */
    readonly signInsPerMinutePerAddress: number | null
  }
  readonly log: { readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly people: 'hash' | 'sub' | 'email' }
  /** P-256 private keys as PEM; of each list the first signs, all are published. */
  readonly assertion: { readonly keys: readonly Secret[]; readonly albKeys: readonly Secret[] }
  readonly applications: readonly ApplicationSettings[]
}

export interface RedisSettings {
  readonly url: Secret
  /** An absolute path of PEM. */
  readonly caFile: string | undefined
  readonly outageGraceSeconds: number
}

export interface TrustedProxySettings {
  /** An address, a slash and the length of the prefix, never 0. */
  readonly cidr: string
  readonly headers: readonly ('for' | 'proto' | 'host' | 'port')[]
  readonly proxyProtocol: boolean
}

export interface PoolSettings {
  readonly name: string
  /** The path of its callback: no two pools have the same, so that no code goes to a pool that did not give it. */
  readonly callback: string
  readonly userPoolId: string
  /** Where discovery is: the configured one, or Cognito's for this pool. */
  readonly issuer: string
  /** What `iss` may say: Cognito's two forms for this pool, or only the configured one. */
  readonly acceptedIssuers: readonly string[]
  readonly domain: string | undefined
  readonly clientId: string
  readonly clientSecret: Secret | undefined
  readonly scopes: readonly string[]
  readonly bearerClients: readonly string[]
  /** Towards the token endpoint. */
  readonly requestsPerSecond: number
  readonly trustEmailFrom: readonly string[]
  readonly identityProviders: readonly string[]
}

export interface ApplicationSettings {
  readonly name: string
  /** The pool's name. */
  readonly pool: string
  readonly hosts: readonly string[]
  readonly path: string
  readonly branding: Branding
  /** The application's own route first, where it states an access; then those of the file, in order. */
  readonly routes: readonly RouteSettings[]
}

export interface RouteSettings {
  /** `wiki` for the application itself, `wiki/assets` for a route of it. */
  readonly name: string
  readonly application: string
  /** The pool's name. */
  readonly pool: string
  readonly hosts: readonly string[]
  /** Decoded; the application's own ends with `/*`. */
  readonly path: string
  /** Whether the application's hosts are its own; else it lies below a path, beside others and us. */
  readonly hasWholeHost: boolean
  /** Null: every method. HEAD stands wherever GET does. */
  readonly methods: readonly string[] | null
  readonly access: AccessRule
  readonly upstream: UpstreamSettings
  readonly limits: {
    /** Null: no limit. */
    readonly bodyBytes: number | null
    readonly clientBody: { readonly idleSeconds: number; readonly minBytesPerSecond: number }
  }
  readonly webSocket: {
    readonly allow: boolean
    /** Null: as silent as it likes. */
    readonly idleSeconds: number | null
    readonly maxPerSession: number
  }
  /** `strip` and `replace` as one: public prefixes and what the application knows them as, the longest first. */
  readonly prefixes: readonly PrefixRewrite[]
  readonly redirects: 'fix' | 'keep'
  readonly requestHeaders: HeaderChanges
  readonly responseHeaders: HeaderChanges
  readonly cookies: { readonly domain: 'keep' | 'drop'; readonly secure: boolean }
  readonly identity: IdentityRule
  /** Whose the Authorization header is. */
  readonly authorization: 'auto' | 'gateway' | 'application' | 'drop'
  /** Only with `auto` or `gateway`. */
  readonly clientBasic: boolean
  /** Basic only with clientBasic. */
  readonly challenge: readonly ChallengeScheme[]
  readonly onUnauthenticated: 'auto' | 'signIn' | '401'
  /** How a page gets to the sign-in: at once, or by a page that takes the `#fragment` along. */
  readonly signInBy: 'redirect' | 'page'
  readonly allowedOrigins: readonly string[]
  /** Beside `refuse` there are allowedOrigins, unless the application answers. */
  readonly cors: { readonly preflight: 'refuse' | 'answer' | 'application'; readonly credentials: boolean }
  readonly showMissing: boolean
  readonly methodOverride: 'drop' | 'both'
  /** Epoch milliseconds, the moment after the last day; null where the rule refuses. */
  readonly reportOnlyUntil: number | null
  /** Which paths with more than one reading may pass, if all readings lead to the same route; the application's. */
  readonly paths: 'strict' | 'opaque'
  readonly allowInPath: readonly PathWord[]
  /** Where its people sign in without being asked; the application's. */
  readonly identityProvider: string | undefined
  /** Names of the application's cookies that belong to the session under which they were set; the application's. */
  readonly bindCookies: readonly string[]
  /** Paths of the application's own sign-out, folded; the application's. */
  readonly signOutPaths: readonly string[]
}

export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>
  readonly setIfAbsent: Readonly<Record<string, string>>
  readonly remove: readonly string[]
}

export interface UpstreamSettings {
  /** At least one; `http:`, `https:` or `unix:`. */
  readonly urls: readonly string[]
  /** `preserve`, `upstream`, or the name to send. */
  readonly host: string
  readonly serverName: string | undefined
  /** Paths of files are absolute. */
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
  readonly insecureSkipVerify: boolean
  readonly connectSeconds: number
  readonly responseSeconds: number
  readonly idleSeconds: number
  /** Null: no limit. */
  readonly totalSeconds: number | null
  readonly connectionAuth: 'refuse' | 'pin'
  readonly connections: number
  readonly queue: number
  readonly stick: 'none' | 'session'
  readonly resolve: 'one' | 'all'
  /** Null where nobody is asked. */
  readonly health: { readonly path: string; readonly everySeconds: number; readonly timeoutSeconds: number } | null
  /** Null where the circuit never opens. */
  readonly breaker: { readonly failures: number; readonly openSeconds: number } | null
}
