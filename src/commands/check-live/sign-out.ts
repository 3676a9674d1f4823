import { isBusy, type Answer } from './ask.ts'
import { PLACES, type Conversation } from './conversation.ts'
import { LATER } from './discovery.ts'
import { about, type Finding } from './finding.ts'

/** Whether Cognito leads people back to each sign-out address. */
export async function askSignOut(conversation: Conversation): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const address of conversation.signOuts) findings.push(await leavesFor(conversation, address))
  return findings
}

async function leavesFor({ ask, cognito }: Conversation, address: string): Promise<Finding> {
  const question = about('sign-out address')
  const url = await cognito.signOutUrl(address)
  const reply = await ask(url)
  if (reply.kind === 'nothing') return question.unknown(`${address}: no answer (${reply.reason})`, LATER)
  if (reply.location?.href === new URL(address).href) return question.ok(address)
  if (isErrorPage(reply, new URL(url)))
    return question.wrong(`${address} is not registered`, `add it, the same letter by letter: ${PLACES.signOuts}`)
  const found = reply.location === null ? `answers ${reply.status}` : `leads to ${reply.location.host}`
  return question.unknown(`${address}: Cognito ${found}`, isBusy(reply) ? LATER : `compare ${PLACES.signOuts}`)
}

function isErrorPage({ location, status }: Answer, asked: URL): boolean {
  return location === null ? status === 400 : location.origin === asked.origin && location.pathname === '/error'
}
