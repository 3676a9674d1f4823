import type { FastifyRequest } from 'fastify'
import type { Logger } from 'pino'
import type { LoginBook } from '../../adapters/login-book.ts'
import type { Metrics } from '../../adapters/metrics.ts'
import type { PersonNames } from '../../adapters/person-names.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { LoginFacts, LoginRecord, LoginResult, LoginStage } from '../../domain/login-record.ts'
import type { Session } from '../../domain/session.ts'

/** Follows sign-ins: each step is counted, logged, and kept for whoever helps people with it. */
export interface Journal {
  /** A sign-in came this far. */
  reached(step: Step, stage: LoginStage, facts?: LoginFacts): void
  /** Its session is set; whether the browser keeps the cookie, the next request shows. */
  signedIn(step: KnownStep, session: Session): void
  /** It came back and led somewhere else. */
  left(step: KnownStep, result: keyof typeof LEFT): void
  /** It ended in an error, which is counted once however often it is told. */
  failed(step: Step, stage: LoginStage, error: unknown): void
}

/** A request, and the sign-in that it belongs to; `attempt` is null where it belongs to none of ours. */
export interface Step {
  readonly request: FastifyRequest
  readonly attempt: { readonly id: string; readonly startedAt: number } | null
}

export interface KnownStep extends Step {
  readonly attempt: NonNullable<Step['attempt']>
}

export interface JournalParts {
  readonly book: LoginBook
  readonly metrics: Metrics
  readonly log: Logger
  readonly names: PersonNames
  readonly now: () => number
  readonly pool: string
}

// The steps that tell a story to whoever reads the log; the others are for debugging.
const TOLD: ReadonlySet<LoginStage> = new Set(['started', 'came_back'])

// Counted from 0: of a counter that appears with its first event, no rate ever shows that event.
const USUAL_FAILURES = (
  'attempt_expired code_malformed cookie_blocked cookie_too_large idp_error login_loop nonce pool_error revoked sign_in_too_old state_mismatch ' +
  'state_missing store token_exchange user_denied'
).split(' ')

const LEFT = {
  restarted: 'begun again',
  signed_in_before: 'signed in before',
  sent_back: 'sent back for the password',
} as const satisfies Partial<Record<LoginResult, string>>

export function createJournal({ book, metrics, log, names, now, pool }: JournalParts): Journal {
  const told = new WeakSet<Error>()
  metrics.counter('logins_total', { pool, result: 'signed_in', reason: '' })
  for (const reason of USUAL_FAILURES) metrics.counter('logins_total', { pool, result: 'failed', reason })

  function note({ request, attempt }: Step, stage: LoginStage, result: LoginResult, facts: LoginFacts): LoginRecord {
    const changedAt = now()
    const record: LoginRecord = {
      ...facts,
      attempt: attempt?.id ?? null,
      pool,
      startedAt: attempt?.startedAt ?? changedAt,
      changedAt,
      stage,
      result,
      references: [request.id],
      client: request.peer.address,
    }
    request.outcome.attempt ??= record.attempt
    book.note(record)
    return record
  }

  const lineOf = (event: string, { request, attempt }: Step) => ({
    event,
    attempt: attempt?.id,
    requestId: request.id,
    pool,
  })

  return {
    reached(step, stage, facts = {}) {
      metrics.count('login_stages_total', { stage })
      if (step.attempt === null) return
      note(step, stage, 'under_way', facts)
      log[TOLD.has(stage) ? 'info' : 'debug'](lineOf(`sign_in_${stage}`, step), `sign-in ${stage.replace('_', ' ')}`)
    },
    signedIn(step, { id, person }) {
      book.awaitCookie(id, note(step, 'session_set', 'signed_in', {}))
      metrics.count('logins_total', { pool, result: 'signed_in', reason: '' })
      metrics.observe('login_duration_seconds', (now() - step.attempt.startedAt) / 1000, {})
      log.info({ ...lineOf('signed_in', step), session: id, ...names.of(person) }, 'signed in')
    },
    left(step, result) {
      note(step, 'came_back', result, {})
      log.info(lineOf(`sign_in_${result}`, step), LEFT[result])
    },
    failed(step, stage, error) {
      if (!(error instanceof Error) || told.has(error)) return
      told.add(error)
      const { code, reason = code, detail } = error instanceof GatewayError ? error : INTERNAL
      metrics.count('logins_total', { pool, result: 'failed', reason })
      note(step, stage, 'failed', { code, reason, detail: readable(detail) })
    },
  }
}

const INTERNAL = new GatewayError('GW_INTERNAL', { reason: 'internal' })
const MAX_DETAIL = 320

/** Cognito's words come by way of the browser, so anybody may have written them. */
function readable(detail: string | undefined): string | undefined {
  return detail?.slice(0, MAX_DETAIL).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu, ' ')
}
