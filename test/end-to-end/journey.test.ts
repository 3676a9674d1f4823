import t from 'tap'
import { startWorld } from '../helpers/world.ts'

/** The code that a real pool would have sent by mail. */
const codeIn = (page: string): string => />\s*(\d{6})\s*</.exec(page)?.[1] ?? ''

t.test('a person is sent to Cognito, signs in, and gets the very page that was asked for', async (t) => {
  const { url, pool, application, client } = await startWorld(t)
  const browser = client()

  const page = await browser.visit(`${url}/reports/2026?quarter=3&x=%20y`)
  t.match(page.url, `${pool.url}/login`, 'the user pool asks for the password')

  const wrong = await browser.submit(page, { username: 'alice', password: 'wrong' })
  t.match(wrong.text, 'Incorrect username or password.')
  t.equal(application.seen.length, 0, 'the application saw nothing yet')

  const landed = await browser.submit(wrong, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.status, 200)
  t.equal(landed.url, `${url}/reports/2026?quarter=3&x=%20y`)
  const { headers } = application.last()
  t.equal(headers['x-forwarded-email'], 'alice@example.com')
  t.equal(headers['x-forwarded-groups'], 'admins,ops')
  t.equal(headers['x-forwarded-preferred-username'], 'alice')
  t.match(headers['x-forwarded-user'], /^[\da-f-]{36}$/)
  t.equal(headers['x-forwarded-proto'], 'http')
  t.equal(headers['x-forwarded-host'], new URL(url).host)
  t.equal(headers.cookie, undefined, 'our cookies go no further')
})

t.test('bob may not open the admin page, is told so, and can go on as alice', async (t) => {
  const { url, pool, application, client } = await startWorld(t)
  const browser = client()
  const refused = await browser.signIn(`${url}/admin/users`, 'bob')
  t.equal(refused.status, 403)
  t.equal(refused.header('x-gateway-code'), 'GW_FORBIDDEN')
  t.match(refused.text, 'bob@example.com')
  t.equal(application.seen.length, 0)

  const page = await browser.submit(refused, {})
  t.match(page.url, `${pool.url}/login`, "Cognito's own session has ended too")
  const landed = await browser.submit(page, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, `${url}/admin/users`)
  t.equal(application.last().headers['x-forwarded-email'], 'alice@example.com')
})

t.test('after signing out the password is asked for again', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  const confirm = await browser.visit(`${url}/oauth2/sign_out`)
  t.match(confirm.text, 'alice@example.com')
  const out = await browser.submit(confirm, {})
  t.equal(out.url, `${url}/oauth2/signed_out`)
  t.equal(out.status, 200)
  t.equal(browser.jarOf(new URL(url).host).size, 0, 'no cookie of ours is left')

  const again = await browser.visit(`${url}/`)
  t.match(again.url, `${pool.url}/login`)
})

t.test('tabs that sign in at once each get their own page', async (t) => {
  const { url, client } = await startWorld(t)
  const browser = client()
  const first = await browser.visit(`${url}/first`)
  const second = await browser.visit(`${url}/second`)
  t.equal((await browser.submit(second, { username: 'alice', password: 'Passw0rd!' })).url, `${url}/second`)
  t.equal((await browser.submit(first, { username: 'alice', password: 'Passw0rd!' })).url, `${url}/first`)
})

t.test('a program without a session is told where to sign in and is never redirected', async (t) => {
  const { url, client } = await startWorld(t)
  const answer = await client().ask(`${url}/api/things`, { headers: { referer: `${url}/page?x=1`, accept: '*/*' } })
  t.equal(answer.status, 401)
  t.equal(answer.header('www-authenticate'), 'Bearer')
  t.match(answer.json(), {
    code: 'GW_SIGN_IN_REQUIRED',
    signIn: `${url}/oauth2/start?rd=%2Fpage%3Fx%3D1`,
    requestId: String,
  })
  t.equal(answer.header('set-cookie'), undefined)
  t.equal(answer.header('cache-control'), 'no-store')
})

t.test('a session that was idle too long is over for fetch and page alike', async (t) => {
  const { url, clock, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  clock.advance(28_801)
  const answer = await browser.ask(`${url}/api/things`)
  t.equal(answer.status, 401)
  t.equal(answer.json().code, 'GW_SIGN_IN_REQUIRED')
})

t.test('the scripts of a page can ask who is signed in and never get a token', async (t) => {
  const { url, client } = await startWorld(t)
  const browser = client()
  t.equal((await browser.ask(`${url}/oauth2/userinfo`)).status, 401)
  await browser.signIn(`${url}/`)
  const answer = await browser.ask(`${url}/oauth2/userinfo`)
  t.match(answer.json(), {
    email: 'alice@example.com',
    groups: ['admins', 'ops'],
    preferredUsername: 'alice',
    pool: 'local',
  })
  t.notMatch(answer.text, /eyJ/)
})

t.test('a machine reaches what its scope allows and nothing else', async (t) => {
  const { url, pool, application, client } = await startWorld(t)
  const machine = client()
  const grant = await machine.ask(`${pool.url}/oauth2/token`, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      authorization: `Basic ${Buffer.from('orders-batch:orders-batch-secret').toString('base64')}`,
    },
    body: 'grant_type=client_credentials',
  })
  const headers = { authorization: `Bearer ${grant.json().access_token}` }
  t.equal((await machine.ask(`${url}/api/orders/7`, { headers })).status, 200)
  t.equal(application.last().headers['x-forwarded-user'], 'orders-batch')
  t.equal(application.last().headers.authorization, undefined, 'the token goes no further')
  t.equal((await machine.ask(`${url}/api/orders/7`, { method: 'PUT', headers, body: 'x' })).status, 403)
  t.equal((await machine.ask(`${url}/`, { headers })).status, 403)
})

