import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateKeyPair, jwtVerify } from 'jose'
import t from 'tap'
import { startLocalPool } from '../../src/local/local-pool.ts'
import { readPoolFile } from '../../src/local/pool-file.ts'
import {
  APP,
  authorizeUrl,
  CALLBACK,
  claimsOf,
  exchange,
  headerOf,
  MACHINE,
  post,
  startPool,
  tokensFor,
  Visitor,
} from './pool-visitor.ts'
import { until } from '../helpers/until.ts'

const machineForm = { grant_type: 'client_credentials', ...MACHINE }

t.test('a fault answers instead of the endpoint, as often as it says', async (t) => {
  const { pool } = await startPool(t)
  pool.faults.push({
    on: 'token',
    times: 2,
    status: 429,
    headers: { 'retry-after': '1' },
    body: { message: 'Rate exceeded' },
  })
  for (let round = 0; round < 2; round += 1) {
    const { status, headers, body } = await post(pool, '/oauth2/token', machineForm)
    t.equal(status, 429)
    t.equal(headers.get('retry-after'), '1')
    t.same(body, { message: 'Rate exceeded' })
  }
  t.equal((await post(pool, '/oauth2/token', machineForm)).status, 200)
  t.equal(pool.faults.length, 0)
})

t.test('a fault can wait for certain form fields, and can stay for ever', async (t) => {
  const { pool } = await startPool(t)
  pool.faults.push({ on: 'token', when: { grant_type: 'refresh_token' }, times: 'always', status: 503 })
  t.equal((await post(pool, '/oauth2/token', machineForm)).status, 200)
  for (let round = 0; round < 3; round += 1) {
    t.equal(
      (await post(pool, '/oauth2/token', { ...APP, grant_type: 'refresh_token', refresh_token: 'x' })).status,
      503,
    )
  }
})

t.test('every endpoint can be made to fail', async (t) => {
  const { pool } = await startPool(t)
  const paths = {
    discovery: `/${pool.userPoolId}/.well-known/openid-configuration`,
    jwks: `/${pool.userPoolId}/.well-known/jwks.json`,
    authorize: '/oauth2/authorize',
    userInfo: '/oauth2/userInfo',
    logout: '/logout',
  } as const
  for (const on of Object.keys(paths) as (keyof typeof paths)[]) {
    const before = pool.calls[on] ?? 0
    pool.faults.push({ on, status: 500, rawBody: '<html>oops' })
    const response = await fetch(`${pool.url}${paths[on]}`)
    t.equal(response.status, 500, on)
    t.equal(await response.text(), '<html>oops')
    t.equal(pool.calls[on], before + 1)
  }
  pool.faults.push({ on: 'revoke', status: 500 })
  t.equal((await post(pool, '/oauth2/revoke', { ...APP, token: 'x' })).status, 500)
})

t.test('a fault can reset the connection, be slow, or change the right answer', async (t) => {
  const { pool } = await startPool(t)
  const jwks = `${pool.issuer}/.well-known/jwks.json`
  pool.faults.push({ on: 'jwks', reset: true })
  await t.rejects(fetch(jwks))
  pool.faults.push({ on: 'jwks', delayMs: 60 })
  const start = performance.now()
  t.equal((await fetch(jwks)).status, 200)
  t.ok(performance.now() - start >= 55)
  pool.faults.push({ on: 'token', patch: { expires_in: 'soon', token_type: null } })
  t.same(Object.keys((await post(pool, '/oauth2/token', machineForm)).body), ['access_token', 'expires_in'])
})

t.test('a pool closes promptly, with a hanging request, a slow one and an idle connection', async (t) => {
  const { pool } = await startPool(t)
  const port = Number(new URL(pool.url).port)
  const idle = connect(port, '127.0.0.1')
  idle.on('error', () => undefined)
  pool.faults.push({ on: 'jwks', hang: true }, { on: 'discovery', delayMs: 600_000 })
  const hanging = fetch(`${pool.issuer}/.well-known/jwks.json`)
  const slow = fetch(`${pool.issuer}/.well-known/openid-configuration`)
  const ends = Promise.allSettled([hanging, slow])
  await until(() => pool.faults.length === 0)
  const start = performance.now()
  await pool.close()
  t.ok(performance.now() - start < 1000)
  t.equal((await ends)[0]?.status, 'rejected')
  await t.rejects(fetch(pool.url))
})

