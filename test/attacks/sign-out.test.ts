import t from 'tap'
import type { Reply } from '../helpers/client.ts'
import { until } from '../helpers/until.ts'
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

  // As a browser sends it: without cookies, and it would take away whatever the answer takes away.
  for (const body of ['', 'switch=1', 'everywhere=1']) {
    const foreign = await client().ask(`${url}/oauth2/sign_out`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: 'https://evil.example' },
      body,
    })
    t.equal(foreign.status, 403)
    t.equal(foreign.header('set-cookie'), undefined)
    t.equal(foreign.header('clear-site-data'), undefined)
  }
})

t.test('a sign-out revokes the refresh token and clears every cookie of ours', async (t) => {
  const { url, pool, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  await browser.ask(`${url}/oauth2/start?rd=/x`)
  t.same([...browser.jarOf(new URL(url).host).keys()].map((name) => name.replace(/login-.*/, 'login')).toSorted(), [
    '__Host-gateway',
    '__Host-gateway-login',
    '__Host-gateway-rounds',
  ])
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

t.test('O03 a refresh token that could not be revoked is revoked as soon as Cognito can again', async (t) => {
  const { url, pool, log, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  const confirm = await browser.visit(`${url}/oauth2/sign_out`)
  const before = pool.calls['revoke'] ?? 0
  pool.faults.push({ on: 'revoke', status: 500, body: {} })
  await browser.submit(confirm, {})
  t.equal((pool.calls['revoke'] ?? 0) - before, 1)
  t.match(log.join(''), /"event":"revoke_delayed"/)
  await until(() => (pool.calls['revoke'] ?? 0) - before === 2)
  t.notMatch(log.join(''), /"event":"revoke_failed"/)
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

/** Where a page of ours goes on to by itself. */
const refreshOf = (reply: Reply): string => /^0; url=(\/\S+)$/.exec(reply.header('refresh') ?? '')?.[1] ?? ''

interface Asked {
  readonly method?: string
  readonly headers: Readonly<Record<string, string>>
}
const byPage = { ...page, 'sec-fetch-site': 'same-origin' }
const byScript = { 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' }

/** An application with a sign-out of its own, which answers as its query says. */
const withSignOut = await startWorld(t, {
  settings: {
    applications: {
      sample: {
        upstream: '%UPSTREAM%',
        access: 'signedIn',
        bindCookies: ['APPSESSION'],
        signOut: { paths: ['/logout'] },
        allowInPath: ['matrixParams'],
      },
    },
  },
  answer: ({ url = '' }, response) => {
    if (/^\/logout/i.test(url)) {
      response.statusCode = Number(/status=(\d+)/.exec(url)?.[1] ?? 302)
      response.setHeader('location', '/login-page-of-the-application')
      response.setHeader('set-cookie', ['APPSESSION=; Path=/; Max-Age=0', 'seen=yes; Path=/'])
      response.end('goodbye')
    } else {
      response.setHeader('set-cookie', 'APPSESSION=of-this-person; Path=/; HttpOnly')
      response.end('page')
    }
  },
})

t.test(
  "the application's own sign-out signs out here and at Cognito too, with the application's cookies",
  async (t) => {
    const { url, pool, client, application, metrics } = withSignOut
    for (const path of ['/logout', '/Logout/', '/logout;jsessionid=1', '/logout?status=200', '/logout?status=403']) {
      const browser = client()
      await browser.signIn(`${url}/page`)
      const copied = browser.jarOf(new URL(url).host).get('__Host-gateway') ?? ''
      const revoked = pool.calls['revoke'] ?? 0
      const answer = await browser.ask(url + path, { headers: byPage })
      t.equal(answer.status, 303, path)
      t.equal(application.last().url, path)
      t.equal(answer.header('location'), '/oauth2/sign_out')
      t.equal(answer.header('clear-site-data'), '"cache"')
      t.equal(answer.header('cache-control'), 'no-store')
      const between = await browser.ask(`${url}/oauth2/sign_out`, { headers: byPage })
      const next = await browser.ask(`${url}${refreshOf(between)}`, { headers: byPage })
      const to = new URL(next.header('location') ?? '')
      t.equal(to.origin + to.pathname, `${pool.url}/logout`)
      t.equal(to.searchParams.get('logout_uri'), `${url}/oauth2/signed_out`)
      t.equal(next.header('clear-site-data'), '"cache"', 'now that the page of the application has been left')
      t.equal((pool.calls['revoke'] ?? 0) - revoked, 1)
      t.same([...browser.jarOf(new URL(url).host)], [['seen', 'yes']])
      const again = await client().ask(`${url}/page`, { headers: { cookie: `__Host-gateway=${copied}` } })
      t.equal(again.status, 401, 'a copied cookie is worth nothing')
    }
    t.match(await metrics(), 'cognito_gateway_sign_outs_total 5\n')
  },
)

t.test(
  "a script that asks for the application's sign-out gets the application's answer, and is signed out",
  async (t) => {
    const { url, pool, client } = withSignOut
    for (const status of [200, 204, 302]) {
      const browser = client()
      await browser.signIn(`${url}/page`)
      const answer = await browser.ask(`${url}/logout?status=${status}`, {
        method: 'POST',
        headers: { ...byScript, origin: url },
      })
      t.equal(answer.status, status)
      t.equal(answer.text, status === 204 ? '' : 'goodbye')
      t.equal(answer.header('clear-site-data'), '"cache"')
      t.same(
        [...browser.jarOf(new URL(url).host)],
        [
          ['seen', 'yes'],
          ['__Host-gateway-switch', '1'],
        ],
      )
      t.equal((await browser.ask(`${url}/page`)).status, 401)
      const form = await browser.visit(`${url}${refreshOf(await browser.visit(`${url}/page`))}`)
      t.match(form.url, `${pool.url}/login`, "Cognito's own session ends before the next sign-in")
      t.equal((await browser.submit(form, { username: 'bob', password: 'Passw0rd!' })).url, `${url}/page`)
    }
  },
)

t.test('O01 nothing but the wish of the person signs out with the application', async (t) => {
  const { url, client, application } = withSignOut
  const browser = client()
  await browser.signIn(`${url}/page`)
  const refused: Readonly<Record<string, Asked>> = {
    'a link of another site': { headers: { ...page, 'sec-fetch-site': 'cross-site' } },
    'a link of a neighbour': { headers: { ...page, 'sec-fetch-site': 'same-site' } },
    'a picture': { headers: { 'sec-fetch-dest': 'image', 'sec-fetch-site': 'same-origin' } },
    'a page fetched ahead': { headers: { ...byPage, 'sec-purpose': 'prefetch' } },
    'a page fetched ahead, as older browsers say it': { headers: { ...byPage, purpose: 'prefetch' } },
    'an older browser on another site': { headers: { accept: 'text/html', referer: 'https://evil.example/' } },
    'an older browser that does not say where': { headers: { accept: 'text/html' } },
    'a look at the head': { method: 'HEAD', headers: byPage },
    'a question for options': { method: 'OPTIONS', headers: byScript },
  }
  for (const [who, asked] of Object.entries(refused)) {
    const before = application.seen.length
    const answer = await browser.ask(`${url}/logout`, asked)
    t.equal(answer.status, 302, who)
    t.equal(application.seen.length, before + 1, 'the application decides for itself')
    t.equal(answer.header('clear-site-data'), undefined)
    t.equal((await browser.ask(`${url}/page`)).status, 200, who)
  }
  const foreign = await browser.ask(`${url}/logout`, { method: 'POST', headers: { origin: 'https://evil.example' } })
  t.equal(foreign.header('x-gateway-code'), 'GW_CROSS_ORIGIN')
  t.equal((await browser.ask(`${url}/page`)).status, 200)
  const older = await browser.ask(`${url}/logout`, { headers: { accept: 'text/html', referer: `${url}/page` } })
  t.equal(older.status, 303, 'an older browser on a page of ours')
})

t.test('whoever could not sign out at the application is not signed out here either, and may try again', async (t) => {
  const { url, client } = withSignOut
  const browser = client()
  await browser.signIn(`${url}/page`)
  t.equal((await browser.ask(`${url}/logout?status=500`, { headers: byPage })).status, 500)
  t.equal((await browser.ask(`${url}/page`)).status, 200)
  t.equal((await browser.ask(`${url}/logout`, { headers: byPage })).status, 303)
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
