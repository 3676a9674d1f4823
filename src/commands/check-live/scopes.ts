import { begin, leadsOn, type Outcome } from './authorize.ts'
import { PLACES, type Conversation } from './conversation.ts'
import { about, type Finding } from './finding.ts'

export interface ScopesAnswer {
  readonly findings: readonly Finding[]
  /** Those of the settings with which signing in goes on; perhaps none. */
  readonly allowed: readonly string[]
}

/** Whether the app client may have every scope that sign-in asks for; Cognito refuses all for one, so each is asked alone. */
export async function askScopes(
  conversation: Conversation,
  { redirectUri, outcome }: { readonly redirectUri: string; readonly outcome: Outcome },
): Promise<ScopesAnswer> {
  const question = about('scopes')
  const { scopes } = conversation.pool
  if (leadsOn(outcome)) return { findings: [question.ok(scopes.join(', '))], allowed: scopes }
  const isRefused = async (asked: readonly string[]): Promise<boolean> =>
    isScopeFault(await begin(conversation, { redirectUri, scopes: asked }))
  // E-mail and profile want openid beside them, if it may be had.
  const beside = (await isRefused(['openid'])) ? [] : ['openid']
  const refused: string[] = []
  for (const scope of scopes) {
    const isOne = scope === 'openid' ? beside.length === 0 : await isRefused([...beside, scope])
    if (isOne) refused.push(scope)
  }
  if (refused.length === 0) {
    const found = 'Cognito refuses them, and none of them alone'
    return { findings: [question.wrong(found, `compare scopes with ${PLACES.scopes}`)], allowed: [] }
  }
  return {
    findings: refused.map((scope) =>
      question.wrong(`${scope} is not allowed, so Cognito refuses every sign-in`, remedy(scope)),
    ),
    allowed: scopes.filter((scope) => !refused.includes(scope)),
  }
}

export function isScopeFault(outcome: Outcome): boolean {
  return outcome.kind === 'sent-back' && outcome.error === 'invalid_scope'
}

function remedy(scope: string): string {
  const first = scope.includes('/') ? 'see that a resource server of the pool offers it, then allow it' : 'allow it'
  return `${first}, or take it out of scopes: ${PLACES.scopes}`
}
