import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { AlbJwksCache } from 'aws-jwt-verify/alb-cache'
import { AlbJwtVerifier } from 'aws-jwt-verify'
import { createRemoteJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { newAssertionKey } from '../../src/commands/keygen.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { handshake, openBytes } from '../helpers/web-socket.ts'
import { APPLICATION_PASSWORD, CLIENT_ID, startWorld } from '../helpers/world.ts'

const SIGNER = 'arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/0123456789abcdef'
const password = { file: 'application-password' }
const settings = {
  assertion: { keys: [{ file: 'assertion-key' }], albKeys: [{ file: 'alb-key' }] },
  applications: {
    sample: {
      upstream: '%UPSTREAM%',
      access: 'signedIn',
      routes: {
        public: { path: '/public/*', access: 'public' },
        maybe: { path: '/maybe/*', access: 'optional', identity: { assertion: true } },
        dialects: { path: '/dialects/*', identity: { headers: ['authRequest', 'remote'], assertion: true } },
        custom: {
          path: '/custom/*',
          identity: { headers: ['custom'], custom: { 'X-Tenant': 'claim:custom:tenant', 'X-WEBAUTH-USER': 'user' } },
        },
        alb: { path: '/alb/*', identity: { headers: ['alb'], alb: { signer: SIGNER } } },
        id: { path: '/id/*', identity: { headers: ['none'], authorization: 'idToken' } },
        orders: {
          path: '/api/orders/*',
          access: [{ scopes: ['orders/read'] }],
          identity: { assertion: true, authorization: 'accessToken' },
        },
      },
    },
  },
}

async function startSignedIn(world: Awaited<ReturnType<typeof startWorld>>) {
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  const told = async (path: string, headers: Record<string, string> = {}) => {
    const answer = await browser.ask(world.url + path, { headers })
    if (answer.status !== 200) throw new Error(`${path}: ${answer.status} ${answer.text}`)
    return world.application.last().headers
  }
  return { browser, told }
}

/** As an application behind a load balancer has it, but for the address of the keys. */
function albVerifier({ pool, url }: Awaited<ReturnType<typeof startWorld>>) {
  const fetcher = { fetch: async (uri: string) => (await fetch(uri)).arrayBuffer() }
  return AlbJwtVerifier.create(
    { albArn: SIGNER, issuer: pool.issuer, clientId: CLIENT_ID, jwksUri: `${url}/oauth2/keys` },
    { jwksCache: new AlbJwksCache({ fetcher }) },
  )
}

/** The names of the keys that verify assertions. */
async function published({ client, url }: Awaited<ReturnType<typeof startWorld>>): Promise<readonly string[]> {
  const { keys } = (await client().ask(`${url}/oauth2/jwks.json`)).json()
  return keys.map(({ kid }: { kid: string }) => kid)
}

t.test(
  'several families, an assertion and tokens reach the application, and where nobody is asked none of it does',
  async (t) => {
    const world = await startWorld(t, { settings })
    const { url, application, clock } = world
    const { told } = await startSignedIn(world)

    await t.test('each in its own headers', async (t) => {
      const seen = await told('/dialects/x')
      t.match(seen, {
        'x-auth-request-email': 'alice@example.com',
        'x-auth-request-groups': 'admins,ops',
        'remote-user': 'alice',
        'remote-email': 'alice@example.com',
      })
      t.equal(seen['x-auth-request-user'], decodeJwt(String(seen['x-gateway-jwt-assertion'])).sub)
      t.equal(seen['x-forwarded-user'], undefined)
      t.match(await told('/custom/x'), {
        'x-tenant': 'acme',
        'x-webauth-user': decodeJwt(String(seen['x-gateway-jwt-assertion'])).sub,
      })
    })

    await t.test('the assertion verifies against the published keys', async (t) => {
      const { 'x-gateway-jwt-assertion': assertion } = await told('/maybe/x')
      const keys = createRemoteJWKSet(new URL(`${url}/oauth2/jwks.json`))
      const { payload } = await jwtVerify(String(assertion), keys, { issuer: url, audience: 'sample' })
      t.match(payload, { email: 'alice@example.com', groups: ['admins', 'ops'], pool: 'local', client_id: CLIENT_ID })
      t.equal((await world.client().ask(`${url}/maybe/x`)).status, 200)
      t.equal(application.last().headers['x-gateway-jwt-assertion'], undefined, 'nobody is told of by no assertion')
    })

    await t.test("aws-jwt-verify's own verifier for load balancers takes our X-Amzn-Oidc-Data", async (t) => {
      const seen = await told('/alb/x')
      const data = String(seen['x-amzn-oidc-data'])
      for (const part of data.split('.')) t.equal(part.length % 4, 0, 'padded, as load balancers do')
      const payload = await albVerifier(world).verify(data)
      t.match(payload, {
        username: 'alice',
        email: 'alice@example.com',
        email_verified: 'true',
        'custom:tenant': 'acme',
        iss: world.pool.issuer,
      })
      t.equal(seen['x-amzn-oidc-identity'], payload.sub)
      t.same(
        Object.keys(payload).filter((name) => name.startsWith('cognito:') || name === 'aud' || name === 'nonce'),
        [],
        'as userInfo says it, and not the ID token',
      )
      t.match(decodeJwt(String(seen['x-amzn-oidc-accesstoken'])), { token_use: 'access', username: 'alice' })
      const { kid, exp } = decodeProtectedHeader(data) as { kid?: string; exp?: number }
      t.equal(exp, payload.exp)
      t.same(
        (await published(world)).map((one) => one === kid),
        [false],
      )
    })

    await t.test('tokens are renewed with the session', async (t) => {
      const first = String((await told('/id/x'))['authorization'])
      t.match(decodeJwt(first.replace('Bearer ', '')), { token_use: 'id', email: 'alice@example.com' })
      clock.advance(310)
      const second = String((await told('/id/x'))['authorization'])
      t.not(second, first)
      t.ok((decodeJwt(second.replace('Bearer ', '')).iat ?? 0) > (decodeJwt(first.replace('Bearer ', '')).iat ?? 0))
    })

    await t.test('a machine is told by its client, and its own token goes on', async (t) => {
      const body = 'grant_type=client_credentials&scope=orders/read'
      const basic = `Basic ${Buffer.from('orders-batch:orders-batch-secret').toString('base64')}`
      const granted = await world.client().ask(`${world.pool.url}/oauth2/token`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: basic },
        body,
      })
      const authorization = `Bearer ${granted.json().access_token}`
      t.equal((await world.client().ask(`${url}/api/orders/1`, { headers: { authorization } })).status, 200)
      const { headers } = application.last()
      t.equal(headers['authorization'], authorization)
      t.match(decodeJwt(String(headers['x-gateway-jwt-assertion'])), {
        sub: 'orders-batch',
        client_id: 'orders-batch',
        scope: 'orders/read',
      })
    })

    await t.test('H06 H07 what any route tells is taken from clients on every route, also by an upgrade', async (t) => {
      const forged = [
        'X-Tenant',
        'x_tenant',
        'X.Tenant',
        'X-WEBAUTH-USER',
        'X-Amzn-Oidc-Data',
        'X-Gateway-Jwt-Assertion',
        'Remote_User',
      ]
      const lines = forged.map((name) => `${name}: mallory\r\n`).join('')
      t.equal((await sendRaw(world.port, `GET /public/x HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n`)).status, 200)
      t.notOk(application.last().rawHeaders.includes('mallory'))
      const before = application.seen.length
      const { socket } = openBytes(t, world.port)
      socket.write(handshake('/public/ws', 'localhost').replace(/\r\n\r\n$/, `\r\n${lines}\r\n`))
      await once(socket, 'data')
      t.ok(application.seen.length > before)
      t.notOk(application.last().rawHeaders.includes('mallory'))
    })

    await t.test(
      'H31 where a token of ours stands in Authorization, none of a client does, on any route of that application',
      async (t) => {
        for (const authorization of ['Bearer junk', 'Basic bWFsbG9yeTp4']) {
          t.not((await told('/id/x', { authorization }))['authorization'], authorization)
          t.equal((await told('/public/x', { authorization }))['authorization'], undefined)
          t.equal((await told('/dialects/x', { authorization }))['authorization'], undefined)
        }
      },
    )
  },
)

