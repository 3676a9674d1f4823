import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { RouteSettings } from '../../config/settings.ts'
import { answerHeaders, FORGET_PAGES } from '../../domain/answer-headers.ts'
import { clientKind } from '../../domain/client-kind.ts'
import { SWITCH_COOKIE, switchCookie } from '../../domain/own-cookies.ts'
import type { Session } from '../../domain/session.ts'
import { isOwnSignOut } from '../../domain/sign-out-request.ts'
import type { Errand } from './errand.ts'

/** An answer from which on the application counts as having signed out; above it, the person may try again. */
const MAX_STATUS = 499

/** Whether a request asks for the application's own sign-out, so that ours goes with it. */
export function asksForSignOut(
  request: FastifyRequest,
  { route, session }: { readonly route: RouteSettings; readonly session: Session | null },
): boolean {
  if (route.signOutPaths.length === 0 || session === null || request.target === null) return false
  // Where parameters are allowed in paths, servers put the session's id there: /logout;jsessionid=…
  const path = request.target.path.replaceAll(/;[^/]*/g, '')
  const bare = path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path
  return route.signOutPaths.includes(bare) && isOwnSignOut(request.raw.headers, request.method, request.site.origin)
}

export interface ApplicationAnswer {
  readonly status: number
  readonly rawHeaders: readonly string[]
}

/** `led-on`: the browser was sent to Cognito's sign-out. Else the application's answer goes to the client, `kept` where it did not sign out. */
export type SignOutOutcome = 'led-on' | 'signed-out' | 'kept'

/** Ends our session with the application's. A page is led on to Cognito's sign-out; a script gets the answer that it expects. */
export async function signOutWith(
  app: FastifyInstance,
  errand: Errand,
  answer: ApplicationAnswer,
): Promise<SignOutOutcome> {
  const { request, reply, session, passage, bound } = errand
  if (answer.status > MAX_STATUS) return 'kept'
  await app.endSession(request, session)
  request.setCookies.set(SWITCH_COOKIE, switchCookie())
  if (clientKind(request.raw.headers) !== 'page') return 'signed-out'
  bound?.follow(answer.rawHeaders)
  const { headers } = answerHeaders(answer.rawHeaders, passage.rules, {
    identified: true,
    closing: false,
    cookies: null,
    cookiesAreOptional: false,
    ownConnection: false,
  })
  for (let at = 0; at < headers.length; at += 2) {
    if (headers[at]?.toLowerCase() === 'set-cookie') reply.header('set-cookie', headers[at + 1])
  }
  void reply
    .header(...FORGET_PAGES)
    .header('cache-control', 'no-store')
    .redirect(app.signOutPath, 303)
  return 'led-on'
}
