import { GatewayError, type ErrorCode } from '../../domain/errors.ts'

/** What Cognito says in the address to which it sends people back; any part may be missing. */
export interface Answer {
  readonly state: string | undefined
  readonly code: string | undefined
  readonly error: string | undefined
  readonly description: string | undefined
}

/**
 * The parameters of the callback, each at most once: which of two would count is a question that nobody should have to ask. Throws
 * GW_SIGN_IN_STATE_INVALID.
 */
export function readAnswer(query: URLSearchParams): Answer {
  const one = (name: string): string | undefined => {
    const values = query.getAll(name)
    if (values.length > 1) throw new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'duplicate_parameter' })
    return values[0] === '' ? undefined : values[0]
  }
  if (query.has('id_token') || query.has('access_token'))
    throw new GatewayError('GW_SIGN_IN_STATE_INVALID', { reason: 'token_in_query' })
  return { state: one('state'), code: one('code'), error: one('error'), description: one('error_description') }
}

/** Cognito leaves the state out of some errors: they still get their page, and never another round. */
export function withoutState({ state, error, description }: Answer): GatewayError {
  if (state === undefined && error !== undefined) return refusalOf(error, description)
  return new GatewayError('GW_SIGN_IN_STATE_INVALID', {
    reason: state === undefined ? 'state_missing' : 'state_mismatch',
  })
}

// Cognito says most things as `invalid_request` and the rest in the description, of which only known words are looked for.
const BY_ERROR: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  access_denied: ['GW_SIGN_IN_CANCELLED', 'user_denied'],
  unauthorized_client: ['GW_SIGN_IN_MISCONFIGURED', 'client_unknown'],
  invalid_scope: ['GW_SIGN_IN_MISCONFIGURED', 'scope_missing'],
}

/** What a person is told whom Cognito did not let in. */
export function refusalOf(error: string, description: string | undefined): GatewayError {
  const scope = error === 'invalid_request' && description === 'invalid_scope'
  const known = Object.hasOwn(BY_ERROR, error) ? BY_ERROR[error] : undefined
  const [code, reason] = scope
    ? (['GW_SIGN_IN_MISCONFIGURED', 'scope_missing'] as const)
    : (known ?? ['GW_SIGN_IN_REFUSED', 'idp_error'])
  // For the log only: what a page shows never comes from the query.
  return new GatewayError(code, { reason, detail: `${error.slice(0, 64)}: ${(description ?? '').slice(0, 256)}` })
}
