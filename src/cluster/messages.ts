import type { LogLevel } from '../adapters/log.ts'
import type { MetricsSnapshot } from '../adapters/metrics.ts'
import type { RefreshOutcome } from '../adapters/refresher.ts'
import { LOGIN_QUERY_KEYS, LOGIN_STAGES, type LoginQuery, type LoginRecord } from '../domain/login-record.ts'
import { isRevocation, type Revocation } from '../domain/revocation.ts'
import type { Session } from '../domain/session.ts'

/*
 * What the primary and its workers say to each other, over the channel between parent and child that nobody else can open. Sessions travel
 * here with their refresh tokens: messages are never logged. Both ends run the same program, yet a worker that was replaced may have been
 * started from files that were changed meanwhile; so each end looks at what it gets, and takes what it does not know for nothing.
 */

/** What a worker tells its primary. What has `ask` is answered with that number. */
export type WorkerMessage =
  /** Answered with everything that was revoked; from now on the worker is told of each. */
  | { readonly type: 'hello'; readonly ask: number }
  /** Answered with a `RefreshOutcome`. */
  | { readonly type: 'refresh'; readonly ask: number; readonly session: Session }
  /** Answered with the newest `Session`. */
  | { readonly type: 'settle'; readonly ask: number; readonly session: Session }
  /** Answered with `true` when every other worker knows. */
  | { readonly type: 'revoke'; readonly ask: number; readonly revocation: Revocation }
  /** Answered with what all workers know of these sign-ins. */
  | { readonly type: 'logins'; readonly ask: number; readonly query: LoginQuery }
  | { readonly type: 'listening'; readonly port: number }
  /** The worker has the user pool's keys. */
  | { readonly type: 'keys' }
  /** The worker cannot start, in a sentence for the operator. */
  | { readonly type: 'failed'; readonly says: string }
  | Answer

/** What the primary tells a worker. */
export type PrimaryMessage =
  /** Answered with `true`. */
  | { readonly type: 'revoked'; readonly ask: number; readonly revocation: Revocation }
  /** Answered with a `MetricsSnapshot`. */
  | { readonly type: 'count'; readonly ask: number }
  /** Answered with what the worker itself knows of these sign-ins. */
  | { readonly type: 'logins'; readonly ask: number; readonly query: LoginQuery }
  /** Answered with `true`. */
  | { readonly type: 'log-level'; readonly ask: number; readonly level: LogLevel }
  /** Look at the settings now. */
  | { readonly type: 'reload' }
  | { readonly type: 'drain' }
  | Answer

export interface Answer {
  readonly type: 'answer'
  readonly ask: number
  readonly value: unknown
}

type Fields = Readonly<Record<string, unknown>>
type Guard = (value: unknown) => boolean

const isNumber: Guard = (value) => typeof value === 'number'
const isText: Guard = (value) => typeof value === 'string'
const isTextIfThere: Guard = (value) => value === undefined || isText(value)
const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null

const WORKER_SHAPES: Readonly<Record<WorkerMessage['type'], Readonly<Record<string, Guard>>>> = {
  hello: { ask: isNumber },
  refresh: { ask: isNumber, session: isSession },
  settle: { ask: isNumber, session: isSession },
  revoke: { ask: isNumber, revocation: isRevocation },
  logins: { ask: isNumber, query: isLoginQuery },
  listening: { port: isNumber },
  keys: {},
  failed: { says: isText },
  answer: { ask: isNumber },
}

const PRIMARY_SHAPES: Readonly<Record<PrimaryMessage['type'], Readonly<Record<string, Guard>>>> = {
  revoked: { ask: isNumber, revocation: isRevocation },
  count: { ask: isNumber },
  logins: { ask: isNumber, query: isLoginQuery },
  'log-level': { ask: isNumber, level: isLogLevel },
  reload: {},
  drain: {},
  answer: { ask: isNumber },
}

export function isWorkerMessage(value: unknown): value is WorkerMessage {
  return fits(value, WORKER_SHAPES)
}

export function isPrimaryMessage(value: unknown): value is PrimaryMessage {
  return fits(value, PRIMARY_SHAPES)
}

function fits(value: unknown, shapes: Readonly<Record<string, Readonly<Record<string, Guard>>>>): boolean {
  if (!isObject(value) || typeof value['type'] !== 'string' || !Object.hasOwn(shapes, value['type'])) return false
  return hasFields(value, shapes[value['type']] ?? {})
}

function hasFields(value: Fields, guards: Readonly<Record<string, Guard>>): boolean {
  return Object.entries(guards).every(([name, guard]) => guard(value[name]))
}

export function isSession(value: unknown): value is Session {
  if (!isObject(value) || !isObject(value['person'])) return false
  const { person } = value
  return (
    hasFields(value, {
      id: isText,
      handle: isTextIfThere,
      startedAt: isNumber,
      seenAt: isNumber,
      claimsAt: isNumber,
      accessExpiresAt: isNumber,
      refreshToken: isTextIfThere,
      accessToken: isTextIfThere,
      idToken: isTextIfThere,
    }) &&
    hasFields(person, { pool: isText, subject: isText, username: isText, claims: isObject, authTime: isNumber }) &&
    person['kind'] === 'person' &&
    person['groups'] instanceof Set &&
    person['scopes'] instanceof Set
  )
}

export function isOutcome(value: unknown): value is RefreshOutcome {
  if (!isObject(value)) return false
  switch (value['kind']) {
    case 'renewed':
      return isSession(value['session'])
    case 'rejected':
      return isText(value['reason'])
    default:
      return value['kind'] === 'unavailable' && (value['session'] === undefined || isSession(value['session']))
  }
}

function isLogLevel(value: unknown): value is LogLevel {
  return value === 'debug' || value === 'info' || value === 'warn' || value === 'error'
}

export function isRevocationList(value: unknown): value is readonly Revocation[] {
  return Array.isArray(value) && value.every(isRevocation)
}

function isLoginQuery(value: unknown): value is LoginQuery {
  return isObject(value) && LOGIN_QUERY_KEYS.every((key) => value[key] === undefined || isText(value[key]))
}

export function isLoginList(value: unknown): value is readonly LoginRecord[] {
  return Array.isArray(value) && value.every(isLoginRecord)
}

function isLoginRecord(value: unknown): boolean {
  const shape = {
    attempt: (attempt: unknown) => attempt === null || isText(attempt),
    pool: isText,
    startedAt: isNumber,
    changedAt: isNumber,
    stage: (stage: unknown) => LOGIN_STAGES.some((one) => one === stage),
    result: isText,
    references: (references: unknown) => Array.isArray(references) && references.every(isText),
    client: isText,
  }
  return isObject(value) && hasFields(value, shape)
}

export function isSnapshot(value: unknown): value is MetricsSnapshot {
  return (
    Array.isArray(value) &&
    value.every((metric) => isObject(metric) && hasFields(metric, { name: isText, values: Array.isArray }))
  )
}

export const isTrue = (value: unknown): value is true => value === true
