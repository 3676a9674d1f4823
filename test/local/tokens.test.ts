import { get } from 'node:http'
import t from 'tap'
import { JwtVerifier } from 'aws-jwt-verify'
import { validateCognitoJwtFields } from 'aws-jwt-verify/cognito-verifier'
import * as oidc from 'openid-client'
import type { LocalPool } from '../../src/local/local-pool.ts'
import {
  APP,
  authorizeUrl,
  CALLBACK,
  claimsOf,
  exchange,
  headerOf,
  MACHINE,
  OTHER,
  post,
  startPool,
  tokensFor,
  Visitor,
} from './pool-visitor.ts'

const refresh = async (pool: LocalPool, refresh_token: string) =>
  post(pool, '/oauth2/token', { grant_type: 'refresh_token', refresh_token, ...APP })

t.test('discovery has the keys of Cognito in their order, and no PKCE methods', async (t) => {
  const { pool } = await startPool(t)
  const response = await fetch(`${pool.issuer}/.well-known/openid-configuration`)
  const { url, issuer } = pool
  t.equal(issuer, `${url}/us-east-1_Local00001`)
  const expected = {
    authorization_endpoint: `${url}/oauth2/authorize`,
    end_session_endpoint: `${url}/logout`,
    id_token_signing_alg_values_supported: ['RS256'],
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    response_types_supported: ['code', 'token'],
    revocation_endpoint: `${url}/oauth2/revoke`,
    scopes_supported: ['openid', 'email', 'phone', 'profile'],
    subject_types_supported: ['public'],
    token_endpoint: `${url}/oauth2/token`,
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    userinfo_endpoint: `${url}/oauth2/userInfo`,
  }
  t.equal(await response.text(), JSON.stringify(expected))
  t.equal((await fetch(`${url}/.well-known/openid-configuration`)).status, 404, 'only below the issuer')
})

t.test('there are two RSA keys: one signs ID tokens, the other access tokens', async (t) => {
  const { pool } = await startPool(t)
  const { keys } = (await (await fetch(`${pool.issuer}/.well-known/jwks.json`)).json()) as {
    keys: Record<string, string>[]
  }
  t.equal(keys.length, 2)
  for (const key of keys) {
    t.same(Object.keys(key), ['alg', 'e', 'kid', 'kty', 'n', 'use'])
    t.match(key, { alg: 'RS256', e: 'AQAB', kty: 'RSA', use: 'sig', kid: /^[A-Za-z0-9+/]{43}=$/ })
    t.equal(Buffer.from(key['n'] ?? '', 'base64url').length, 256)
  }
  const { body } = await tokensFor(pool)
  t.same(headerOf(body.id_token), { kid: keys[0]?.['kid'], alg: 'RS256' }, 'no typ')
  t.same(headerOf(body.access_token), { kid: keys[1]?.['kid'], alg: 'RS256' })
})

t.test('the token reply and both tokens have the form that Cognito gives them', async (t) => {
  const { pool, clock } = await startPool(t)
  const { status, headers, body } = await tokensFor(pool, { scope: 'openid email profile orders/read' })
  t.equal(status, 200)
  t.same(Object.keys(body), ['id_token', 'access_token', 'refresh_token', 'expires_in', 'token_type'], 'no scope')
  t.match(body, { expires_in: 3600, token_type: 'Bearer' })
  t.match(headers.get('cache-control'), 'no-store')
  const now = Math.floor(clock.now() / 1000)
  const uuid = /^[0-9a-f-]{36}$/
  const common = {
    sub: uuid,
    iss: pool.issuer,
    auth_time: now,
    iat: now,
    exp: now + 3600,
    jti: uuid,
    origin_jti: uuid,
    event_id: uuid,
    'cognito:groups': ['admins', 'ops'],
  }
  const access = claimsOf(body.access_token)
  t.match(access, {
    ...common,
    token_use: 'access',
    version: 2,
    client_id: APP.client_id,
    username: 'alice',
    scope: 'openid email profile orders/read',
  })
  for (const name of ['aud', 'email', 'custom:tenant', 'identities']) t.notOk(name in access, `no ${name}`)
  const id = claimsOf(body.id_token)
  t.match(id, {
    ...common,
    token_use: 'id',
    aud: APP.client_id,
    'cognito:username': 'alice',
    at_hash: /^[\w-]{22}$/,
    email: 'alice@example.com',
    email_verified: true,
    name: 'Alice Example',
    'custom:tenant': 'acme',
  })
  for (const name of ['client_id', 'username', 'scope', 'version', 'azp']) t.notOk(name in id, `no ${name}`)
  t.equal(id['origin_jti'], access['origin_jti'])
  t.not(id.jti, access.jti)
})

