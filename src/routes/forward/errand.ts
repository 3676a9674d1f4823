import type { Duplex } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Dispatcher } from 'undici'
import type { Lease, Pin } from '../../adapters/upstreams.ts'
import type { RouteSettings } from '../../config/settings.ts'
import type { Permit } from '../../domain/access.ts'
import type { GatewayError } from '../../domain/errors.ts'
import type { RewrittenPath } from '../../domain/rewriting.ts'
import type { Session } from '../../domain/session.ts'
import type { ApplicationAnswer, SignOutOutcome } from './application-sign-out.ts'
import type { BoundCookies } from './bound-cookies.ts'
import type { Passage } from './passage.ts'
import type { RequestBody } from './request-body.ts'
import type { Watch } from './watch.ts'

/** One request on its way to an application, with all that was decided about it. */
export interface Errand {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly route: RouteSettings
  readonly permit: Permit
  /** The session behind the permit; null where there is none. */
  readonly session: Session | null
  readonly passage: Passage
  readonly path: RewrittenPath
  readonly pin: Pin | null
  readonly body: RequestBody | null
  readonly upgrade: boolean
  /** The application's cookies that belong to one session; null where its settings name none. */
  readonly bound: BoundCookies | null
  /** It asks for the application's own sign-out, and ours goes with it. */
  readonly signsOut: boolean
}

/** Who sends errands. One for all of them: closures for each would outlive their request by far. */
export interface Sender {
  readonly watch: Watch
  /** While true, answers ask the client to come back on another connection. */
  draining(): boolean
  /** Method, path and headers, once the address of the application is known. */
  messageOf(errand: Errand, lease: Lease): Dispatcher.DispatchOptions
  /** What an error of an exchange means. */
  failureOf(error: unknown): GatewayError
  fail(errand: Errand, failure: GatewayError): void
  /** The application has answered its own sign-out: ours goes with it. */
  signOut(errand: Errand, answer: ApplicationAnswer): Promise<SignOutOutcome>
  /** An answer that goes on for as long as it likes has begun. */
  streaming(errand: Errand, end: () => void): void
  /** The application has said yes to an upgrade. */
  upgraded(errand: Errand, rawHeaders: readonly string[], socket: Duplex): void
}