t.test('signing keys change while the gateway runs: a new one is published first and signs later', async (t) => {
  const world = await startWorld(t, { settings })
  const { told } = await startSignedIn(world)
  const folder = dirname(world.settingsFile)
  writeFileSync(join(folder, 'new-key'), newAssertionKey(), { mode: 0o600 })
  const signing = async () => decodeProtectedHeader(String((await told('/maybe/x'))['x-gateway-jwt-assertion'])).kid
  const listed = async (name: 'keys' | 'albKeys', files: readonly string[]) => {
    const text = JSON.parse(readFileSync(world.settingsFile, 'utf8'))
    text.assertion[name] = files.map((file) => ({ file }))
    writeFileSync(world.settingsFile, JSON.stringify(text))
    await world.gateway.reload()
  }
  const list = async (...files: string[]) => listed('keys', files)
  const [old = ''] = await published(world)
  t.equal(await signing(), old)
  await list('assertion-key', 'new-key')
  const [, fresh = ''] = await published(world)
  t.equal(await signing(), old)
  await list('new-key', 'assertion-key')
  t.equal(await signing(), fresh)
  t.same(await published(world), [fresh, old])
  await list('new-key')
  t.same(await published(world), [fresh])
  t.equal((await world.client().ask(`${world.url}/oauth2/keys/${old}`)).status, 404)

  const verifier = albVerifier(world)
  const data = async (): Promise<string> => String((await told('/alb/x'))['x-amzn-oidc-data'])
  const kidOf = (text: string) => decodeProtectedHeader(text).kid
  const before = await data()
  t.match(await verifier.verify(before), { username: 'alice' })
  writeFileSync(join(folder, 'new-alb-key'), newAssertionKey(), { mode: 0o600 })
  await listed('albKeys', ['new-alb-key', 'alb-key'])
  const after = await data()
  t.not(kidOf(after), kidOf(before), 'what was signed before is signed anew')
  for (const text of [after, before])
    t.match(await verifier.verify(text), { username: 'alice' }, 'an application that knew the old key takes both')
  await listed('albKeys', ['new-alb-key'])
  await t.rejects(albVerifier(world).verify(before), 'with the old key taken away')
  t.match(await albVerifier(world).verify(await data()), { username: 'alice' })
})