t.test('a callback can come without its state, or with other parameters', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  pool.dropState()
  t.match((await visitor.signIn(authorizeUrl(pool))).url, /\/callback\?code=[0-9a-f-]{36}$/)
  pool.faults.push({ on: 'callback', patch: { code: null, error: 'server_error' } })
  t.equal((await visitor.visit(authorizeUrl(pool))).url, `${CALLBACK}?state=S&error=server_error`)
  t.match((await visitor.visit(authorizeUrl(pool))).url, '&state=S')
})

t.test('new keys sign from now on, and the old ones stay published or not', async (t) => {
  const { pool } = await startPool(t)
  const kids = async () => {
    const { keys } = (await (await fetch(`${pool.issuer}/.well-known/jwks.json`)).json()) as { keys: { kid: string }[] }
    return keys.map(({ kid }) => kid)
  }
  const first = await kids()
  await pool.rotateKeys({ keep: true })
  const both = await kids()
  t.equal(both.length, 4)
  for (const kid of first) t.ok(both.includes(kid))
  const { access_token } = await pool.issueTokens({ clientId: MACHINE.client_id })
  t.equal(headerOf(access_token)['kid'], both[1])
  await pool.rotateKeys({ keep: false })
  const last = await kids()
  t.equal(last.length, 2)
  t.notOk(last.some((kid) => both.includes(kid)))
})

t.test('tokens can be tampered with before they are signed', async (t) => {
  const { pool } = await startPool(t)
  pool.tamper = (kind, claims) => (kind === 'id' ? { claims: { ...claims, aud: 'other', nonce: 'wrong' } } : undefined)
  const { body } = await tokensFor(pool, { nonce: 'N' })
  t.match(claimsOf(body.id_token), { aud: 'other', nonce: 'wrong' })
  t.equal(claimsOf(body.access_token)['client_id'], APP.client_id)

  const issue = async () => (await pool.issueTokens({ clientId: APP.client_id, username: 'alice' })).access_token
  pool.tamper = (_kind, _claims, header) => ({ header: { ...header, alg: 'none' } })
  t.match(await issue(), /^[\w-]+\.[\w-]+\.$/)
  pool.tamper = (_kind, _claims, header) => ({ header: { ...header, alg: 'HS256', typ: 'JWT' } })
  t.match(headerOf(await issue()), { alg: 'HS256', typ: 'JWT', kid: /=$/ })
  const foreign = await generateKeyPair('RS256')
  pool.tamper = () => ({ signWith: foreign.privateKey })
  const forged = await issue()
  t.ok(await jwtVerify(forged, foreign.publicKey, { currentDate: new Date(pool.now()) }))
  pool.tamper = undefined
  t.equal(headerOf(await issue())['alg'], 'RS256')
})

t.test('large claims make tokens as large as a test needs', async (t) => {
  const { pool } = await startPool(t)
  const issue = async () => pool.issueTokens({ clientId: APP.client_id, username: 'bob' })
  const before = await issue()
  pool.largeClaims = { groups: 100, attributes: 2, attributeBytes: 2000 }
  const { access_token, id_token = '' } = await issue()
  t.equal((claimsOf(access_token)['cognito:groups'] as string[]).length, 100)
  t.equal(String(claimsOf(id_token)['custom:large_1']).length, 2000)
  t.ok(access_token.length > before.access_token.length + 2500)
  pool.largeClaims = {}
  t.equal((await issue()).access_token.length, before.access_token.length)
})

t.test('the pool tells what was asked of the token endpoint, without secrets', async (t) => {
  const { pool } = await startPool(t)
  const { body } = await tokensFor(pool)
  await post(pool, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: body.refresh_token, ...APP })
  t.equal(pool.calls['token'], 2)
  t.match(pool.tokenRequests, [
    {
      clientAuthentication: 'post',
      form: { grant_type: 'authorization_code', redirect_uri: CALLBACK, code: '(hidden)' },
    },
    { form: { grant_type: 'refresh_token', refresh_token: '(hidden)', client_secret: '(hidden)' } },
  ])
})