t.test('scopes decide which attributes are released and whether there is an ID token', async (t) => {
  const { pool } = await startPool(t)
  const email = claimsOf((await tokensFor(pool, { scope: 'openid email' })).body.id_token)
  t.match(email, { email: 'alice@example.com', email_verified: true })
  t.notOk('name' in email)
  t.match(claimsOf((await tokensFor(pool, { scope: 'openid' })).body.id_token), { name: 'Alice Example' })
  const without = await tokensFor(pool, { scope: 'orders/read' })
  t.same(Object.keys(without.body), ['access_token', 'refresh_token', 'expires_in', 'token_type'])
  const all = await tokensFor(pool, { scope: undefined })
  t.equal(
    claimsOf(all.body.access_token)['scope'],
    'openid email profile orders/read',
    'all of the client when none is asked',
  )
})

t.test('the refresh token looks like a JWE, is large and does not compress', async (t) => {
  const { pool } = await startPool(t)
  const token: string = (await tokensFor(pool)).body.refresh_token
  t.equal(token.split('.').length, 5)
  t.match(token, /^eyJjdHkiOiJKV1Qi/)
  t.ok(token.length > 1700 && token.length < 1850, `${token.length} characters`)
})

t.test('a code works once, for five minutes, and only for its own client', async (t) => {
  const { pool, clock } = await startPool(t)
  const end = async () => new Visitor(pool.url).signIn(authorizeUrl(pool))
  const once = await end()
  t.equal((await exchange(pool, once)).status, 200)
  t.match(await exchange(pool, once), { status: 400, body: { error: 'invalid_grant' } })
  const late = await end()
  clock.advance(300)
  t.match(await exchange(pool, late), { status: 400, body: { error: 'invalid_grant' } })
  t.match(await exchange(pool, await end(), OTHER), { status: 400, body: { error: 'invalid_grant' } })
})

