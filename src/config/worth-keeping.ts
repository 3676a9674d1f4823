import { claimsAsked } from '../domain/conditions.ts'
import { claimsTold } from '../domain/identity-headers.ts'
import type { KeptTokens } from '../domain/session.ts'
import type { RouteSettings } from './settings.ts'

/** Claims that a rule asks for or a header tells; all others stay out of the session. */
export function claimsWorthKeeping(routes: readonly RouteSettings[]): readonly string[] {
  const asked = routes.flatMap(({ access }) => (typeof access === 'string' ? [] : access.flatMap(claimsAsked)))
  const told = routes.flatMap(({ identity }) => claimsTold(identity))
  return [...new Set([...asked, ...told])]
}

/** Tokens that a route passes on; all others stay out of the session. */
export function tokensWorthKeeping(routes: readonly RouteSettings[]): KeptTokens {
  return {
    accessToken: routes.some(
      ({ identity }) => identity.authorization === 'accessToken' || identity.albSigner !== undefined,
    ),
    idToken: routes.some(({ identity }) => identity.authorization === 'idToken'),
  }
}
