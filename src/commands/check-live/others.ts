import { begin, outcomeText, signInUrl, unregistered, type Attempt } from './authorize.ts'
import { PLACES, type Conversation } from './conversation.ts'
import { about, type Finding } from './finding.ts'

const OWN_DIRECTORY = 'COGNITO'

/** Whether each identity provider of the settings can be signed in at. The provider itself is not asked. */
export async function askProviders(conversation: Conversation, base: Attempt): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const name of conversation.pool.identityProviders) findings.push(await askProvider(conversation, name, base))
  return findings
}

async function askProvider(conversation: Conversation, name: string, base: Attempt): Promise<Finding> {
  const question = about('identity provider')
  const remedy = `let the client have it, under this very name: ${PLACES.providers}`
  const outcome = await begin(conversation, { ...base, identityProvider: name })
  if (outcome.kind === 'provider') return question.ok(`${name} is at ${outcome.host}`)
  if (outcome.kind === 'error-page') return question.wrong(`${name}: ${outcomeText(outcome)}`, remedy)
  if (outcome.kind !== 'page') return question.unknown(`${name}: ${outcomeText(outcome)}`, remedy)
  // At which address Cognito says so is not documented; its words are.
  const page = await conversation.ask(outcome.url.href)
  if (page.kind === 'answer' && (page.status >= 400 || page.body.includes('Login option is not available')))
    return question.wrong(`${name} is no provider of the client`, remedy)
  if (name === OWN_DIRECTORY) return question.ok("COGNITO, the pool's own people")
  return outcome.url.pathname === '/login'
    ? question.unknown(`${name}: Cognito shows its own sign-in page`, remedy)
    : question.ok(`${name} is at ${outcome.url.host}`)
}

/** Whether the app clients of machines are there. What they may do could only be asked with their secrets. */
export async function askBearerClients(conversation: Conversation): Promise<readonly Finding[]> {
  const { pool } = conversation
  const findings: Finding[] = []
  for (const clientId of pool.bearerClients) {
    if (clientId === pool.clientId) continue
    const question = about('bearer client')
    const outcome = await begin(conversation, { redirectUri: unregistered(), clientId })
    if (outcome.kind !== 'error-page') findings.push(question.unknown(`${clientId}: ${outcomeText(outcome)}`))
    else if (/does not exist/i.test(outcome.error))
      findings.push(question.wrong(`there is no client ${clientId}`, `correct bearerClients: ${PLACES.client}`))
    else if (outcome.error === 'invalid_request')
      findings.push(question.unknown(`${clientId}: ${outcomeText(outcome)}`, PLACES.client))
    else findings.push(question.ok(`there is a client ${clientId}; its grants take its own secret to ask`))
  }
  return findings
}

/** Whether anybody can get an account. Then `signedIn` lets in anybody. */
export async function askSignUp(conversation: Conversation, base: Attempt): Promise<Finding> {
  const question = about('sign-up')
  const { ask, pool, routes } = conversation
  const reply = await ask((await signInUrl(conversation, base, 'sign-up')).href)
  const lookUpSignUp = `aws cognito-idp describe-user-pool --user-pool-id ${pool.userPoolId} --query UserPool.AdminCreateUserConfig`
  if (reply.kind === 'nothing') return question.unknown(`no answer (${reply.reason})`, lookUpSignUp)
  const refused = reply.status === 400 || reply.location?.pathname === '/error'
  if (refused) return question.ok('only administrators make accounts')
  // Pages that scripts make hold no form to be seen here.
  if (reply.status !== 200 || !/<input[^>]*type="?password/i.test(reply.body))
    return question.unknown(`its page answers ${reply.status} and shows no form`, lookUpSignUp)
  const open = routes.filter(({ access }) => access === 'signedIn').map(({ name }) => name)
  const [first, ...others] = open
  if (first === undefined) return question.ok('anybody can make an account; no rule asks for no more than that')
  const named = others.length === 0 ? first : `${first} and ${others.length} more`
  return question.unwise(
    `anybody can make an account, and access: signedIn of ${named} lets them in`,
    `ask for groups there, or close it: ${PLACES.signUp}`,
  )
}
