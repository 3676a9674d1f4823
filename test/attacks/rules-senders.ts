import { unverifiedClaims } from '../../src/adapters/token-verifier.ts'
import type { Asker, Explainer } from '../../src/explainer.ts'
import { CLIENT_ID, type World } from '../helpers/world.ts'
import { base64url } from './token-forger.ts'

const HOUR = 3_600

/** Somebody who sends requests, and what explain is told about them. */
export interface Sender {
  readonly name: string
  readonly headers: Readonly<Record<string, string>>
  readonly asker: Asker
}

interface PersonShape {
  readonly groups: readonly string[]
  readonly attributes: Readonly<Record<string, string>>
  readonly provider?: string
}

const PEOPLE: Readonly<Record<string, PersonShape>> = {
  alice: {
    groups: ['admins', 'ops'],
    attributes: { email: 'alice@example.com', email_verified: 'true', 'custom:tenant': 'acme' },
  },
  bob: { groups: [], attributes: { email: 'bob@example.com', email_verified: 'true' } },
  carol: { groups: ['ops'], attributes: { email: 'carol@partner.example', email_verified: 'false' }, provider: 'Okta' },
  dave: {
    groups: ['admins'],
    attributes: { email: 'dave@PARTNER.example', email_verified: 'true', 'custom:tenant': 'umbrella' },
    provider: 'Google',
  },
}

/** Nobody, people with sessions that are two hours, half an hour and no time old, and bearers of all kinds. */
export async function sendersOf(world: World, explainer: Explainer): Promise<readonly Sender[]> {
  const { pool, clock, url } = world
  const { host } = new URL(url)
  for (const [name, { groups, attributes }] of Object.entries(PEOPLE))
    pool.setUser(name, { password: 'Passw0rd!', groups: [...groups], attributes })
  const expired = (await pool.issueTokens({ clientId: CLIENT_ID, username: 'alice' })).access_token
  const browsers = new Map<string, ReturnType<World['client']>>()
  const claims = new Map<string, { access: Record<string, unknown>; id: Record<string, unknown> }>()
  const visit = async (name: string): Promise<void> => {
    const known = { access: {}, id: {} }
    const { provider } = PEOPLE[name] ?? {}
    pool.tamper = (kind, plain) => {
      const told =
        kind === 'id' && provider !== undefined ? { ...plain, identities: [{ providerName: provider }] } : plain
      known[kind] = told
      claims.set(name, known)
      return { claims: told }
    }
    const browser = browsers.get(name) ?? world.client()
    if (browsers.has(name)) await browser.ask(`${url}/any`)
    else await browser.signIn(`${url}/any`, name)
    browsers.set(name, browser)
    pool.tamper = undefined
  }
  await visit('carol')
  clock.advance(1.5 * HOUR)
  await visit('dave')
  clock.advance(0.5 * HOUR)
  for (const name of ['alice', 'bob', 'carol', 'dave']) await visit(name)

  const sessions = Object.keys(PEOPLE).map((name): Sender => {
    const cookie = `__Host-gateway=${browsers.get(name)?.jarOf(host).get('__Host-gateway')}`
    return { name, headers: { cookie }, asker: explainer.byClaims(claims.get(name) ?? { access: {} }) }
  })
  const bearer = (name: string, token: unknown): Sender => ({
    name: `bearer ${name}`,
    headers: { authorization: `Bearer ${String(token)}` },
    asker: explainer.byToken(String(token)),
  })
  const now = Math.floor(clock.now() / 1000)
  const alice = { clientId: CLIENT_ID, username: 'alice' }
  const own = await pool.issueTokens(alice)
  const old = await pool.issueTokens({ ...alice, authTime: now - 2 * HOUR, scopes: ['openid', 'orders/write'] })
  const dave = await pool.issueTokens({ clientId: CLIENT_ID, username: 'dave', scopes: ['orders/read'] })
  const batch = await pool.issueTokens({ clientId: 'orders-batch' })
  pool.tamper = (_kind, plain) => ({ claims: { ...plain, client_id: 'stranger' } })
  const stranger = await pool.issueTokens({ clientId: 'orders-batch' })
  pool.tamper = undefined
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`
  const client: Sender = {
    name: 'client with Basic',
    headers: { authorization: basic('orders-batch:orders-batch-secret') },
    asker: explainer.byClaims({ as: 'basic', access: { ...unverifiedClaims(batch.access_token) } }),
  }
  const known = bearer('batch', batch.access_token)
  const strangers = [
    { name: 'stranger with Basic', headers: { authorization: basic('me:secret') }, asker: explainer.byClaims(FOREIGN) },
    bearer('of elsewhere', [{ alg: 'RS256' }, { iss: 'https://elsewhere.example' }].map(encoded).join('.') + '.c2ln'),
  ]
  return [
    { name: 'nobody', headers: {}, asker: explainer.nobody },
    ...sessions,
    bearer('alice', own.access_token),
    bearer('alice of old', old.access_token),
    bearer('dave', dave.access_token),
    known,
    bearer('stranger', stranger.access_token),
    bearer('ID token', own.id_token),
    bearer('expired', expired),
    client,
    ...strangers,
    ...sessions.slice(0, 2).flatMap((session) => [known, client, ...strangers].map((other) => both(session, other))),
  ]
}

/** An app client that is not listed. */
const FOREIGN = { as: 'basic', access: { client_id: 'me' } } as const

const encoded = (part: object): string => base64url(JSON.stringify(part))

/** A cookie and an Authorization header in one request. */
function both(session: Sender, other: Sender): Sender {
  return {
    name: `${session.name} and ${other.name}`,
    headers: { ...session.headers, ...other.headers },
    asker: { ...session.asker, authorization: other.asker.authorization },
  }
}