t.test('all of this works over HTTP below /_pool/, in JSON only', async (t) => {
  const { pool, clock } = await startPool(t)
  const send = async (method: string, path: string, content?: unknown) =>
    fetch(`${pool.url}/_pool/${path}`, {
      method,
      ...(content === undefined
        ? {}
        : { body: JSON.stringify(content), headers: { 'content-type': 'application/json' } }),
    })
  const read = async (path: string) => (await send('GET', path)).json() as Promise<Record<string, unknown>>

  t.equal((await send('POST', 'faults', { on: 'jwks', status: 500 })).status, 204)
  t.equal((await send('POST', 'faults', [{ on: 'token', status: 500 }])).status, 204)
  t.equal(pool.faults.length, 2)
  t.match(await read(''), {
    userPoolId: pool.userPoolId,
    users: ['alice', 'bob'],
    calls: { token: 0 },
    faults: [{}, {}],
  })
  t.equal((await send('DELETE', 'faults')).status, 204)
  t.equal(pool.faults.length, 0)

  t.match(await (await send('POST', 'clock', { advanceMs: 5000 })).json(), { now: clock.now() + 5000 })
  t.equal((await send('PATCH', 'users/bob', { groups: ['new'], attributes: { email: null } })).status, 204)
  t.equal((await send('PATCH', `clients/${APP.client_id}`, { rotation: { graceSeconds: 0 } })).status, 204)
  t.equal((await send('PUT', 'large-claims', { groups: 1 })).status, 204)
  t.equal((await send('POST', 'rotate-keys', { keep: false })).status, 204)
  const order = { clientId: APP.client_id, username: 'bob' }
  const tokens = (await (await send('POST', 'tokens', order)).json()) as { id_token: string; refresh_token: string }
  t.match(claimsOf(tokens.id_token), { 'cognito:groups': ['new', 'load-test-group-00000'] })
  const refresh = { grant_type: 'refresh_token', refresh_token: tokens.refresh_token, ...APP }
  t.ok((await post(pool, '/oauth2/token', refresh)).body.refresh_token)
  t.equal((await read('calls'))['token'], 1)
  t.match(await (await send('GET', 'token-requests')).json(), [{ form: { grant_type: 'refresh_token' } }])
  t.equal((await send('POST', 'global-sign-out', { username: 'bob' })).status, 204)
  t.equal((await send('POST', 'drop-state', { times: 2 })).status, 204)
  t.match(await read('faults'), [{ on: 'callback', times: 2 }])

  const unknown = await send('POST', 'faults', { on: 'nowhere' })
  t.equal(unknown.status, 400)
  t.match(await unknown.json(), { message: /on/ })
  const text = await fetch(`${pool.url}/_pool/faults`, { method: 'POST', body: '{"on":"jwks"}' })
  t.equal(text.status, 400, 'a page of another origin can send this, so it must do nothing')
  t.equal(pool.faults.length, 1)
})

t.test('the newer form of the issuer has a base of its own, and another pool answers 403 there', async (t) => {
  const { pool: original } = await startPool(t)
  const path = `/issuer-cognito-idp/${original.userPoolId}/.well-known/jwks.json`
  t.equal((await fetch(`${original.url}${path}`)).status, 403)
  const { pool } = await startPool(t, { issuerType: 'UPDATED' })
  t.equal(pool.issuer, `${pool.url}/issuer-cognito-idp/${pool.userPoolId}`)
  t.match(await (await fetch(`${pool.issuer}/.well-known/openid-configuration`)).json(), { issuer: pool.issuer })
  t.equal((await fetch(`${pool.url}${path}`)).status, 200)
  const aws = 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Local00001'
  const { pool: posing } = await startPool(t, { issuer: aws })
  t.equal(claimsOf((await posing.issueTokens({ clientId: MACHINE.client_id })).access_token).iss, aws)
})

t.test('a pool listens beyond loopback only when the words are said', async (t) => {
  await t.rejects(startLocalPool({ host: '0.0.0.0' }), /0\.0\.0\.0 is not loopback.*expose-test-credentials/s)
  await t.rejects(startLocalPool({ host: '0.0.0.0', allowNonLoopback: 'yes' }), /expose-test-credentials/)
  const pool = await startLocalPool({
    host: '0.0.0.0',
    allowNonLoopback: 'expose-test-credentials',
    publicUrl: 'http://pool.test:9229/',
  })
  t.equal(pool.issuer, 'http://pool.test:9229/us-east-1_Local00001')
  await pool.close()
})

