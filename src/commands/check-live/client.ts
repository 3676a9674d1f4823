import { randomBytes, randomUUID } from 'node:crypto'
import { errorIn, isBusy, type Reply } from './ask.ts'
import { loginDomain, lookUp, PLACES, type Conversation } from './conversation.ts'
import { LATER } from './discovery.ts'
import { about, type Finding } from './finding.ts'

/** Whether the secret is the app client's: a code that nobody gave is refused after the client was believed, or the client before. */
export async function askSecret(conversation: Conversation): Promise<Finding> {
  const question = about('client secret')
  const { clientSecret } = conversation.pool
  const reply = await trade(conversation, clientSecret?.reveal())
  const error = refusalIn(reply)
  if (error === 'invalid_client') return wrongSecret(conversation)
  if (error === 'invalid_grant') {
    // Whether a client is looked at before the code is not documented; so what cannot be right must be refused otherwise.
    const counterpart = refusalIn(await trade(conversation, madeUpSecret()))
    if (counterpart !== 'invalid_client')
      return question.unknown('Cognito does not tell a right secret from a wrong one by a code that nobody gave')
    return question.ok(clientSecret === undefined ? 'the client has none, as in the settings' : 'right')
  }
  if (error === 'unauthorized_client')
    return question.unknown('Cognito refuses the code flow to the client', `allow it: ${PLACES.flows}`)
  return question.unknown(`the token endpoint answers ${answerText(reply)}`, LATER)
}

async function wrongSecret(conversation: Conversation): Promise<Finding> {
  const question = about('client secret')
  const { pool } = conversation
  if (pool.clientSecret === undefined)
    return question.wrong('the client has a secret, and the settings have none', `write clientSecret: ${PLACES.client}`)
  return refusalIn(await trade(conversation, undefined)) === 'invalid_grant'
    ? question.wrong('the client has no secret', 'take clientSecret out, or make a client with one (--generate-secret)')
    : question.wrong(`${pool.clientSecret.origin} does not hold the secret of this client`, PLACES.client)
}

/** Whether sign-out can end refresh tokens at Cognito. */
export async function askRevocation(conversation: Conversation): Promise<Finding> {
  const question = about('token revocation')
  const { ask, pool } = conversation
  const reply = await ask(new URL('/oauth2/revoke', await loginDomain(conversation)).href, {
    ...credentials(conversation, pool.clientSecret?.reveal()),
    token: worthlessRefreshToken(),
  })
  if (reply.kind === 'answer' && reply.status === 200) return question.ok('switched on')
  return refusalIn(reply) === 'invalid_request'
    ? question.wrong(
        'switched off, so refresh tokens outlive a sign-out',
        `switch it on, for tokens from then on: ${PLACES.revocation}`,
      )
    : question.unknown(`Cognito answers ${answerText(reply)}`, lookUp(pool, 'EnableTokenRevocation'))
}

/** It shows only to whoever refreshes a session, and to administrators. */
export function askRotation({ pool }: Conversation): Finding {
  return about('refresh token rotation').unknown(
    'Cognito tells it only to administrators; compare it with refreshTokenRotation',
    lookUp(pool, 'RefreshTokenRotation'),
  )
}

/** Trades a code that nobody gave. */
async function trade(conversation: Conversation, secret: string | undefined): Promise<Reply> {
  return conversation.ask(new URL('/oauth2/token', await loginDomain(conversation)).href, {
    ...credentials(conversation, secret),
    grant_type: 'authorization_code',
    code: randomUUID(),
    redirect_uri: conversation.callbacks[0] ?? '',
    code_verifier: randomBytes(32).toString('base64url'),
  })
}

/** By post, as the gateway authenticates. */
function credentials({ pool }: Conversation, secret: string | undefined): Readonly<Record<string, string>> {
  return { client_id: pool.clientId, ...(secret === undefined ? {} : { client_secret: secret }) }
}

function refusalIn(reply: Reply): string | undefined {
  return reply.kind === 'answer' && !isBusy(reply) ? errorIn(reply) : undefined
}

function answerText(reply: Reply): string {
  if (reply.kind === 'nothing') return `nothing (${reply.reason})`
  const error = errorIn(reply)
  return error === undefined ? String(reply.status) : `${reply.status} ${error}`
}

/** In the shape that Cognito's have. */
const madeUpSecret = (): string => randomBytes(26).toString('hex')

/** In the shape that Cognito's have, so that it is looked for and not found. */
function worthlessRefreshToken(): string {
  const header = Buffer.from('{"cty":"JWT","enc":"A256GCM","alg":"RSA-OAEP"}').toString('base64url')
  const part = (bytes: number): string => randomBytes(bytes).toString('base64url')
  return [header, part(256), part(12), part(991), part(16)].join('.')
}
