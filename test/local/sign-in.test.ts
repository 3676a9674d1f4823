import t from 'tap'
import {
  CALLBACK,
  SIGNED_OUT,
  APP,
  OTHER,
  authorizeUrl,
  claimsOf,
  exchange,
  startPool,
  tokensFor,
  Visitor,
} from './pool-visitor.ts'

t.test('authorize leads to the login page with the same parameters, and the password to the callback', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const first = await visitor.ask(authorizeUrl(pool, { nonce: 'N' }))
  t.equal(first.status, 302)
  t.equal(first.headers.get('location'), authorizeUrl(pool, { nonce: 'N' }).replace('/oauth2/authorize', '/login'))

  const page = await visitor.visit(authorizeUrl(pool))
  t.equal(page.status, 200)
  t.match(page.text, /<title>Sign in · Local user pool/)
  t.equal(page.headers.get('x-frame-options'), 'DENY')
  t.notMatch(page.text, /<script/)

  const end = await visitor.submit(page, { username: 'alice', password: 'Passw0rd!' })
  t.match(
    end.url,
    /^http:\/\/localhost:4711\/callback\?code=[0-9a-f-]{36}&state=S$/,
    'the code is a UUID and comes first',
  )
})

t.test('a callback with a query of its own keeps it', async (t) => {
  const { pool } = await startPool(t)
  const end = await new Visitor(pool.url).signIn(authorizeUrl(pool, { redirect_uri: `${CALLBACK}?kept=1` }))
  t.match(end.url, `${CALLBACK}?kept=1&code=`)
})

t.test('a wrong password, an unknown name and a disabled person get the same answer', async (t) => {
  const { pool } = await startPool(t)
  pool.setUser('bob', { enabled: false })
  for (const [username, password] of [
    ['alice', 'wrong'],
    ['nobody', 'Passw0rd!'],
    ['bob', 'Passw0rd!'],
  ] as const) {
    const page = await new Visitor(pool.url).signIn(authorizeUrl(pool), username, password)
    t.equal(page.status, 200)
    t.match(page.text, /role="alert">Incorrect username or password\.</, username)
    t.match(page.text, `value="${username}"`, 'the name need not be typed again')
  }
})

t.test('login_hint fills the username, and everything received is escaped', async (t) => {
  const { pool } = await startPool(t)
  const page = await new Visitor(pool.url).visit(authorizeUrl(pool, { login_hint: '"><script>x' }))
  t.match(page.text, 'value="&quot;&gt;&lt;script&gt;x"')
  t.notMatch(page.text, /<script/)
  const error = await new Visitor(pool.url).visit(`${pool.url}/error?error=%3Cscript%3E&client_id=%22%3E%3Cb%3E`)
  t.notMatch(error.text, /<script|<b>/)
})

t.test('a login form without the right CSRF token is refused', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const page = await visitor.visit(authorizeUrl(pool))
  t.ok(visitor.cookies.get('XSRF-TOKEN'))
  const forged = await visitor.submit(page, { username: 'alice', password: 'Passw0rd!', _csrf: 'other' })
  t.equal(forged.status, 403)
  t.notOk(visitor.cookies.get('cognito'))
  visitor.cookies.clear()
  const without = await visitor.submit(page, { username: 'alice', password: 'Passw0rd!' })
  t.equal(without.status, 403)
})

t.test('what cannot be trusted with a redirect is shown on the error page with status 400', async (t) => {
  const { pool } = await startPool(t, {}, { oauthEnabled: true })
  const cases: [Record<string, string | undefined>, string][] = [
    [{ redirect_uri: `${CALLBACK}/` }, `error=redirect_mismatch&client_id=${APP.client_id}`],
    [{ redirect_uri: CALLBACK.toUpperCase() }, `error=redirect_mismatch&client_id=${APP.client_id}`],
    [{ client_id: 'nobody' }, 'error=Client+does+not+exist'],
    [{ client_id: undefined }, 'error=Required+parameters+missing'],
    [{ redirect_uri: undefined }, 'error=Required+parameters+missing'],
    [
      { identity_provider: 'Nowhere' },
      `error=Login+option+is+not+available.+Please+try+another+one&client_id=${APP.client_id}`,
    ],
  ]
  for (const [changes, query] of cases) {
    const visitor = new Visitor(pool.url)
    const response = await visitor.ask(authorizeUrl(pool, changes))
    t.equal(response.status, 302)
    t.equal(response.headers.get('location'), `${pool.url}/error?${query}`)
    const page = await visitor.visit(authorizeUrl(pool, changes))
    t.equal(page.status, 400)
    t.match(page.text, 'An error was encountered with the requested page.')
  }
  t.equal((await new Visitor(pool.url).visit(`${pool.url}/login`)).status, 400, 'a bare login page has no client')
})

