import { begin, leadsOn, outcomeText, unregistered, type Attempt, type Outcome } from './authorize.ts'
import { PLACES, type Conversation } from './conversation.ts'
import { LATER } from './discovery.ts'
import { about, type Finding } from './finding.ts'
import { askScopes, isScopeFault } from './scopes.ts'

/** What the first questions have shown, for those that build on it. */
export interface SignIn {
  readonly findings: readonly Finding[]
  /** Whether the login domain answers, and knows the app client. */
  readonly reached: boolean
  /** With what signing in goes on; undefined where it never does. */
  readonly base: Attempt | undefined
}

interface Tried {
  readonly redirectUri: string
  readonly outcome: Outcome
}

/** Whether people can sign in: domain, app client, flow, callback addresses, scopes and the page itself. */
export async function askSignIn(conversation: Conversation): Promise<SignIn> {
  const tried: Tried[] = []
  for (const redirectUri of conversation.callbacks) {
    tried.push({ redirectUri, outcome: await begin(conversation, { redirectUri }) })
    // What is wrong with the domain or the client is wrong for every address.
    if (endsEverything(tried[0]?.outcome)) break
  }
  const first = tried[0]
  if (first === undefined || endsEverything(first.outcome))
    return { findings: endings(conversation, first?.outcome), reached: false, base: undefined }
  const takesAny = leadsOn(await begin(conversation, { redirectUri: unregistered() }))
  const registered = tried.find(({ outcome }) => outcome.kind !== 'error-page' && outcome.kind !== 'unclear')
  const findings = [
    about('login domain').ok(await hostIn(conversation)),
    about('app client').ok(`there is a client ${conversation.pool.clientId}`),
    ...tried.map((one) => callbackFinding(one, takesAny)),
  ]
  const further = registered === undefined ? NO_CALLBACK : await askFurther(conversation, registered)
  return { findings: [...findings, ...further.findings], reached: true, base: further.base }
}

type Further = Pick<SignIn, 'findings' | 'base'>

const NO_CALLBACK: Further = {
  findings: [about('the rest of sign-in').unknown('not asked, because it takes a registered callback address')],
  base: undefined,
}

/** With a callback address that is registered: flow, scopes, page. */
async function askFurther(conversation: Conversation, { redirectUri, outcome }: Tried): Promise<Further> {
  const flow = about('code flow')
  if (outcome.kind === 'sent-back' && !isScopeFault(outcome)) {
    const allow = outcome.error === 'unauthorized_client' ? `allow it: ${PLACES.flows}` : `compare ${PLACES.flows}`
    const rest = about('the rest of sign-in').unknown('not asked, because it takes the code flow')
    return { findings: [flow.wrong(outcomeText(outcome), allow), rest], base: undefined }
  }
  const { findings, allowed } = await askScopes(conversation, { redirectUri, outcome })
  const flowAndScopes = [flow.ok('allowed, and PKCE with S256 taken'), ...findings]
  if (allowed.length === 0) {
    const rest = about('the rest of sign-in').unknown('not asked, because it takes a scope')
    return { findings: [...flowAndScopes, rest], base: undefined }
  }
  const base = { redirectUri, scopes: allowed }
  const leads = leadsOn(outcome) ? outcome : await begin(conversation, base)
  return { findings: [...flowAndScopes, ...(await askPage(conversation, leads))], base }
}

function callbackFinding({ redirectUri, outcome }: Tried, takesAny: boolean): Finding {
  const question = about('callback address')
  if (outcome.kind === 'error-page') {
    const found = isMismatch(outcome.error) ? 'is not registered' : `is refused: ${outcomeText(outcome)}`
    return question.wrong(`${redirectUri} ${found}`, `add it, the same letter by letter: ${PLACES.callbacks}`)
  }
  if (outcome.kind === 'unclear') return question.unknown(`${redirectUri}: ${outcome.found}`, LATER)
  if (takesAny)
    return question.unknown(
      `${redirectUri} is taken, but so is an address that nobody registered`,
      'find out who answers in the place of Cognito',
    )
  return question.ok(redirectUri)
}

/** Managed login shows its page only for clients with a style. */
async function askPage({ ask }: Conversation, outcome: Outcome): Promise<readonly Finding[]> {
  const question = about('sign-in page')
  if (outcome.kind === 'provider') return [question.ok(`none: people go on to ${outcome.host} at once`)]
  if (outcome.kind !== 'page') return [question.unknown(outcomeText(outcome))]
  const reply = await ask(outcome.url.href)
  if (reply.kind === 'nothing') return [question.unknown(`no answer (${reply.reason})`, LATER)]
  if (reply.status === 403)
    return [question.wrong('managed login shows no page: 403', `give the client a style: ${PLACES.style}`)]
  return [reply.status === 200 ? question.ok('there') : question.unknown(`it answers ${reply.status}`, LATER)]
}

function endsEverything(outcome: Outcome | undefined): boolean {
  if (outcome === undefined || outcome.kind === 'nothing' || outcome.kind === 'unclear') return true
  return outcome.kind === 'error-page' && !isMismatch(outcome.error)
}

const isMismatch = (error: string): boolean => error === 'redirect_mismatch'

function endings({ pool }: Conversation, outcome: Outcome | undefined): readonly Finding[] {
  const domain = about('login domain')
  const rest = about('everything else').unknown('not asked, because the login domain does not answer')
  if (outcome === undefined) return [domain.unknown('there is no address that people come back to')]
  if (outcome.kind === 'unclear' && outcome.busy) return [domain.unknown(outcomeText(outcome), LATER), rest]
  if (outcome.kind === 'nothing' || outcome.kind === 'unclear')
    return [
      domain.wrong(outcomeText(outcome), `see that it is there, under the name in the settings: ${PLACES.domain}`),
      rest,
    ]
  const error = outcome.kind === 'error-page' ? outcome.error : ''
  if (/not enabled for OAuth/i.test(error))
    return [about('app client').wrong('its OAuth flows are switched off', `switch them on: ${PLACES.flows}`)]
  const found = /does not exist/i.test(error) ? `there is no client ${pool.clientId}` : outcomeText(outcome)
  return [
    about('app client').wrong(found, `correct clientId: ${PLACES.client}`),
    about('everything else').unknown('not asked, because it takes the app client'),
  ]
}

async function hostIn({ cognito, callbacks }: Conversation): Promise<string> {
  return new URL(await cognito.signOutUrl(callbacks[0] ?? '')).host
}