t.test('public keys may be cached, are the same for everybody, and open to no other origin', async (t) => {
  const { url, client } = await startWorld(t, { settings })
  const jwks = await client().ask(`${url}/oauth2/jwks.json`, { headers: { origin: 'https://elsewhere.example' } })
  t.equal(jwks.header('cache-control'), 'public, max-age=300')
  t.equal(jwks.header('access-control-allow-origin'), undefined)
  t.equal(jwks.header('set-cookie'), undefined)
  t.same(Object.keys(jwks.json().keys[0]).toSorted(), ['alg', 'crv', 'kid', 'kty', 'use', 'x', 'y'], 'nothing private')
  const pem = await client().ask(`${url}/oauth2/keys/${jwks.json().keys[0].kid}`)
  t.match(pem.text, /^-----BEGIN PUBLIC KEY-----/)
  t.equal((await client().ask(`${url}/oauth2/keys/unknown`)).status, 404)
})

t.test('Basic takes the place of whatever clients send, on all routes of that application', async (t) => {
  const basic = { headers: ['basic'], basic: { password } }
  const world = await startWorld(t, {
    settings: {
      applications: {
        sample: {
          upstream: '%UPSTREAM%',
          access: 'signedIn',
          routes: { public: { path: '/public/*', access: 'public' }, old: { path: '/old/*', identity: basic } },
        },
      },
    },
    pool: {
      users: {
        alice: { password: 'Passw0rd!', attributes: { email: 'alice@example.com', preferred_username: 'jürgen' } },
        bob: { password: 'Passw0rd!', attributes: { email: 'bob@example.com', preferred_username: 'admin:x' } },
      },
    },
  })
  const { browser, told } = await startSignedIn(world)
  const header = String((await told('/old/x', { authorization: 'Basic bWFsbG9yeTp4' }))['authorization'])
  t.equal(Buffer.from(header.slice('Basic '.length), 'base64').toString('utf8'), `jürgen:${APPLICATION_PASSWORD}`)
  t.equal((await told('/public/x', { authorization: 'Basic bWFsbG9yeTp4' }))['authorization'], undefined)
  t.notOk(world.log.join('').includes(APPLICATION_PASSWORD))
  const other = world.client()
  await other.signIn(`${world.url}/public/../old/x`.replace('/public/..', ''), 'bob')
  const refused = await other.ask(`${world.url}/old/x`)
  t.equal(refused.status, 403, 'a user with a colon could be another user with a part of the password')
  t.equal(refused.header('x-gateway-code'), 'GW_FORBIDDEN')
  t.match(world.log.join(''), /"reason":"user_unusable"/)
  t.equal((await browser.ask(`${world.url}/old/x`)).status, 200)
})