t.test('managed login shows no page for an app client without a style; the classic pages need none', async (t) => {
  const { pool } = await startPool(t, {}, { styled: false })
  const page = await new Visitor(pool.url).visit(authorizeUrl(pool))
  t.match(page, { status: 403, text: 'Login pages unavailable. Please contact an administrator.' })
  const classic = await startPool(t, { classicPages: true }, { styled: false })
  t.equal((await new Visitor(classic.pool.url).visit(authorizeUrl(classic.pool))).status, 200)
})

t.test('other faults of the request go to the callback, with the error last', async (t) => {
  const { pool } = await startPool(t)
  const cases: [Record<string, string | undefined>, string][] = [
    [{ scope: 'openid offline_access' }, 'error_description=invalid_scope&state=S&error=invalid_request'],
    [{ scope: 'openid orders/write' }, 'error_description=invalid_scope&state=S&error=invalid_request'],
    [{ response_type: undefined }, 'state=S&error=invalid_request'],
    [{ response_type: 'id_token' }, 'state=S&error=invalid_request'],
    [{ response_type: 'token' }, 'state=S&error=unauthorized_client'],
    [{ code_challenge: 'x'.repeat(43) }, 'state=S&error=invalid_request'],
    [{ code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' }, 'state=S&error=invalid_request'],
  ]
  for (const [changes, query] of cases) {
    const response = await new Visitor(pool.url).ask(authorizeUrl(pool, changes))
    t.equal(response.headers.get('location'), `${CALLBACK}?${query}`)
  }
})

t.test('a live session gives a code at once, to every client of the pool, for exactly one hour', async (t) => {
  const { pool, clock } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const first = await tokensFor(pool, { visitor })
  const authTime = claimsOf(first.body.access_token)['auth_time']
  clock.advance(3000)
  const again = await visitor.visit(authorizeUrl(pool))
  t.match(again.url, `${CALLBACK}?code=`)
  t.equal(claimsOf((await exchange(pool, again)).body.access_token)['auth_time'], authTime, 'auth_time stays')
  t.match((await visitor.visit(authorizeUrl(pool, { client_id: OTHER.client_id }))).url, `${CALLBACK}?code=`)
  clock.advance(599)
  t.match((await visitor.visit(authorizeUrl(pool))).url, `${CALLBACK}?code=`, 'still there a second before')
  clock.advance(1)
  t.match((await visitor.visit(authorizeUrl(pool))).text, 'Sign in', 'its use did not prolong it')
})

t.test('the session cookie is HttpOnly, Lax and for the whole host', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const page = await visitor.visit(authorizeUrl(pool))
  const csrf = visitor.cookies.get('XSRF-TOKEN') ?? ''
  const response = await visitor.ask(page.url.replace('/oauth2/authorize', '/login'), {
    method: 'POST',
    body: new URLSearchParams({ username: 'alice', password: 'Passw0rd!', _csrf: csrf }),
  })
  const cookie = response.headers.getSetCookie().find((line) => line.startsWith('cognito=')) ?? ''
  for (const attribute of ['Max-Age=3600', 'Path=/', 'HttpOnly', 'SameSite=Lax']) t.match(cookie, attribute)
})

t.test('prompt=none never shows a page, and prompt=login always does', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  t.equal((await visitor.visit(authorizeUrl(pool, { prompt: 'none' }))).url, `${CALLBACK}?state=S&error=login_required`)
  await visitor.signIn(authorizeUrl(pool))
  t.match((await visitor.visit(authorizeUrl(pool, { prompt: 'none' }))).url, `${CALLBACK}?code=`)
  const page = await visitor.visit(authorizeUrl(pool, { prompt: 'login' }))
  t.match(page.text, /<h1>Sign in<\/h1>/)
  t.match((await visitor.submit(page, { username: 'bob', password: 'Passw0rd!' })).url, `${CALLBACK}?code=`)
})

t.test('logout ends the session and leaves for the logout address, without a state', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  await visitor.signIn(authorizeUrl(pool))
  const query = new URLSearchParams({ client_id: APP.client_id, logout_uri: SIGNED_OUT, state: 'S' })
  const response = await visitor.ask(`${pool.url}/logout?${query}`)
  t.equal(response.status, 302)
  t.equal(response.headers.get('location'), SIGNED_OUT)
  t.notOk(visitor.cookies.has('cognito'))
  t.match((await visitor.visit(authorizeUrl(pool))).text, /<h1>Sign in<\/h1>/)
})