t.test('a public route asks nobody', async (t) => {
  const { url, application, client } = await startWorld(t)
  const browser = client()
  t.equal((await browser.ask(`${url}/public/logo.svg`)).status, 200)
  await browser.signIn(`${url}/`)
  await browser.ask(`${url}/public/logo.svg`)
  t.equal(application.last().headers['x-forwarded-user'], undefined, 'nobody is told to it either')
})

t.test('an optional route knows who is signed in and lets in who is not', async (t) => {
  const { url, application, client } = await startWorld(t)
  const browser = client()
  const stranger = await browser.ask(`${url}/maybe/x`)
  t.equal(stranger.status, 200)
  t.equal(stranger.header('vary'), 'Cookie')
  t.equal(application.last().headers['x-forwarded-user'], undefined)
  await browser.signIn(`${url}/`)
  await browser.ask(`${url}/maybe/x`)
  t.equal(application.last().headers['x-forwarded-email'], 'alice@example.com')
})

t.test('whoever signs up lands on the page asked for, signed in', async (t) => {
  const { url, pool, application, client } = await startWorld(t)
  const browser = client()
  const form = await browser.visit(`${url}/oauth2/sign_up?rd=/welcome`)
  t.match(form.url, `${pool.url}/signup?`)
  const mailed = await browser.submit(form, { username: 'carol', email: 'carol@example.com', password: 'Passw0rd!' })
  const landed = await browser.submit(mailed, { code: codeIn(mailed.text) })
  t.equal(landed.url, `${url}/welcome`)
  t.equal(application.last().headers['x-forwarded-email'], 'carol@example.com')
})

t.test('whoever forgot the password chooses a new one and gets on to the page asked for', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const browser = client()
  const form = await browser.visit(`${url}/oauth2/forgot_password?rd=/welcome`)
  t.match(form.url, `${pool.url}/forgotPassword?`)
  const mailed = await browser.submit(form, { username: 'bob' })
  const login = await browser.submit(mailed, { code: codeIn(mailed.text), password: 'N3w-Passw0rd' })
  const landed = await browser.submit(login, { username: 'bob', password: 'N3w-Passw0rd' })
  t.equal(landed.url, `${url}/welcome`)
})

t.test(
  'people of another identity provider sign in there, and their automatic group and unverified address do not count',
  async (t) => {
    const { url, application, client } = await startWorld(t, {
      pool: { identityProviders: [{ name: 'ExampleCorp' }] },
      client: { identityProviders: ['COGNITO', 'ExampleCorp'] },
      settings: { pools: { local: { identityProviders: ['ExampleCorp'] } } },
    })
    const browser = client()
    const provider = await browser.visit(`${url}/oauth2/start?rd=/welcome&idp=ExampleCorp`)
    const landed = await browser.submit(provider, { subject: 'dora', email: 'dora@example.com', name: 'Dora' })
    t.equal(landed.url, `${url}/welcome`)
    const { headers } = application.last()
    t.equal(headers['x-forwarded-preferred-username'], 'ExampleCorp_dora')
    t.equal(headers['x-forwarded-groups'], undefined)
    t.equal(headers['x-forwarded-email'], undefined)
  },
)

t.test('a name can be suggested, and only providers that are offered can be chosen', async (t) => {
  const { url, client } = await startWorld(t, {
    settings: { pools: { local: { identityProviders: ['ExampleCorp', 'COGNITO'] } } },
  })
  const start = async (query: string): Promise<URLSearchParams> => {
    const answer = await client().ask(`${url}/oauth2/start?${query}`)
    return new URL(answer.header('location') ?? '').searchParams
  }
  const known = await start('rd=/&idp=ExampleCorp&login_hint=alice')
  t.equal(known.get('identity_provider'), 'ExampleCorp')
  t.equal(known.get('login_hint'), 'alice')
  t.equal((await start('rd=/&idp=Evil')).get('identity_provider'), null)

  const choice = await client().visit(`${url}/page?x=1`)
  t.equal(choice.url, `${url}/oauth2/sign_in?rd=%2Fpage%3Fx%3D1`, 'with several providers the person chooses')
  t.match(choice.text, 'ExampleCorp')
})

t.test('the request for a sign-in carries PKCE, state and nonce', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const answer = await client().ask(`${url}/oauth2/start?rd=/`)
  t.equal(answer.status, 302)
  const to = new URL(answer.header('location') ?? '')
  t.equal(to.origin + to.pathname, `${pool.url}/oauth2/authorize`)
  t.equal(to.searchParams.get('code_challenge_method'), 'S256')
  t.match(to.searchParams.get('code_challenge'), /^[\w-]{43}$/)
  t.match(to.searchParams.get('state'), /^[\w-]+$/, 'nothing in it that a second encoding could break')
  t.match(to.searchParams.get('nonce'), /^[\w-]{43}$/)
  t.equal(to.searchParams.get('redirect_uri'), `${url}/oauth2/callback`)
  t.match(
    answer.header('set-cookie'),
    /^__Host-gateway-login-[\w-]{8}=[^;]+; Max-Age=600; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
  )
})
