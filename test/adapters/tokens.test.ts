import { randomBytes } from 'node:crypto'
import t from 'tap'
import { CLIENT_ID, startWorld, type World } from '../helpers/world.ts'

/** An access token of the machine client, straight from the pool. */
async function machineToken(world: World): Promise<string> {
  const answer = await world.client().ask(`${world.pool.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&client_id=orders-batch&client_secret=orders-batch-secret',
  })
  return answer.json().access_token
}
const ask = async (world: World, token: string, path = '/api/orders/1') =>
  world
    .client()
    .ask(`${world.url}${path}`, { headers: { authorization: `Bearer ${token}`, 'sec-fetch-dest': 'document' } })

t.test('a bearer token that is ours decides alone, and its refusal is never a redirect', async (t) => {
  const world = await startWorld(t)
  const token = await machineToken(world)
  t.equal((await ask(world, token)).status, 200)
  const broken = await ask(world, `${token.slice(0, -4)}AAAA`)
  t.equal(broken.status, 401)
  t.equal(broken.json().code, 'GW_TOKEN_INVALID')
  t.equal(broken.header('www-authenticate'), 'Bearer error="invalid_token"')
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  const both = await browser.ask(`${world.url}/page`, {
    headers: { authorization: `Bearer ${token.slice(0, -4)}AAAA` },
  })
  t.equal(both.status, 401, 'a session does not step in for it')
})

t.test('T08 an ID token is no access token, and the code says so to people and programs alike', async (t) => {
  const world = await startWorld(t, { settings: { pools: { local: { bearerClients: [CLIENT_ID, 'orders-batch'] } } } })
  const { id_token: own = '', access_token: access } = await world.pool.issueTokens({
    clientId: CLIENT_ID,
    username: 'alice',
  })
  world.pool.tamper = (_kind, claims) => ({ claims: { ...claims, token_use: 'id', aud: 'orders-batch' } })
  const disguised = await machineToken(world)
  for (const token of [own, disguised]) {
    const answer = await ask(world, token, '/page')
    t.equal(answer.status, 401, 'never a redirect')
    t.equal(answer.json().code, 'GW_TOKEN_USE')
    t.equal(answer.header('www-authenticate'), 'Bearer error="invalid_token"')
  }
  t.equal(world.application.seen.length, 0)
  t.equal((await ask(world, access, '/page')).status, 200)
})

t.test('tokens of clients that are not listed, of other pools, or past their time are refused', async (t) => {
  const world = await startWorld(t)
  const now = (): number => Math.floor(world.clock.now() / 1000)
  const cases: readonly (readonly [string, (claims: Record<string, unknown>) => Record<string, unknown>])[] = [
    ['another client', (claims) => ({ ...claims, client_id: 'another' })],
    ['expired', (claims) => ({ ...claims, exp: now() - 31 })],
    ['without an end', (claims) => Object.fromEntries(Object.entries(claims).filter(([name]) => name !== 'exp'))],
    ['from the future', (claims) => ({ ...claims, iat: now() + 300 })],
  ]
  for (const [what, change] of cases) {
    world.pool.tamper = (_kind, claims) => ({ claims: change(claims) })
    const answer = await ask(world, await machineToken(world))
    t.equal(answer.status, 401, what)
    t.equal(answer.json().code, 'GW_TOKEN_INVALID')
  }
})

t.test('T10 what is no access token of ours proves nothing and belongs to the application', async (t) => {
  const world = await startWorld(t, { settings: { pools: { local: { bearerClients: [CLIENT_ID] } } } })
  const tokens = await world.pool.issueTokens({ clientId: CLIENT_ID, username: 'alice' })
  const [header = '', , signature = ''] = tokens.access_token.split('.')
  const nested = [header, Buffer.from(tokens.access_token).toString('base64url'), signature].join('.')
  const kinds: Readonly<Record<string, string>> = {
    'a refresh token': tokens.refresh_token ?? '',
    'an opaque text': 'opaque',
    'three letters': 'a.b.c',
    'random bytes': randomBytes(40).toString('base64url'),
    'a SAML assertion': Buffer.from('<saml:Assertion ID="a"/>').toString('base64'),
    'a token without claims': 'eyJhbGciOiJub25lIn0.e30.',
    'an encrypted token': `${Buffer.from('{"alg":"RSA-OAEP","enc":"A256GCM"}').toString('base64url')}.a.b.c.d`,
    'a token within a token': nested,
  }
  for (const [what, token] of Object.entries(kinds)) {
    t.ok(token.length > 3, what)
    const answer = await world.client().ask(`${world.url}/page`, { headers: { authorization: `Bearer ${token}` } })
    t.equal(answer.status, 401, what)
    t.equal(answer.json().code, 'GW_SIGN_IN_REQUIRED', what)
  }
  const longer = await ask(world, `${tokens.access_token}.x.y`, '/page')
  t.equal(longer.status, 401, 'with two parts more it still claims to come from us')
  t.equal(longer.json().code, 'GW_TOKEN_INVALID')
  t.equal((await ask(world, tokens.access_token, '/page')).status, 200)
})

t.test(
  'T26 a new signing key is picked up by itself, and a flood of forged key ids hides it from nobody',
  async (t) => {
    const world = await startWorld(t)
    await ask(world, await machineToken(world))
    world.clock.advance(11)
    const before = world.pool.calls['jwks'] ?? 0
    const [, payload = ''] = (await machineToken(world)).split('.')
    for (let at = 0; at < 30; at += 1) {
      const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: `forged-${at}` })).toString('base64url')
      const answer = await ask(world, `${header}.${payload}.${randomBytes(256).toString('base64url')}`)
      t.ok([401, 503].includes(answer.status))
    }
    t.ok((world.pool.calls['jwks'] ?? 0) - before <= 1, 'one fetch in ten seconds')
    await world.pool.rotateKeys({ keep: true })
    world.clock.advance(11)
    t.equal((await ask(world, await machineToken(world))).status, 200)
  },
)

t.test('A10 K18 T25 keys that cannot be fetched are our trouble: 503 with a pause, not 401', async (t) => {
  const world = await startWorld(t)
  await ask(world, await machineToken(world))
  await world.pool.rotateKeys({ keep: false })
  const token = await machineToken(world)
  world.clock.advance(11)
  world.pool.faults.push({ on: 'jwks', times: 10, status: 500, body: {} })
  const answer = await ask(world, token)
  t.equal(answer.status, 503)
  t.equal(answer.json().code, 'GW_POOL_UNAVAILABLE')
  t.ok(answer.header('retry-after'))
  world.pool.faults.length = 0
  world.clock.advance(10)
  t.equal((await ask(world, token)).status, 200)
})