t.test('logout with redirect_uri leads to a new sign-in with those parameters', async (t) => {
  const { pool } = await startPool(t)
  const query = authorizeUrl(pool).split('?')[1]
  const visitor = new Visitor(pool.url)
  const response = await visitor.ask(`${pool.url}/logout?${query}`)
  t.equal(response.headers.get('location'), `${pool.url}/login?${query}`)
  t.match((await visitor.signIn(`${pool.url}/logout?${query}`)).url, `${CALLBACK}?code=`)
})

t.test('logout takes only registered addresses, and only GET', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  for (const more of [{}, { logout_uri: `${SIGNED_OUT}/` }, { logout_uri: CALLBACK }, { redirect_uri: SIGNED_OUT }]) {
    const query = new URLSearchParams({ client_id: APP.client_id, ...more })
    const page = await visitor.visit(`${pool.url}/logout?${query}`)
    t.equal(page.status, 400)
    if (more.redirect_uri === undefined)
      t.match(page.url, `/error?error=Required+parameters+missing&client_id=${APP.client_id}`)
  }
  t.equal((await visitor.visit(`${pool.url}/logout?client_id=nobody`)).status, 400)
  t.equal((await visitor.ask(`${pool.url}/logout?client_id=${APP.client_id}`, { method: 'POST' })).status, 405)
})

t.test('sign-up asks for the code that a real pool would send, and goes on to the callback', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const query = authorizeUrl(pool).split('?')[1]
  const page = await visitor.visit(`${pool.url}/signup?${query}`)
  const carol = { username: 'carol', email: 'carol@example.com' }
  t.match((await visitor.submit(page, { ...carol, password: 'short' })).text, 'Password did not conform with policy')
  t.match(
    (await visitor.submit(page, { ...carol, username: 'alice', password: 'Passw0rd!' })).text,
    'User already exists',
  )
  const confirm = await visitor.submit(page, { ...carol, password: 'Passw0rd!' })
  t.match(confirm.text, 'A real pool would send this by e-mail')

  const unconfirmed = await new Visitor(pool.url).signIn(authorizeUrl(pool), 'carol')
  t.match(unconfirmed.text, 'Confirm your account', 'without the code there is no sign-in')

  t.match((await visitor.submit(confirm, { code: 'wrong' })).text, 'Invalid verification code')
  const code = /id="mailed-code">(\d{6})</.exec(confirm.text)?.[1] ?? ''
  const end = await visitor.submit(confirm, { code })
  t.match(end.url, `${CALLBACK}?code=`)
  t.match(claimsOf((await exchange(pool, end)).body.id_token), { email: 'carol@example.com', email_verified: true })
})

t.test('a pool can forbid sign-up', async (t) => {
  const { pool } = await startPool(t, { selfSignUp: false })
  t.notMatch((await new Visitor(pool.url).visit(authorizeUrl(pool))).text, '/signup')
  t.equal((await new Visitor(pool.url).visit(authorizeUrl(pool).replace('oauth2/authorize', 'signup'))).status, 400)
})

t.test('a forgotten password is replaced with the code that a real pool would send', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const page = await visitor.visit(authorizeUrl(pool).replace('/oauth2/authorize', '/forgotPassword'))
  const reset = await visitor.submit(page, { username: 'bob' })
  const code = /id="mailed-code">(\d{6})</.exec(reset.text)?.[1] ?? ''
  t.match((await visitor.submit(reset, { code: 'wrong', password: 'N3w-password' })).text, 'Invalid verification code')
  const login = await visitor.submit(reset, { code, password: 'N3w-password' })
  t.match(login.text, /<h1>Sign in<\/h1>/)
  t.match((await visitor.submit(login, { username: 'bob', password: 'Passw0rd!' })).text, 'Incorrect username')
  t.match((await visitor.submit(login, { username: 'bob', password: 'N3w-password' })).url, `${CALLBACK}?code=`)
  t.match((await visitor.submit(page, { username: 'nobody' })).text, 'No code was sent')
})

