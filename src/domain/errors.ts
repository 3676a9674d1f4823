/**
 * Every way in which the gateway refuses or fails: the status, the sentence a stranger may read, and the level of the log line.
 * The same code stands in the body, the `X-Gateway-Code` header, the log and the metrics. README lists them all.
 */
export const catalogue = {
  GW_SIGN_IN_REQUIRED: { status: 401, says: 'Sign-in required', log: 'info' },
  GW_TOKEN_INVALID: { status: 401, says: 'The token or password is not valid here', log: 'info' },
  GW_TOKEN_USE: { status: 401, says: 'This is not an access token', log: 'info' },
  GW_FORBIDDEN: { status: 403, says: 'You may not open this', log: 'info' },
  GW_CROSS_ORIGIN: { status: 403, says: 'This request came from another site', log: 'warn' },
  GW_ROUTE_UNKNOWN: { status: 404, says: 'There is nothing at this address', log: 'info' },
  GW_METHOD_NOT_ALLOWED: { status: 405, says: 'This address does not take that method', log: 'info' },
  GW_REQUEST_TIMEOUT: { status: 408, says: 'The request took too long to arrive', log: 'info' },
  GW_BODY_TOO_LARGE: { status: 413, says: 'The request is too large', log: 'info' },
  GW_TARGET_TOO_LONG: { status: 414, says: 'The address is too long', log: 'info' },
  GW_HOST_UNKNOWN: { status: 421, says: 'This host is not served here', log: 'info' },
  GW_HEADERS_TOO_LARGE: { status: 431, says: 'The request has too many or too large headers', log: 'info' },
  GW_REQUEST_REFUSED: { status: 400, says: 'The request is ambiguous or malformed', log: 'info' },
  GW_EXPECTATION_FAILED: { status: 417, says: 'Nothing is known here of what the request expects', log: 'info' },
  GW_TOO_MANY_REQUESTS: { status: 429, says: 'Too many at the same time', log: 'info' },
  GW_UPGRADE_UNSUPPORTED: { status: 501, says: 'This kind of connection is not supported here', log: 'info' },
  GW_UPSTREAM_UNREACHABLE: { status: 502, says: 'The application cannot be reached', log: 'warn' },
  GW_UPSTREAM_INVALID: { status: 502, says: 'The application gave an invalid answer', log: 'warn' },
  GW_LOOP: { status: 508, says: 'The request goes in a circle', log: 'warn' },
  GW_UPSTREAM_TIMEOUT: { status: 504, says: 'The application took too long', log: 'warn' },
  GW_SESSION_TOO_LARGE: { status: 500, says: 'The session does not fit into cookies', log: 'error' },
  GW_POOL_UNAVAILABLE: { status: 503, says: 'Sign-in is not available at the moment', log: 'warn' },
  GW_STORE_UNAVAILABLE: { status: 503, says: 'Sessions cannot be read at the moment', log: 'warn' },
  GW_OVERLOADED: { status: 503, says: 'Too busy at the moment', log: 'warn' },
  GW_INTERNAL: { status: 500, says: 'Something went wrong', log: 'error' },
  GW_SIGN_IN_CANCELLED: { status: 403, says: 'The sign-in was cancelled', log: 'info' },
  GW_SIGN_IN_STATE_INVALID: { status: 400, says: 'This sign-in was not started here', log: 'warn' },
  GW_SIGN_IN_EXPIRED: { status: 400, says: 'The sign-in took too long', log: 'info' },
  GW_SIGN_IN_COOKIES_BLOCKED: {
    status: 400,
    says: 'The browser did not send back the cookie of this sign-in',
    log: 'warn',
  },
  GW_SIGN_IN_LOOP: { status: 400, says: 'Signing in leads back to signing in', log: 'warn' },
  GW_SIGN_IN_REFUSED: { status: 502, says: 'Cognito refused the sign-in', log: 'warn' },
  GW_SIGN_IN_MISCONFIGURED: { status: 502, says: 'The sign-in is not set up correctly', log: 'error' },
  GW_SIGN_IN_TOKENS_INVALID: { status: 502, says: 'The tokens of this sign-in are not valid', log: 'error' },
  GW_SIGN_IN_STALE: { status: 403, says: 'This sign-in is older than it may be', log: 'warn' },
  GW_CSRF: { status: 403, says: 'The form is out of date', log: 'warn' },
} as const satisfies Record<`GW_${string}`, { status: number; says: string; log: 'info' | 'warn' | 'error' }>

export type ErrorCode = keyof typeof catalogue

export interface ErrorDetails {
  readonly cause?: unknown
  /** For the log only; never sent to a client. Must hold no secret. */
  readonly detail?: string
  /** Finer reason for log, metric and `explain`, out of a closed set of words. */
  readonly reason?: string
  /** What to do instead, as a sentence for callers of the control port; holds nothing of what was sent. */
  readonly remedy?: string
  /** Headers that the answer needs by its kind, such as `Allow` or `Retry-After`. */
  readonly headers?: Readonly<Record<string, string>>
}

export class GatewayError extends Error {
  readonly code: ErrorCode
  readonly detail: string | undefined
  readonly reason: string | undefined
  readonly remedy: string | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(code: ErrorCode, more: ErrorDetails = {}) {
    super(catalogue[code].says, { cause: more.cause })
    this.code = code
    this.detail = more.detail
    this.reason = more.reason
    this.remedy = more.remedy
    this.headers = more.headers ?? {}
  }
}

/** The store gave no answer: nobody can say whether a session is one, which is something else than that it is none. */
export function storeUnavailable(cause?: unknown): GatewayError {
  return new GatewayError('GW_STORE_UNAVAILABLE', { cause, reason: 'store', headers: { 'retry-after': '5' } })
}