t.test('the code exchange checks the redirect address and the PKCE verifier', async (t) => {
  const { pool } = await startPool(t)
  const end = await new Visitor(pool.url).signIn(authorizeUrl(pool))
  const mismatch = await exchange(pool, end, { redirect_uri: `${CALLBACK}?kept=1` })
  t.equal(mismatch.status, 400)
  t.same(mismatch.body, { error: 'unauthorized_client' }, 'this error, and no description')
  const asked = { code_challenge: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM', code_challenge_method: 'S256' }
  for (const more of [{}, { code_verifier: 'wrong' }]) {
    const challenged = await new Visitor(pool.url).signIn(authorizeUrl(pool, asked))
    t.same((await exchange(pool, challenged, more)).body, { error: 'invalid_grant' })
  }
  const right = await new Visitor(pool.url).signIn(authorizeUrl(pool, asked))
  t.equal((await exchange(pool, right, { code_verifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' })).status, 200)
})

t.test('clients authenticate by form or by Basic, and everything else is invalid_client', async (t) => {
  const { pool } = await startPool(t)
  const basic = (id: string, secret: string) => ({
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  })
  const form = { grant_type: 'client_credentials' }
  t.equal((await post(pool, '/oauth2/token', { ...form, ...MACHINE })).status, 200)
  t.equal((await post(pool, '/oauth2/token', form, basic(MACHINE.client_id, MACHINE.client_secret))).status, 200)
  for (const secret of [APP.client_secret, encodeURIComponent(APP.client_secret)]) {
    const answer = await post(pool, '/oauth2/token', form, basic(APP.client_id, secret))
    t.same(answer.body, { error: 'unauthorized_client' }, 'known, but not for this grant')
  }
  const wrong: [Record<string, string>, Record<string, string>][] = [
    [{ ...MACHINE, client_secret: 'wrong' }, {}],
    [{ client_id: MACHINE.client_id }, {}],
    [{ ...MACHINE, client_id: 'nobody' }, {}],
    [{}, basic(MACHINE.client_id, 'wrong')],
    [{ client_id: OTHER.client_id }, basic(MACHINE.client_id, MACHINE.client_secret)],
    [{ client_id: 'public000000000000000000001', client_secret: 'some' }, {}],
  ]
  for (const [more, headers] of wrong) {
    const { status, body } = await post(pool, '/oauth2/token', { ...form, ...more }, headers)
    t.equal(status, 400)
    t.same(body, { error: 'invalid_client' })
  }
})

t.test('a public client exchanges its code without a secret', async (t) => {
  const { pool } = await startPool(t)
  const client_id = 'public000000000000000000001'
  const end = await new Visitor(pool.url).signIn(authorizeUrl(pool, { client_id }))
  const code = new URL(end.url).searchParams.get('code') ?? ''
  const form = { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, client_id }
  t.equal((await post(pool, '/oauth2/token', form)).status, 200)
})

t.test('the token endpoint refuses in the words of Cognito', async (t) => {
  const { pool } = await startPool(t)
  const cases: [Record<string, string>, string][] = [
    [{ ...APP }, 'invalid_request'],
    [{ ...APP, grant_type: 'authorization_code', redirect_uri: CALLBACK }, 'invalid_request'],
    [{ ...APP, grant_type: 'refresh_token' }, 'invalid_request'],
    [{ ...APP, grant_type: 'refresh_token', refresh_token: 'x' }, 'invalid_grant'],
    [{ ...APP, grant_type: 'password' }, 'unsupported_grant_type'],
    [{ ...APP, grant_type: 'client_credentials' }, 'unauthorized_client'],
    [{ ...MACHINE, grant_type: 'authorization_code', code: 'x', redirect_uri: CALLBACK }, 'unauthorized_client'],
    [{ ...MACHINE, grant_type: 'client_credentials', scope: 'openid' }, 'invalid_scope'],
    [{ grant_type: 'client_credentials' }, 'invalid_request'],
  ]
  for (const [form, error] of cases) {
    const { status, body } = await post(pool, '/oauth2/token', form)
    t.equal(status, 400)
    t.same(body, { error })
  }
  const twice = new URLSearchParams([
    ...Object.entries(MACHINE),
    ['grant_type', 'client_credentials'],
    ['grant_type', 'x'],
  ])
  t.same(await (await fetch(`${pool.url}/oauth2/token`, { method: 'POST', body: twice })).json(), {
    error: 'invalid_request',
  })
})

t.test('another method or content type gets an empty 405', async (t) => {
  const { pool } = await startPool(t)
  const json = { method: 'POST', body: '{}', headers: { 'content-type': 'application/json' } }
  const asks: [string, RequestInit][] = [
    ['token', { method: 'GET' }],
    ['token', { method: 'PUT', body: new URLSearchParams() }],
    ['token', json],
    ['token', { method: 'POST' }],
    ['revoke', { method: 'GET' }],
    ['revoke', json],
    ['userInfo', { method: 'DELETE' }],
    ['authorize', { method: 'POST', body: new URLSearchParams() }],
  ]
  for (const [name, init] of asks) {
    const response = await fetch(`${pool.url}/oauth2/${name}`, init)
    t.equal(response.status, 405, `${init.method} ${name}`)
    t.equal(await response.text(), '')
  }
})

t.test('a client made without OAuth flows fails late and obscurely, as in Cognito', async (t) => {
  const { pool } = await startPool(t)
  const end = await new Visitor(pool.url).signIn(authorizeUrl(pool))
  pool.setClient(APP.client_id, { oauthEnabled: false })
  t.same((await exchange(pool, end)).body, { error: 'invalid_grant' })
  const page = await new Visitor(pool.url).visit(authorizeUrl(pool))
  t.match(page.text, 'Client is not enabled for OAuth2.0 flows.')
})

t.test('a scope that releases an unreadable attribute makes the exchange fail', async (t) => {
  const { pool } = await startPool(t, {}, { readAttributes: ['email', 'name'] })
  t.same((await tokensFor(pool, { scope: 'openid email' })).body, { error: 'invalid_grant' })
  const { body } = await tokensFor(pool, { scope: 'openid profile' })
  t.match(claimsOf(body.id_token), { name: 'Alice Example' })
  t.notOk('custom:tenant' in claimsOf(body.id_token))
})

t.test('a refresh keeps the sign-in and reads the person afresh, without a new refresh token', async (t) => {
  const { pool, clock } = await startPool(t)
  const { body: first } = await tokensFor(pool, { nonce: 'N' })
  clock.advance(1800)
  pool.setUser('alice', { groups: ['ops'], attributes: { name: 'Alice Married', 'custom:tenant': null } })
  const { body: second } = await refresh(pool, first.refresh_token)
  t.same(Object.keys(second), ['id_token', 'access_token', 'expires_in', 'token_type'])
  const [before, after] = [claimsOf(first.id_token), claimsOf(second.id_token)]
  for (const name of ['auth_time', 'origin_jti', 'sub', 'event_id']) t.equal(after[name], before[name], name)
  t.not(after.jti, before.jti)
  t.equal(after.iat, (before.iat ?? 0) + 1800)
  t.match(after, { 'cognito:groups': ['ops'], name: 'Alice Married', email: 'alice@example.com' })
  t.notOk('custom:tenant' in after)
  t.notOk('nonce' in after)
  t.equal((await refresh(pool, first.refresh_token)).status, 200, 'the same token again')
})

t.test('without groups there is no groups claim', async (t) => {
  const { pool } = await startPool(t)
  const { access_token, id_token = '' } = await pool.issueTokens({ clientId: APP.client_id, username: 'bob' })
  for (const token of [access_token, id_token]) t.notOk('cognito:groups' in claimsOf(token))
})

t.test('a refresh token ends with its time, its person, its client and a global sign-out', async (t) => {
  const { pool, clock } = await startPool(t, {}, { refreshTokenSeconds: 7200 })
  const issue = async () => (await pool.issueTokens({ clientId: APP.client_id, username: 'alice' })).refresh_token ?? ''
  const refused = { status: 400, body: { error: 'invalid_grant' } }
  const old = await issue()
  clock.advance(7199)
  t.equal((await refresh(pool, old)).status, 200)
  clock.advance(1)
  t.match(await refresh(pool, old), refused, 'expired; use has not prolonged it')
  const token = await issue()
  t.match(await post(pool, '/oauth2/token', { grant_type: 'refresh_token', refresh_token: token, ...OTHER }), refused)
  pool.setUser('alice', { enabled: false })
  t.match(await refresh(pool, token), refused)
  pool.setUser('alice', { enabled: true })
  t.equal((await refresh(pool, token)).status, 200)
  pool.globalSignOut('alice')
  t.match(await refresh(pool, token), refused)
})

t.test('with rotation each refresh brings a new token, and the old one works only within the grace', async (t) => {
  const { pool, clock } = await startPool(t, {}, { rotation: { graceSeconds: 30 }, refreshTokenSeconds: 7200 })
  const { body: first } = await tokensFor(pool)
  const { body: second } = await refresh(pool, first.refresh_token)
  t.ok(second.refresh_token)
  t.not(second.refresh_token, first.refresh_token)
  clock.advance(29)
  t.equal((await refresh(pool, first.refresh_token)).status, 200)
  clock.advance(1)
  t.same((await refresh(pool, first.refresh_token)).body, { error: 'invalid_grant' })
  t.equal((await refresh(pool, second.refresh_token)).status, 200)
  const { body: last } = await refresh(pool, second.refresh_token)
  clock.advance(7170)
  t.same(
    (await refresh(pool, last.refresh_token)).body,
    { error: 'invalid_grant' },
    'it had only what was left of the life',
  )
})

t.test('with rotation and no grace the old token is dead at once', async (t) => {
  const { pool } = await startPool(t, {}, { rotation: { graceSeconds: 0 } })
  const { body: first } = await tokensFor(pool)
  t.equal((await refresh(pool, first.refresh_token)).status, 200)
  t.same((await refresh(pool, first.refresh_token)).body, { error: 'invalid_grant' })
})

t.test('machine tokens have the form of Cognito, with all scopes when none is asked', async (t) => {
  const { pool } = await startPool(t)
  const { body } = await post(pool, '/oauth2/token', { grant_type: 'client_credentials', ...MACHINE })
  t.same(Object.keys(body), ['access_token', 'expires_in', 'token_type'])
  const claims = claimsOf(body.access_token)
  t.same(Object.keys(claims), [
    'sub',
    'token_use',
    'scope',
    'auth_time',
    'iss',
    'exp',
    'iat',
    'version',
    'jti',
    'client_id',
  ])
  t.match(claims, {
    sub: 'orders-batch',
    client_id: 'orders-batch',
    token_use: 'access',
    version: 2,
    scope: 'orders/read orders/write',
  })
  const some = await post(pool, '/oauth2/token', { grant_type: 'client_credentials', scope: 'orders/read', ...MACHINE })
  t.equal(claimsOf(some.body.access_token)['scope'], 'orders/read')
})

t.test('userInfo gives every value as text, by the scopes of the token', async (t) => {
  const { pool } = await startPool(t)
  const ask = async (scope: string) => {
    const { body } = await tokensFor(pool, { scope })
    const response = await fetch(`${pool.url}/oauth2/userInfo`, {
      headers: { authorization: `Bearer ${body.access_token}` },
    })
    return { response, claims: (await response.json()) as Record<string, unknown> }
  }
  const { response, claims } = await ask('openid email profile')
  t.match(response.headers.get('content-type'), 'application/json')
  t.match(claims, {
    sub: /^[0-9a-f-]{36}$/,
    username: 'alice',
    email: 'alice@example.com',
    email_verified: 'true',
    name: 'Alice Example',
    'custom:tenant': 'acme',
  })
  t.same(Object.keys((await ask('openid email')).claims).sort(), ['email', 'email_verified', 'sub', 'username'])
  t.equal((await fetch(`${pool.url}/oauth2/userinfo`)).status, 404, 'its path has a capital I')
})

t.test('userInfo refuses with the two challenges of Cognito, which have no scheme', async (t) => {
  const { pool, clock } = await startPool(t)
  const ask = async (authorization?: string) => {
    const response = await fetch(`${pool.url}/oauth2/userInfo`, {
      headers: authorization === undefined ? {} : { authorization },
    })
    return `${response.status} ${response.headers.get('www-authenticate')}`
  }
  const bad = '400 error="invalid_request", error_description="Bad OAuth2 request at UserInfo Endpoint"'
  const dead =
    '401 error="invalid_token", error_description="Access token is expired, disabled, or deleted, or the user has globally signed out."'
  for (const header of [undefined, 'Basic eDp5', 'Bearer x', 'Bearer ']) t.equal(await ask(header), bad)
  const { body } = await tokensFor(pool)
  const live = `Bearer ${body.access_token}`
  t.equal((await ask(live)).slice(0, 3), '200')
  t.equal(await ask(`Bearer ${body.id_token}`), dead, 'an ID token')
  const machine = await pool.issueTokens({ clientId: MACHINE.client_id })
  t.equal(await ask(`Bearer ${machine.access_token}`), dead, 'a machine')
  const unscoped = await pool.issueTokens({ clientId: APP.client_id, username: 'alice', scopes: ['orders/read'] })
  t.equal(await ask(`Bearer ${unscoped.access_token}`), dead, 'no openid')
  pool.setUser('alice', { enabled: false })
  t.equal(await ask(live), dead, 'a disabled person')
  pool.setUser('alice', { enabled: true })
  clock.advance(3600)
  t.equal(await ask(live), dead, 'expired')
  const next = await tokensFor(pool)
  await post(pool, '/oauth2/revoke', { token: next.body.refresh_token, ...APP })
  t.equal(await ask(`Bearer ${next.body.access_token}`), dead, 'its family is revoked')
})

t.test('revoking ends the family of a refresh token, and is silent about unknown ones', async (t) => {
  const { pool } = await startPool(t, {}, { rotation: { graceSeconds: 60 } })
  const { body } = await tokensFor(pool)
  const rotated = (await refresh(pool, body.refresh_token)).body.refresh_token
  t.match(await post(pool, '/oauth2/revoke', { token: body.refresh_token, ...APP }), { status: 200, body: '' })
  t.same((await refresh(pool, rotated)).body, { error: 'invalid_grant' }, 'also the token that came of it')
  t.match(await post(pool, '/oauth2/revoke', { token: body.refresh_token, ...APP }), { status: 200, body: '' }, 'again')
  t.match(await post(pool, '/oauth2/revoke', { token: 'unknown', ...APP }), { status: 200, body: '' })
})

t.test('revoking refuses in the words of Cognito', async (t) => {
  const { pool } = await startPool(t)
  const { body } = await tokensFor(pool)
  const token: string = body.refresh_token
  t.match(await post(pool, '/oauth2/revoke', { ...APP }), { status: 400, body: { error: 'invalid_request' } })
  t.match(await post(pool, '/oauth2/revoke', { ...APP, token: body.access_token }), {
    status: 400,
    body: { error: 'unsupported_token_type' },
  })
  t.match(await post(pool, '/oauth2/revoke', { ...APP, client_secret: 'x', token }), {
    status: 401,
    body: { error: 'invalid_client' },
  })
  t.match(await post(pool, '/oauth2/revoke', { ...OTHER, token }), { status: 400 })
  t.equal((await refresh(pool, token)).status, 200, 'nothing of this has revoked it')
  pool.setClient(APP.client_id, { tokenRevocation: false })
  t.match(await post(pool, '/oauth2/revoke', { ...APP, token }), { status: 400, body: { error: 'invalid_request' } })
})

t.test('a V1 trigger changes ID tokens and groups only, and no claim of the protocol', async (t) => {
  const sources: string[] = []
  const { pool } = await startPool(t, {
    preTokenGeneration: {
      version: 'V1_0',
      handler: (event) => {
        sources.push(`${event.version} ${event.triggerSource} ${event.userName}`)
        event.response = {
          claimsOverrideDetails: {
            claimsToAddOrOverride: { tier: 'gold', sub: 'root', token_use: 'access' },
            claimsToSuppress: ['email', 'aud'],
            groupOverrideDetails: { groupsToOverride: ['from-trigger'] },
          },
        }
        return event
      },
    },
  })
  const { body } = await tokensFor(pool)
  const id = claimsOf(body.id_token)
  t.match(id, { tier: 'gold', token_use: 'id', aud: APP.client_id, 'cognito:groups': ['from-trigger'] })
  t.not(id.sub, 'root')
  t.notOk('email' in id)
  const access = claimsOf(body.access_token)
  t.match(access, { 'cognito:groups': ['from-trigger'] })
  t.notOk('tier' in access)
  await refresh(pool, body.refresh_token)
  await post(pool, '/oauth2/token', { grant_type: 'client_credentials', ...MACHINE })
  t.same(sources, ['1 TokenGeneration_HostedAuth alice', '1 TokenGeneration_RefreshTokens alice'], 'never for machines')
})

t.test('a V2 trigger changes access tokens too, and a V3 trigger machine tokens', async (t) => {
  for (const version of ['V2_0', 'V3_0'] as const) {
    const { pool } = await startPool(t, {
      preTokenGeneration: {
        version,
        handler: async (event) => ({
          response: {
            claimsAndScopeOverrideDetails: {
              idTokenGeneration: { claimsToAddOrOverride: { level: 7 } },
              accessTokenGeneration: {
                claimsToAddOrOverride: { roles: ['a'], aud: event.callerContext.clientId, client_id: 'x' },
                scopesToAdd: ['orders/audit'],
                scopesToSuppress: ['email', 'orders/write'],
              },
            },
          },
        }),
      },
    })
    const { body } = await tokensFor(pool)
    t.match(claimsOf(body.id_token), { level: 7 })
    const access = { roles: ['a'], aud: APP.client_id, client_id: APP.client_id, scope: 'openid profile orders/audit' }
    t.match(claimsOf(body.access_token), access)
    const machine = await post(pool, '/oauth2/token', { grant_type: 'client_credentials', ...MACHINE })
    const expected = version === 'V3_0' ? 'orders/read orders/audit' : 'orders/read orders/write'
    t.equal(claimsOf(machine.body.access_token)['scope'], expected, version)
  }
})

t.test('a trigger that fails fails the token request, with its reason', async (t) => {
  const preTokenGeneration = {
    version: 'V2_0' as const,
    handler: () => {
      throw new Error('no tokens today')
    },
  }
  const { pool } = await startPool(t, { preTokenGeneration })
  const { status, body } = await tokensFor(pool)
  t.equal(status, 400)
  t.match(body, {
    error: 'invalid_request',
    error_description: 'PreTokenGeneration failed with error no tokens today.',
  })
})

t.test('openid-client signs in, refreshes and revokes against the pool', async (t) => {
  const { pool } = await startPool(t)
  const execute = [oidc.allowInsecureRequests]
  const config = await oidc.discovery(
    new URL(pool.issuer),
    APP.client_id,
    {},
    oidc.ClientSecretPost(APP.client_secret),
    { execute },
  )
  t.equal(config.serverMetadata().supportsPKCE(), false)
  const checks = {
    pkceCodeVerifier: oidc.randomPKCECodeVerifier(),
    expectedState: oidc.randomState(),
    expectedNonce: oidc.randomNonce(),
  }
  const url = oidc.buildAuthorizationUrl(config, {
    redirect_uri: CALLBACK,
    scope: 'openid email',
    state: checks.expectedState,
    nonce: checks.expectedNonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
    code_challenge_method: 'S256',
  })
  const end = await new Visitor(pool.url).signIn(url.href)
  const tokens = await oidc.authorizationCodeGrant(config, new URL(end.url), checks)
  t.match(tokens.claims(), { email: 'alice@example.com', email_verified: true })
  const info = await oidc.fetchUserInfo(config, tokens.access_token, tokens.claims()?.sub ?? '')
  t.equal(info['username'], 'alice')
  const refreshed = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '')
  t.equal(refreshed.refresh_token, undefined)
  await oidc.tokenRevocation(config, tokens.refresh_token ?? '')
  const refused = await oidc.refreshTokenGrant(config, tokens.refresh_token ?? '').catch((error: unknown) => error)
  t.match(refused, { error: 'invalid_grant', status: 400 })
  t.equal(
    oidc.buildEndSessionUrl(config, { logout_uri: 'x' }).href,
    `${pool.url}/logout?logout_uri=x&client_id=${APP.client_id}`,
  )
  const basic = await oidc.discovery(
    new URL(pool.issuer),
    APP.client_id,
    {},
    oidc.ClientSecretBasic(APP.client_secret),
    { execute },
  )
  const answer = await oidc.clientCredentialsGrant(basic).catch((error: unknown) => error)
  t.match(answer, { error: 'unauthorized_client' }, 'Basic passes, whatever its encoding')
})

t.test('aws-jwt-verify accepts ID, access and machine tokens, and notices tampering', async (t) => {
  const { pool } = await startPool(t)
  const fetcher = {
    fetch: async (uri: string): Promise<ArrayBuffer> =>
      new Promise((resolve, reject) => {
        get(uri, (response) => {
          const chunks: Buffer[] = []
          response.on('data', (chunk: Buffer) => chunks.push(chunk))
          response.on('end', () => resolve(new Uint8Array(Buffer.concat(chunks)).buffer))
        }).on('error', reject)
      }),
  }
  const { SimpleJwksCache } = await import('aws-jwt-verify/jwk')
  const verifierFor = (tokenUse: 'id' | 'access', clientId: string) =>
    JwtVerifier.create(
      {
        issuer: pool.issuer,
        audience: null,
        customJwtCheck: ({ payload }) => validateCognitoJwtFields(payload, { tokenUse, clientId }),
      },
      { jwksCache: new SimpleJwksCache({ fetcher }) },
    )
  const { id_token = '', access_token } = await pool.issueTokens({ clientId: APP.client_id, username: 'alice' })
  t.equal((await verifierFor('id', APP.client_id).verify(id_token))['cognito:username'], 'alice')
  t.equal((await verifierFor('access', APP.client_id).verify(access_token))['username'], 'alice')
  const machine = await pool.issueTokens({ clientId: MACHINE.client_id })
  t.equal((await verifierFor('access', MACHINE.client_id).verify(machine.access_token)).sub, MACHINE.client_id)
  await t.rejects(verifierFor('access', APP.client_id).verify(id_token), /Token use not allowed/)
  await t.rejects(verifierFor('access', OTHER.client_id).verify(access_token), /Client ID not allowed/)
})