t.test('a port in use and wrong settings are told', async (t) => {
  const { pool } = await startPool(t)
  const port = Number(new URL(pool.url).port)
  const taken = await startLocalPool({ port }).catch((error: unknown) => error)
  t.match(taken, { code: 'EADDRINUSE' })
  const client = { id: 'c', flows: ['code' as const], scopes: ['orders/red'] }
  await t.rejects(
    startLocalPool({ clients: [client] }),
    /clients\.0\.scopes\.0: No resource server offers the scope orders\/red/,
  )
})

t.test('a pool file is read with its secrets', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'local-pool-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  writeFileSync(join(folder, 'secret'), 'from-the-file\n')
  const file = join(folder, 'pool.yaml')
  const client = `{ id: ${APP.client_id}, secret: { file: secret }, flows: [code], scopes: [openid], callbackUrls: ['${CALLBACK}'] }`
  writeFileSync(
    file,
    `users:\n  alice: { password: x, attributes: { email_verified: true } }\nclients:\n  - ${client}\n`,
  )
  const settings = readPoolFile(file)
  t.match(settings, {
    clients: [{ secret: 'from-the-file' }],
    users: { alice: { attributes: { email_verified: 'true' } } },
  })
  const pool = await startLocalPool(settings)
  t.teardown(async () => pool.close())
  const end = await new Visitor(pool.url).signIn(authorizeUrl(pool, { scope: 'openid' }), 'alice', 'x')
  t.equal((await exchange(pool, end, { client_secret: 'from-the-file' })).status, 200)
})

t.test('the pool of the demo has its people, the client of the gateway and a machine', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'local-pool-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['config', '.demo']) mkdirSync(join(folder, name))
  cpSync('config/local-pool.yaml', join(folder, 'config/local-pool.yaml'))
  t.throws(() => readPoolFile(join(folder, 'config/local-pool.yaml')), /client-secret cannot be read/)
  writeFileSync(join(folder, '.demo/client-secret'), 'secret-of-the-demo')
  const settings = readPoolFile(join(folder, 'config/local-pool.yaml'))
  t.match(settings, { userPoolId: 'us-east-1_Local00001', host: '127.0.0.1', port: 9229 })
  const pool = await startLocalPool({ ...settings, port: 0 })
  t.teardown(async () => pool.close())
  const clientId = 'localgatewayclient00000001'
  const { id_token = '' } = await pool.issueTokens({ clientId, username: 'alice' })
  t.match(claimsOf(id_token), { 'cognito:groups': ['admins', 'ops'], email_verified: true, 'custom:tenant': 'acme' })
  const asked = {
    client_id: clientId,
    redirect_uri: 'http://localhost:8080/oauth2/callback',
    scope: 'openid orders/write',
  }
  t.match((await new Visitor(pool.url).signIn(authorizeUrl(pool, asked), 'bob')).url, '/oauth2/callback?code=')
  t.match((await new Visitor(pool.url).visit(authorizeUrl(pool, asked))).text, 'Continue with ExampleCorp')
  const { body } = await post(pool, '/oauth2/token', machineForm)
  t.equal(claimsOf(body.access_token)['scope'], 'orders/read')
})

t.test('everything wrong in a pool file is told at once, with line and column', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'local-pool-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'pool.yaml')
  const faultsOf = (text: string): string[] => {
    writeFileSync(file, text)
    try {
      readPoolFile(file)
      return []
    } catch (error) {
      return (error as Error).message.replaceAll(`${file}:`, '').split('\n')
    }
  }
  const text = `port: high
userPolId: x
clients:
  - id: one
    secret: { file: missing }
    flows: [code]
    scopes: [openid]
    callbackUrls: [http://example.com/]
`
  t.match(faultsOf(text), [
    /^5:5 clients\.0\.secret: The file .*missing cannot be read \(ENOENT\)/,
    /^1:1 port: Invalid input/,
    /^8:20 clients\.0\.callbackUrls\.0: Write https:/,
    /^2:1 userPolId: There is no such setting/,
  ])
  t.match(faultsOf('clients: [\n'), [/^2:1 /], 'broken YAML')
  t.same(faultsOf(''), [], 'an empty file is an empty pool')
  t.throws(() => readPoolFile(join(folder, 'none.yaml')), /none\.yaml: the file cannot be read \(ENOENT\)/)
})
