import { begin, isUnstyled, leadsOn, outcomeText, unregistered, type Attempt, type Outcome } from './authorize.ts'
import { loginDomain, PLACES, type Conversation } from './conversation.ts'
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

const KEPT_OUT = 'ask again later; see whether AWS WAF keeps this machine out'

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
  if (leadsOn(await begin(conversation, { redirectUri: unregistered() })))
    return { findings: IMPOSTOR, reached: false, base: undefined }
  const registered = tried.find(({ outcome }) => leadsOn(outcome) || outcome.kind === 'sent-back')
  const findings = [
    about('login domain').ok((await loginDomain(conversation)).host),
    about('app client').ok(`there is a client ${conversation.pool.clientId}`),
    ...tried.map(callbackFinding),
  ]
  const further = registered === undefined ? NO_CALLBACK : await askFurther(conversation, registered)
  return { findings: [...findings, ...further.findings], reached: true, base: further.base }
}

const IMPOSTOR: readonly Finding[] = [
  about('login domain').unknown(
    'it takes a callback address that nobody can have registered, as Cognito never does',
    'find out who answers in its place',
  ),
  about('everything else').unknown('not asked, because whoever answers says yes to anything'),
]

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

function callbackFinding({ redirectUri, outcome }: Tried): Finding {
  const question = about('callback address')
  switch (outcome.kind) {
    case 'page':
    case 'provider':
    case 'sent-back':
      return question.ok(redirectUri)
    case 'error-page': {
      const found = isMismatch(outcome.error) ? 'is not registered' : `is refused: ${outcomeText(outcome)}`
      return question.wrong(`${redirectUri} ${found}`, `add it, the same letter by letter: ${PLACES.callbacks}`)
    }
    case 'unclear':
    case 'nothing':
      return question.unknown(`${redirectUri}: ${outcomeText(outcome)}`, LATER)
  }
}

/** Managed login shows its page only for clients with a style. */
async function askPage({ ask }: Conversation, outcome: Outcome): Promise<readonly Finding[]> {
  const question = about('sign-in page')
  if (outcome.kind === 'provider') return [question.ok(`none: people go on to ${outcome.host} at once`)]
  if (outcome.kind !== 'page') return [question.unknown(outcomeText(outcome))]
  const reply = await ask(outcome.url.href)
  if (reply.kind === 'nothing') return [question.unknown(`no answer (${reply.reason})`, LATER)]
  if (isUnstyled(reply))
    return [
      question.wrong(
        'managed login shows none to a client without a style',
        `give the client a style: ${PLACES.style}`,
      ),
    ]
  return [reply.status === 200 ? question.ok('there') : question.unknown(`it answers ${reply.status}`, KEPT_OUT)]
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
  if (outcome.kind === 'unclear' && outcome.busy) return [domain.unknown(outcomeText(outcome), KEPT_OUT), rest]
  if (outcome.kind === 'nothing' || outcome.kind === 'unclear')
    return [
      domain.wrong(outcomeText(outcome), `see that it is there, under the name in the settings: ${PLACES.domain}`),
      rest,
    ]
  const error = outcome.kind === 'error-page' ? outcome.error : ''
  if (/not enabled for OAuth/i.test(error))
    // Cognito has been seen to say so of a callback address too that differs in letter case only.
    return [
      about('app client').wrong(
        'its OAuth flows are switched off',
        `switch them on: ${PLACES.flows}; if they are on, compare ${PLACES.callbacks}`,
      ),
    ]
  const found = /does not exist/i.test(error) ? `there is no client ${pool.clientId}` : outcomeText(outcome)
  return [
    about('app client').wrong(found, `correct clientId: ${PLACES.client}`),
    about('everything else').unknown('not asked, because it takes the app client'),
  ]
}
