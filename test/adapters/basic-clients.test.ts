import t from 'tap'
import { createBasicClients } from '../../src/adapters/basic-clients.ts'
import { createBearers } from '../../src/adapters/bearers.ts'
import { createCognitoClient } from '../../src/adapters/cognito-client.ts'
import { createPoolGate } from '../../src/adapters/pool-gate.ts'
import { createTokenVerifier } from '../../src/adapters/token-verifier.ts'
import { startLocalPool } from '../../src/local/local-pool.ts'
import { createClock } from '../helpers/clock.ts'
import { ownRevocations } from '../helpers/revocations.ts'
import { until } from '../helpers/until.ts'

const SECRET = 'secret:with/colon+and=more'

/** Clients that show their secrets, before the real pool. */
async function startClients(t: { teardown(fn: () => unknown): unknown }) {
  const clock = createClock()
  const { now } = clock
  const clients = ['batch', 'other', 'unlisted'].map((id) => ({
    id,
    secret: SECRET,
    scopes: ['orders/read'],
    flows: ['client_credentials' as const],
    accessTokenSeconds: 600,
  }))
  const resourceServers = [{ identifier: 'orders', scopes: ['read'] }]
  const pool = await startLocalPool({ now, users: {}, identityProviders: [], resourceServers, clients })
  t.teardown(async () => pool.close())
  const cognito = createCognitoClient({
    issuer: pool.issuer,
    domain: undefined,
    clientId: 'web',
    clientSecret: () => undefined,
    scopes: ['openid'],
    onRequest: () => undefined,
    gate: createPoolGate({ requestsPerSecond: 1_000, now, onCircuit: () => undefined }),
    now,
  })
  const bearerClients = ['batch', 'other']
  const verifier = createTokenVerifier({
    issuers: [pool.issuer],
    clientId: 'web',
    bearerClients,
    now,
    fetchJwks: async (uri) => (await fetch(uri)).arrayBuffer(),
  })
  const revocations = ownRevocations(now)
  const own = { name: 'p', userPoolId: 'x', acceptedIssuers: [pool.issuer], bearerClients, verifier }
  const bearers = createBearers({ pools: [own], revocations, keepClaims: [], now })
  const listed = new Map(bearerClients.map((id) => [id, cognito]))
  const basic = createBasicClients({ clients: listed, bearers, ticks: now })
  /** Whose a header is, or why it is refused. */
  const verdict = async (secret = SECRET, id = 'batch'): Promise<string> => {
    const client = basic.clientIn(`Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`)
    if (client === null) return 'not ours'
    return Promise.resolve(basic.identityOf(client)).then(
      (identity) => (identity.kind === 'machine' ? identity.clientId : identity.kind),
      (error: { code: string; reason?: string }) => error.reason ?? error.code,
    )
  }
  return { clock, pool, basic, revocations, verdict, asked: () => pool.calls['token'] ?? 0 }
}

t.test('a Basic header is read as its client wrote it, and only those of listed clients are ours', async (t) => {
  const { basic } = await startClients(t)
  const encoded = (text: string): string => Buffer.from(text).toString('base64')
  t.equal(basic.clientIn(`basic ${encoded('batch:a:b')}`)?.secret.reveal(), 'a:b')
  t.equal(basic.clientIn(`Basic  ${encoded('batch:ö')}`)?.secret.reveal(), 'ö')
  const strangers = [
    `Basic ${encoded('unlisted:x')}`,
    `Basic ${encoded('Batch:x')}`,
    `Basic ${encoded('batch')}`,
    `Basic ${encoded('__proto__:x')}`,
    `Basic${encoded('batch:x')}`,
    `Bearer ${encoded('batch:x')}`,
    `Basic ${encoded('batch:x')}, Basic ${encoded('batch:y')}`,
    'Basic',
  ]
  for (const header of strangers) t.equal(basic.clientIn(header), null, header)
})

t.test(
  'id and secret are changed for a token once, whoever asks at the same time, and again when it ends',
  async (t) => {
    const { clock, asked, verdict, pool } = await startClients(t)
    t.same(new Set(await Promise.all(Array.from({ length: 20 }, async () => verdict()))), new Set(['batch']))
    t.equal(asked(), 1)
    t.equal(await verdict(SECRET, 'other'), 'other', 'the same secret of another client is another pair')
    t.equal(asked(), 2)
    clock.advance(560)
    pool.faults.push({ on: 'token', reset: true, times: 'always' })
    t.equal(await verdict(), 'batch', 'an outage of the pool does not matter while the token lasts')
    clock.advance(20)
    t.equal(await verdict(), 'pool_error', 'and is no refusal afterwards')
    pool.faults.length = 0
    clock.advance(4)
    t.equal(await verdict(), 'batch')
  },
)

t.test('a wrong secret costs one question in ten seconds', async (t) => {
  const { clock, asked, verdict } = await startClients(t)
  for (let nth = 0; nth < 5; nth += 1) t.equal(await verdict('wrong'), 'client_refused')
  t.equal(asked(), 1)
  t.equal(await verdict(), 'batch', 'the right one is another pair')
  t.equal(await verdict('x'.repeat(513)), 'client_refused')
  t.equal(asked(), 2, 'what is longer than any secret is none')
  clock.advance(10)
  t.equal(await verdict('wrong'), 'client_refused')
  t.equal(asked(), 3)
})

t.test('secrets of one client are tried one after the other, and a known one does not wait behind them', async (t) => {
  const { clock, pool, asked, verdict } = await startClients(t)
  t.equal(await verdict(), 'batch')
  clock.advance(600)
  pool.faults.push({ on: 'token', hang: true })
  const before = asked()
  const guesses = Array.from({ length: 25 }, async (_, nth) => verdict(`guess-${nth}`))
  await until(() => asked() > before)
  t.same(
    await Promise.all(guesses.slice(20)),
    Array.from({ length: 5 }, () => 'client_secrets'),
    'too many wait',
  )
  t.equal(await verdict(), 'batch')
  t.equal(await verdict(SECRET, 'other'), 'other', 'nor does another client')
  t.equal(asked() - before, 3, 'one guess, and those two')
})

t.test(
  'C07 a revoked client is asked for its secret anew, and the user pool says whether it still counts',
  async (t) => {
    const { clock, asked, revocations, verdict } = await startClients(t)
    t.equal(await verdict(), 'batch')
    clock.advance(5)
    revocations.learn({ kind: 'person', pool: 'p', subject: 'batch', before: clock.now() })
    clock.advance(2)
    t.equal(await verdict(), 'batch')
    t.equal(asked(), 2, 'the token from before is dropped')
    revocations.learn({ kind: 'person', pool: 'p', subject: 'batch', before: clock.now() + 60_000 })
    t.equal(await verdict(), 'token_revoked', 'no token is new enough')
  },
)
