import t from 'tap'
import { startWorld } from '../helpers/world.ts'

const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }

t.test('O01 C21 only a form of our own page signs out', async (t) => {
  const { url, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  const post = async (headers: Record<string, string>, body = '') =>
    browser.ask(`${url}/oauth2/sign_out`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
      body,
    })
  t.equal((await browser.ask(`${url}/oauth2/sign_out`, { headers: page })).status, 200, 'a link only shows the page')
  t.equal((await post({ origin: 'https://evil.example' })).status, 403)
  t.equal((await post({ 'sec-fetch-site': 'cross-site' })).status, 403)
  const forged = await post({ origin: url }, 'csrf=forged')
  t.equal(forged.status, 403)
  t.equal(forged.header('x-gateway-code'), 'GW_CSRF')
  t.equal((await browser.ask(`${url}/page`)).status, 200, 'still signed in')
})

t.test('a sign-out revokes the refresh token and clears every cookie of ours', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  await browser.ask(`${url}/oauth2/start?rd=/x`)
  t.equal(browser.jarOf(new URL(url).host).size, 2)
  const before = pool.calls['revoke'] ?? 0
  const out = await browser.submit(await browser.visit(`${url}/oauth2/sign_out`), {})
  t.equal(out.url, `${url}/oauth2/signed_out`)
  t.equal((pool.calls['revoke'] ?? 0) - before, 1)
  t.equal(browser.jarOf(new URL(url).host).size, 0)
  t.match(browser.trail[1], `${pool.url}/logout?`)
})

t.test('O03 a slow or broken Cognito does not keep anybody from signing out', async (t) => {
  for (const fault of [{ hang: true }, { status: 500, body: {} }, { reset: true }]) {
    const { url, pool, client } = await startWorld(t)
    const browser = client()
    await browser.signIn(`${url}/`)
    const confirm = await browser.visit(`${url}/oauth2/sign_out`)
    pool.faults.push({ on: 'revoke', ...fault })
    const startedAt = performance.now()
    const out = await browser.submit(confirm, {})
    t.equal(out.url, `${url}/oauth2/signed_out`, JSON.stringify(fault))
    t.ok(performance.now() - startedAt < 2_500)
    t.equal((await browser.ask(`${url}/page`)).status, 401)
  }
})

t.test('O04 signing out without a session, with a broken one, or twice clears cookies all the same', async (t) => {
  const { url, client } = await startWorld(t)
  for (const cookie of ['', '__Host-gateway=broken']) {
    const answer = await client().ask(`${url}/oauth2/sign_out`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', ...(cookie === '' ? {} : { cookie }) },
      body: '',
    })
    t.equal(answer.status, 303)
    t.match(answer.header('set-cookie'), '__Host-gateway=; Max-Age=0')
  }
})

t.test('O05 where a sign-out ends is never chosen by the client', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const browser = client()
  const answer = await browser.ask(`${url}/oauth2/sign_out?logout_uri=https://evil.example&rd=https://evil.example`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'rd=https://evil.example&logout_uri=https://evil.example',
  })
  const to = new URL(answer.header('location') ?? '')
  t.equal(to.origin, pool.url)
  t.equal(to.searchParams.get('logout_uri'), `${url}/oauth2/signed_out`)
})

t.test('O07 O08 a refresh that ends after the sign-out does not bring the session back', async (t) => {
  const { url, pool, clock, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  const confirm = await browser.visit(`${url}/oauth2/sign_out`)
  const cookie = browser.jarOf(new URL(url).host).get('__Host-gateway') ?? ''
  pool.faults.push({ on: 'token', delayMs: 300 })
  clock.advance(301)
  const running = client().ask(`${url}/page`, { headers: { cookie: `__Host-gateway=${cookie}` } })
  await new Promise((resolve) => setImmediate(resolve))
  await browser.submit(confirm, {})
  const late = await running
  t.notMatch(late.header('set-cookie') ?? '', /^__Host-gateway=[^;]/, 'no new session for whoever waited')
  t.equal((await client().ask(`${url}/page`, { headers: { cookie: `__Host-gateway=${cookie}` } })).status, 401)
})

t.test('O12 the pages of a sign-out are not cached and the cache of the site is cleared', async (t) => {
  const { url, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  const confirm = await browser.visit(`${url}/oauth2/sign_out`)
  t.equal(confirm.header('cache-control'), 'no-store')
  const csrf = /name="csrf"[^>]*value="([^"]*)"|value="([^"]*)"[^>]*name="csrf"/.exec(confirm.text)
  const answer = await browser.ask(`${url}/oauth2/sign_out`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', origin: url },
    body: `csrf=${csrf?.[1] ?? csrf?.[2]}`,
  })
  t.equal(answer.header('clear-site-data'), '"cache"')
  t.equal((await browser.ask(`${url}/oauth2/signed_out`, { headers: page })).header('cache-control'), 'no-store')
})

t.test('D07 the forms of the gateway take no large bodies', async (t) => {
  const { url, client } = await startWorld(t)
  const answer = await client().ask(`${url}/oauth2/sign_out`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: `a=${'x'.repeat(20_000)}`,
  })
  t.equal(answer.status, 413)
  t.equal(answer.header('x-gateway-code'), 'GW_BODY_TOO_LARGE')
})

t.test('O09 O11 logout by the back or the front channel is not offered and ends nothing', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  const before = pool.calls['revoke'] ?? 0
  for (const path of ['backchannel_logout', 'backchannel-logout', 'frontchannel_logout', 'logout', 'sign_out/x']) {
    for (const method of ['GET', 'POST']) {
      const answer = await browser.ask(`${url}/oauth2/${path}?sid=x&iss=${encodeURIComponent(pool.issuer)}`, {
        method,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        ...(method === 'POST' ? { body: 'logout_token=eyJhbGciOiJub25lIn0.e30.' } : {}),
      })
      t.equal(answer.status, 404, `${method} ${path}`)
    }
  }
  t.equal((await browser.ask(`${url}/page`)).status, 200)
  t.equal((pool.calls['revoke'] ?? 0) - before, 0)
})

t.test(
  "O15 after a session's time is over Cognito's own makes the next sign-in silent, and after a sign-out it does not",
  async (t) => {
    const { url, clock, client } = await startWorld(t, {
      settings: { session: { keys: [{ file: 'session-key' }], idleTimeoutSeconds: 600 } },
    })
    const browser = client()
    await browser.signIn(`${url}/`)
    clock.advance(601)
    t.equal((await browser.ask(`${url}/page`)).status, 401)
    t.equal((await browser.visit(`${url}/page`)).url, `${url}/page`, 'nobody was asked for a password')
    await browser.submit(await browser.visit(`${url}/oauth2/sign_out`), {})
    const asked = await browser.visit(`${url}/page`)
    t.match(asked.text, /type="?password/)
  },
)
