import { begin, leadsOn, type Outcome } from './authorize.ts'
import { PLACES, type Conversation } from './conversation.ts'
import { about, type Finding } from './finding.ts'

/** Whether the app client may have every scope that sign-in asks for; Cognito refuses all for one, so each is asked alone. */
export async function askScopes(
  conversation: Conversation,
  { redirectUri, outcome }: { readonly redirectUri: string; readonly outcome: Outcome },
): Promise<readonly Finding[]> {
  const question = about('scopes')
  const { scopes } = conversation.pool
  if (leadsOn(outcome)) return [question.ok(scopes.join(', '))]
  const isRefused = async (asked: readonly string[]): Promise<boolean> =>
    isScopeFault(await begin(conversation, { redirectUri, scopes: asked }))
  // E-mail and profile want openid beside them, if it may be had.
  const beside = (await isRefused(['openid'])) ? [] : ['openid']
  const refused: string[] = []
  for (const scope of scopes) {
    const isOne = scope === 'openid' ? beside.length === 0 : await isRefused([...beside, scope])
    if (isOne) refused.push(scope)
  }
  return refused.length === 0
    ? [question.wrong('Cognito refuses them, and none of them alone', `compare scopes with ${PLACES.scopes}`)]
    : refused.map((scope) => question.wrong(`${scope} is not allowed, so Cognito refuses every sign-in`, remedy(scope)))
}

export function isScopeFault(outcome: Outcome): boolean {
  return outcome.kind === 'sent-back' && outcome.error === 'invalid_scope'
}

function remedy(scope: string): string {
  const first = scope.includes('/') ? 'see that a resource server of the pool offers it, then allow it' : 'allow it'
  return `${first}, or take it out of scopes: ${PLACES.scopes}`
}
