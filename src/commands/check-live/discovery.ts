import { z } from 'zod'
import { soundKeysIn } from '../../adapters/jwks.ts'
import type { PoolSettings } from '../../config/settings.ts'
import { isBusy, type Answer, type Reply } from './ask.ts'
import { PLACES, shown, type Conversation } from './conversation.ts'
import { about, type Finding } from './finding.ts'

const Document = z.object({ issuer: z.string(), authorization_endpoint: z.string() })
const CLOCK = { fine: 5_000, tolerated: 30_000 }

type ToIssuer = Pick<Conversation, 'pool' | 'ask' | 'now'>

/** Discovery: whose pool this is, whether it has a login domain, and how far the clocks are apart. */
export async function askDiscovery(conversation: ToIssuer): Promise<readonly Finding[]> {
  const { pool, now } = conversation
  const before = now()
  const { base, reply } = await firstThatKnows(conversation, (issuer) => `${issuer}/.well-known/openid-configuration`)
  const question = about('discovery')
  if (reply.kind === 'nothing') return [question.wrong(`${hostOf(base)} gives no answer (${reply.reason})`, REACH)]
  return [issuerFinding(pool, base, reply), ...clockFindings(reply, (before + now()) / 2)]
}

/** The keys that tokens are checked with, from where the gateway fetches them. */
export async function askKeys(conversation: ToIssuer): Promise<readonly Finding[]> {
  const question = about('keys')
  const { base, reply } = await firstThatKnows(conversation, (issuer) => `${issuer}/.well-known/jwks.json`)
  if (reply.kind === 'nothing') return [question.wrong(`${hostOf(base)} gives no answer (${reply.reason})`, REACH)]
  if (isBusy(reply)) return [question.unknown(`${hostOf(base)} answers ${reply.status}`, LATER)]
  if (reply.status !== 200) return [question.wrong(`${hostOf(base)} answers ${reply.status}`, WRONG_POOL)]
  const count = usableKeys(reply.body)
  return count === 0
    ? [question.wrong('there is no RSA key of 2,048 bits with an id among them', WRONG_POOL)]
    : [question.ok(`${count} RSA ${count === 1 ? 'key' : 'keys'} that can be used`)]
}

export const LATER = 'ask again later'
const REACH = 'see that this machine may reach it: name server, firewall, route to the internet'
const WRONG_POOL = "correct userPoolId, which stands on the pool's overview page"

/** By the first of the pool's issuers that answers as one that knows the pool, else the last answer. */
async function firstThatKnows(
  { pool, ask }: ToIssuer,
  address: (issuer: string) => string,
): Promise<{ readonly base: string; readonly reply: Reply }> {
  const bases = [pool.issuer, ...pool.acceptedIssuers.filter((issuer) => issuer !== pool.issuer)]
  let first: { readonly base: string; readonly reply: Reply } | undefined
  for (const base of bases) {
    const reply = await ask(address(base))
    if (reply.kind === 'answer' && reply.status === 200) return { base, reply }
    first ??= { base, reply }
  }
  return first ?? { base: pool.issuer, reply: { kind: 'nothing', reason: 'there is no issuer' } }
}

function issuerFinding(pool: PoolSettings, base: string, reply: Answer): Finding {
  const question = about('discovery')
  if (isBusy(reply)) return question.unknown(`${hostOf(base)} answers ${reply.status}`, LATER)
  if (reply.status !== 200)
    return question.wrong(`${hostOf(base)} knows no pool ${pool.userPoolId}: it answers ${reply.status}`, WRONG_POOL)
  const document = Document.safeParse(jsonIn(reply.body)).data
  if (document === undefined) return question.wrong(`${hostOf(base)} answers with no discovery document`, WRONG_POOL)
  const issuer = shown(document.issuer)
  if (!pool.acceptedIssuers.includes(document.issuer))
    return question.wrong(
      `the pool calls itself ${issuer}, so its tokens would be refused`,
      'correct userPoolId or issuer',
    )
  if (pool.domain === undefined && isNoDomain(document.authorization_endpoint))
    return question.wrong('the pool has no login domain', `give it one: ${PLACES.domain}`)
  // Without a domain in the settings sign-in begins with this document, at the issuer of the settings only.
  if (pool.domain === undefined && document.issuer !== pool.issuer)
    return question.wrong(`the pool has the newer issuer ${issuer}`, `write issuer: ${issuer}, or the pool's domain`)
  return question.ok(`the issuer is ${issuer}`)
}

/** A pool without a domain lists addresses at its issuer's host, where nobody can sign in. */
function isNoDomain(address: string): boolean {
  return URL.canParse(address) && /^(?:issuer-)?cognito-idp\./.test(new URL(address).hostname)
}

function clockFindings({ date }: Answer, at: number): readonly Finding[] {
  const question = about('clock')
  if (date === null) return [question.unknown('the answer carries no date')]
  const apart = at - date
  const seconds = (Math.abs(apart) / 1000).toFixed(0)
  if (Math.abs(apart) <= CLOCK.fine) return [question.ok("within a few seconds of the pool's")]
  const found = `this machine is ${seconds} seconds ${apart > 0 ? 'ahead of' : 'behind'} the pool`
  const remedy = 'set the clock of this machine by NTP'
  return [Math.abs(apart) <= CLOCK.tolerated ? question.unwise(found, remedy) : question.wrong(found, remedy)]
}

function usableKeys(body: string): number {
  try {
    const sound = soundKeysIn(new Uint8Array(Buffer.from(body)).buffer)
    return z.object({ keys: z.array(z.unknown()) }).parse(jsonIn(Buffer.from(sound).toString())).keys.length
  } catch {
    return 0
  }
}

function jsonIn(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch {
    return undefined
  }
}

const hostOf = (address: string): string => new URL(address).host