t.test('through an external provider a person gets a linked user, its group, and an invented nonce', async (t) => {
  const { pool, clock } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const page = await visitor.visit(authorizeUrl(pool, { identity_provider: 'ExampleCorp' }))
  t.match(page.text, 'ExampleCorp (simulated provider)')
  const end = await visitor.submit(page, { subject: 'carol-17', email: 'carol@corp.example', name: 'Carol' })
  t.match(end.url, /^http:\/\/localhost:4711\/callback\?code=[0-9a-f-]{36}&state=S$/)
  const { body } = await exchange(pool, end)
  const claims = claimsOf(body.id_token)
  t.match(claims, {
    'cognito:username': 'ExampleCorp_carol-17',
    'cognito:groups': [`${pool.userPoolId}_ExampleCorp`],
    email: 'carol@corp.example',
    email_verified: false,
    identities: [
      {
        userId: 'carol-17',
        providerName: 'ExampleCorp',
        providerType: 'OIDC',
        issuer: 'https://idp.corp.example',
        primary: 'true',
        dateCreated: String(clock.now()),
      },
    ],
  })
  t.match(claims['nonce'], /^[0-9a-f-]{36}$/, 'though none was sent')
  t.match(claimsOf(body.access_token)['cognito:groups'], [`${pool.userPoolId}_ExampleCorp`])
  t.notOk(claimsOf(body.access_token)['identities'])

  const cached = await exchange(pool, await visitor.visit(authorizeUrl(pool)))
  t.notOk(claimsOf(cached.body.id_token)['nonce'], 'not when the session answers')
  t.equal(claimsOf(cached.body.id_token)['sub'], claims['sub'])
  t.match(
    (await visitor.visit(authorizeUrl(pool, { client_id: OTHER.client_id }))).text,
    /<h1>Sign in/,
    'no other client',
  )

  const userInfo = await fetch(`${pool.url}/oauth2/userInfo`, {
    headers: { authorization: `Bearer ${body.access_token}` },
  })
  const { identities } = (await userInfo.json()) as { identities: string }
  t.match(JSON.parse(identities), [{ userId: 'carol-17' }], 'identities is text there')
})

t.test('a nonce that was sent comes back, also through an external provider', async (t) => {
  const { pool } = await startPool(t)
  t.equal(claimsOf((await tokensFor(pool, { nonce: 'N1' })).body.id_token)['nonce'], 'N1')
  t.notOk(claimsOf((await tokensFor(pool)).body.id_token)['nonce'])
  const visitor = new Visitor(pool.url)
  const page = await visitor.visit(authorizeUrl(pool, { identity_provider: 'ExampleCorp', nonce: 'N2' }))
  const { body } = await exchange(pool, await visitor.submit(page, { subject: 'carol' }))
  t.equal(claimsOf(body.id_token)['nonce'], 'N2')
})

t.test('the ways to a provider: its button, its identifier, and being the only one', async (t) => {
  const { pool } = await startPool(t)
  const login = await new Visitor(pool.url).visit(authorizeUrl(pool))
  t.match(login.text, 'Continue with ExampleCorp')
  const other = await new Visitor(pool.url).visit(authorizeUrl(pool, { client_id: OTHER.client_id }))
  t.notMatch(other.text, 'Continue with ExampleCorp', 'only where the client allows it')
  for (const changes of [{ idp_identifier: 'corp.example' }, { client_id: 'onlycorp00000000000000001' }]) {
    t.match((await new Visitor(pool.url).visit(authorizeUrl(pool, changes))).text, 'simulated provider')
  }
  t.match(
    (await new Visitor(pool.url).visit(authorizeUrl(pool, { identity_provider: 'COGNITO' }))).text,
    /<h1>Sign in</,
  )
})

t.test('cancelling at the provider brings access_denied to the callback', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  const page = await visitor.visit(authorizeUrl(pool, { identity_provider: 'ExampleCorp' }))
  const cancel = /href="(\/oauth2\/idpresponse[^"]*)"/.exec(page.text)?.[1]?.replaceAll('&amp;', '&')
  t.equal((await visitor.visit(`${pool.url}${cancel}`)).url, `${CALLBACK}?state=S&error=access_denied`)
  t.equal((await visitor.visit(`${pool.url}${cancel}`)).status, 400, 'once')
})

t.test('a session of the pool does not count where another provider is asked for', async (t) => {
  const { pool } = await startPool(t)
  const visitor = new Visitor(pool.url)
  await visitor.signIn(authorizeUrl(pool))
  const asked = { identity_provider: 'ExampleCorp' }
  t.match((await visitor.visit(authorizeUrl(pool, asked))).text, 'simulated provider')
  const none = await visitor.visit(authorizeUrl(pool, { ...asked, prompt: 'none' }))
  t.match(none.url, 'error=login_required')
})
