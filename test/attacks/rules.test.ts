import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { CLIENT_ID, startWorld, type World, type WorldOptions } from '../helpers/world.ts'

type Rules = Readonly<Record<string, unknown>>

/** A world whose application has these routes beside its own, which is for whoever is signed in. */
const ruled = async (
  t: Parameters<typeof startWorld>[0],
  routes: Rules,
  { settings, ...options }: WorldOptions = {},
): Promise<World> =>
  startWorld(t, {
    ...options,
    settings: { applications: { sample: { upstream: '%UPSTREAM%', access: 'signedIn', routes } }, ...settings },
  })

/** The log's line of the last request. */
async function lastLine({ log }: World, path: string): Promise<Record<string, unknown>> {
  const find = (): string | undefined =>
    log.findLast((line) => line.includes('"event":"request"') && line.includes(`"path":"${path}"`))
  await until(() => find() !== undefined)
  return JSON.parse(find() ?? '{}')
}

const token = async ({ pool }: World, username?: string, more: { authTime?: number } = {}): Promise<string> => {
  const order = username === undefined ? { clientId: 'orders-batch' } : { clientId: CLIENT_ID, username }
  return (await pool.issueTokens({ ...order, ...more })).access_token
}

t.test('A17 an address of the gateway is its own, whatever routes there are', async (t) => {
  const { port, application } = await ruled(t, { all: { path: '/:a/:b', access: 'public' } })
  const status = async (target: string): Promise<number> =>
    (await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).status
  for (const target of ['/oauth2/x', '/OAUTH2/ping', '/oauth2/%70ing', '/%6fauth2/ping', '/oauth2/', '/oauth2'])
    t.equal(await status(target), 404, target)
  t.equal(await status('/oauth2/ping'), 200)
  t.equal(await status('/oauth2x/y'), 200)
  t.same(
    application.seen.map(({ url }) => url),
    ['/oauth2x/y'],
  )
})

t.test('A10 while nobody can tell who somebody is, no rule lets them in, not even one that only reports', async (t) => {
  const until = new Date(Date.now() + 7 * 86_400_000).toISOString().slice(0, 10)
  const world = await ruled(t, {
    maybe: { path: '/maybe', access: 'optional' },
    trial: { path: '/trial', access: [{ groups: ['nobody'] }], reportOnly: { until } },
    open: { path: '/open', access: 'public' },
  })
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  const bearer = { authorization: `Bearer ${await token(world)}` }
  world.clock.advance(3_600 + 310)
  for (const on of ['token', 'jwks'] as const) world.pool.faults.push({ on, times: 'always', status: 500, body: {} })
  await world.pool.rotateKeys({ keep: false })
  const fresh = { authorization: `Bearer ${await token(world)}` }
  const before = world.application.seen.length
  for (const path of ['/', '/maybe', '/trial']) {
    t.equal((await browser.ask(world.url + path)).status, 503, `${path} with a session that cannot be renewed`)
    t.equal((await world.client().ask(world.url + path, { headers: fresh })).status, 503, `${path} with an unknown key`)
    t.equal(
      (await world.client().ask(world.url + path, { headers: bearer })).status,
      401,
      `${path} with a token too old`,
    )
  }
  t.equal(world.application.seen.length, before)
  t.equal((await browser.ask(`${world.url}/open`)).status, 200, 'where nobody is asked nothing is wrong')
})

t.test('A12 a session counts on the hosts that are served only, whoever it is of', async (t) => {
  const world = await ruled(t, { admin: { path: '/admin/*', access: [{ groups: ['admins'] }] } })
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  for (const host of ['other.example', '127.0.0.1', 'localhost.example', 'xn--localhost']) {
    const answer = await browser.ask(`${world.url}/admin/x`, { headers: { host } })
    t.equal(answer.status, 421, host)
  }
  t.equal((await browser.ask(`${world.url}/admin/x`)).status, 200)
})

t.test('A16 a refusal is one fixed body that names no group, and tells nothing of what is behind it', async (t) => {
  const secret = { groups: ['canary-group'], claims: { 'custom:canary': ['canary-value'] }, scopes: ['canary/scope'] }
  const routes = (more: object) => ({ hidden: { path: '/hidden/*', access: [secret], ...more } })
  const bodies = async (more: object): Promise<readonly string[]> => {
    const world = await ruled(t, routes(more), {
      answer: ({ url }, response) => response.writeHead(url === '/hidden/there' ? 200 : 404).end(),
    })
    const browser = world.client()
    await browser.signIn(`${world.url}/`, 'bob')
    const asked = async (path: string, headers: Record<string, string>): Promise<string> => {
      const answer = await browser.ask(world.url + path, { headers })
      t.equal(answer.status, 403, path)
      t.equal(answer.header('x-gateway-code'), 'GW_FORBIDDEN')
      return answer.text.replaceAll(String(answer.header('x-request-id')), 'ID').replaceAll(path, 'PATH')
    }
    const page = { 'sec-fetch-dest': 'document' }
    const [there, missing] = [await asked('/hidden/there', {}), await asked('/hidden/missing', {})]
    t.equal(there, missing, 'whether there is something or not')
    t.same(JSON.parse(there), { code: 'GW_FORBIDDEN', message: JSON.parse(there).message, requestId: 'ID' })
    t.equal(world.application.seen.filter(({ url }) => url.startsWith('/hidden')).length, 0, 'nobody asked it')
    return [there, await asked('/hidden/there', page)]
  }
  for (const body of await bodies({})) t.notMatch(body, /canary/)
  const [json, page] = await bodies({ showMissing: true })
  t.notMatch(json, /canary/)
  for (const name of ['canary-group', 'canary/scope', 'custom:canary'])
    t.match(page, name, 'on its page, where the settings say so')
  t.notMatch(page, 'canary-value')
})

t.test('A18 a rule on addresses sees the client behind trusted proxies, and nobody else', async (t) => {
  const routes = {
    office: { path: '/office', access: [{ clients: ['orders-batch'], clientAddresses: ['192.0.2.0/24'] }] },
  }
  const ask = async (world: World, forwardedFor: string): Promise<number> => {
    const headers = { authorization: `Bearer ${await token(world)}`, 'x-forwarded-for': forwardedFor }
    return (await world.client().ask(`${world.url}/office`, { headers })).status
  }
  const direct = await ruled(t, routes)
  t.equal(await ask(direct, '192.0.2.7'), 403, 'what a stranger says of itself counts for nothing')
  t.equal((await lastLine(direct, '/office'))['reason'], 'address_mismatch')
  const trustedProxies = [{ cidr: '127.0.0.0/8', headers: ['for'] }]
  const behind = await ruled(t, routes, { settings: { trustedProxies } })
  for (const [forwardedFor, expected] of [
    ['192.0.2.7', 200],
    ['::ffff:192.0.2.7', 200],
    ['::FFFF:c000:207', 200],
    ['203.0.113.9, 192.0.2.7', 200],
    ['192.0.2.7, 203.0.113.9', 403],
    ['192.0.3.7', 403],
    ['192.0.2.7, nonsense', 403],
  ] as const)
    t.equal(await ask(behind, forwardedFor), expected, forwardedFor)
  const office = {
    office: { path: '/office', access: [{ clients: ['orders-batch'], clientAddresses: ['127.0.0.0/8'] }] },
  }
  const inside = await ruled(t, office, { settings: { trustedProxies } })
  for (const unread of ['unknown', 'unix:', '', '127.0.0.1, unknown', '"127.0.0.1"', '127.0.0.1,'])
    t.equal(await ask(inside, unread), 403, `the proxy in the place of who is behind it: ${unread}`)
  t.equal(await ask(inside, '127.0.0.2'), 200)
})

t.test('A13 where the sign-in is too old the person gives their password once more and comes back', async (t) => {
  const world = await ruled(t, { pay: { path: '/pay/*', access: [{ groups: ['ops'], signedInWithinSeconds: 600 }] } })
  const browser = world.client()
  t.equal((await browser.signIn(`${world.url}/pay/1`)).status, 200, 'a fresh sign-in is recent enough')
  world.clock.advance(601)
  t.equal((await browser.ask(`${world.url}/else`)).status, 200, 'nothing else asks for it')
  const script = await browser.ask(`${world.url}/pay/1`)
  t.equal(script.status, 401)
  t.equal(script.json().signIn, `${world.url}/oauth2/start?rd=%2F&prompt=login`)
  const challenge = 'Bearer error="insufficient_user_authentication", max_age="600"'
  t.equal(script.header('www-authenticate'), challenge)
  const posted = await browser.ask(`${world.url}/pay/1`, {
    method: 'POST',
    headers: {
      'sec-fetch-dest': 'document',
      'sec-fetch-site': 'same-origin',
      origin: world.url,
      'content-type': 'application/x-www-form-urlencoded',
    },
    body: 'amount=5',
  })
  t.equal(posted.status, 401)
  t.match(posted.text, /data-sealed="[^"]{50}/, 'a form is kept meanwhile')
  t.match(posted.text, '%2Foauth2%2Fresume&#38;prompt=login')
  t.equal((await lastLine(world, '/pay/1'))['reason'], 'sign_in_too_old')
  const page = await browser.visit(`${world.url}/pay/1?a=b`)
  t.match(page.url, `${world.pool.url}/login`, 'Cognito asks although it knows the person')
  const landed = await browser.submit(page, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, `${world.url}/pay/1?a=b`)
  t.equal(landed.status, 200)
  t.match(await world.metrics(), /decisions_total\{route="sample\/pay",result="sign_in",reason="sign_in_too_old"\} 3/)
})

t.test('A13 a token of an old sign-in is refused as RFC 9470 says, and never redirected', async (t) => {
  const world = await ruled(
    t,
    { pay: { path: '/pay', access: [{ signedInWithinSeconds: 600 }] } },
    { settings: { pools: { local: { bearerClients: [CLIENT_ID] } } } },
  )
  const now = Math.floor(world.clock.now() / 1000)
  for (const [authTime, status] of [
    [now, 200],
    [now - 590, 200],
    [now - 610, 401],
  ] as const) {
    const headers = {
      authorization: `Bearer ${await token(world, 'alice', { authTime })}`,
      'sec-fetch-dest': 'document',
    }
    const answer = await world.client().ask(`${world.url}/pay`, { headers })
    t.equal(answer.status, status)
    if (status === 401) t.match(answer.header('www-authenticate'), /insufficient_user_authentication.*max_age="600"/)
  }
})

t.test('A13 a user pool that pays no heed is told to end its own session first, once', async (t) => {
  const world = await ruled(
    t,
    { pay: { path: '/pay', access: [{ signedInWithinSeconds: 600 }] } },
    { pool: { classicPages: true } },
  )
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  world.clock.advance(601)
  const page = await browser.visit(`${world.url}/pay`)
  t.match(page.url, `${world.pool.url}/login`)
  t.ok(
    browser.trail.some((url) => url.startsWith(`${world.pool.url}/logout`)),
    'by way of its sign-out',
  )
  const landed = await browser.submit(page, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, `${world.url}/pay`)
  t.equal(landed.status, 200)
})

t.test('A13 a sign-in that stays old whatever is tried ends in a page', async (t) => {
  const world = await ruled(t, { pay: { path: '/pay', access: [{ signedInWithinSeconds: 600 }] } })
  const browser = world.client()
  await browser.signIn(`${world.url}/`)
  world.clock.advance(601)
  t.equal((await browser.ask(`${world.url}/`)).status, 200, 'its claims are renewed')
  const old = Math.floor(world.clock.now() / 1000) - 100_000
  world.pool.tamper = (_kind, claims) => ({ claims: { ...claims, auth_time: old } })
  const first = await browser.visit(`${world.url}/pay`)
  const second = await browser.submit(first, { username: 'alice', password: 'Passw0rd!' })
  t.match(second.url, `${world.pool.url}/login`, 'once more, without the session of Cognito')
  const end = await browser.submit(second, { username: 'alice', password: 'Passw0rd!' })
  t.equal(end.status, 403)
  t.equal(end.header('x-gateway-code'), 'GW_SIGN_IN_STALE')
})

t.test('conditions on people are decided by what their session keeps', async (t) => {
  const world = await ruled(
    t,
    {
      native: { path: '/native', access: [{ identityProviders: ['COGNITO'] }] },
      okta: { path: '/okta', access: [{ identityProviders: ['Okta'] }] },
      mail: { path: '/mail', access: [{ emailDomains: ['Example.com'] }] },
      partner: { path: '/partner', access: [{ emailDomains: ['partner.example'] }] },
      app: { path: '/app', access: [{ clients: [CLIENT_ID] }] },
      machines: { path: '/machines', access: [{ clients: ['orders-batch'] }] },
    },
    { session: { recheckSeconds: 60 } },
  )
  const browser = world.client()
  await browser.signIn(`${world.url}/`, 'bob')
  const reasons = async (): Promise<Record<string, unknown>> => {
    const found: Record<string, unknown> = {}
    for (const path of ['native', 'okta', 'mail', 'partner', 'app', 'machines']) {
      const { status } = await browser.ask(`${world.url}/${path}`)
      found[path] = status === 200 ? 200 : (await lastLine(world, `/${path}`))['reason']
    }
    return found
  }
  const expected = { native: 200, okta: 'provider_mismatch', mail: 200, partner: 'email_mismatch', app: 200 }
  t.same(await reasons(), { ...expected, machines: 'client_unknown' })
  world.pool.setUser('bob', { attributes: { email_verified: 'false' } })
  world.pool.tamper = (kind, claims) =>
    kind === 'id' ? { claims: { ...claims, identities: [{ providerName: 'Okta' }] } } : undefined
  world.clock.advance(61)
  const renewed = { native: 'provider_mismatch', okta: 200, mail: 'email_unverified', partner: 'email_unverified' }
  t.same(
    await reasons(),
    { ...renewed, app: 200, machines: 'client_unknown' },
    'and follow every renewal of its claims',
  )
  const headers = { authorization: `Bearer ${await token(world)}` }
  t.equal((await world.client().ask(`${world.url}/machines`, { headers })).status, 200)
  t.equal((await world.client().ask(`${world.url}/app`, { headers })).status, 403)
})

t.test('a public file asks nobody, takes no other method, and opens nothing else', async (t) => {
  const world = await startWorld(t, {
    settings: {
      applications: {
        sample: { upstream: '%UPSTREAM%', access: 'signedIn', publicFiles: ['/favicon.ico', '/static/manifest.json'] },
      },
    },
  })
  const status = async (path: string, method = 'GET'): Promise<number> =>
    (await world.client().ask(world.url + path, { method })).status
  for (const path of ['/favicon.ico', '/FAVICON.ico', '/static/manifest.json', '/favicon.ico?v=1'])
    t.equal(await status(path), 200, path)
  for (const path of ['/favicon.ico/x', '/favicon', '/static/', '/static/manifest.json5'])
    t.equal(await status(path), 401, path)
  t.equal(await status('/favicon.ico', 'POST'), 405)
  t.equal(
    world.application.seen.every(({ headers }) => headers['x-forwarded-user'] === undefined),
    true,
  )
  t.match(await world.metrics(), /requests_total\{route="sample\/publicFiles",method="GET",status="200"\} 4/)
})

t.test(
  'P30 where override headers reach the application, the rule is asked for every method that they name',
  async (t) => {
    const override = (methodOverride: string) => ({
      read: { path: '/doc/*', methods: ['GET', 'POST'], access: 'signedIn', methodOverride },
      write: { path: '/doc/*', methods: ['DELETE'], access: [{ groups: ['admins'] }] },
      open: { path: '/open', methods: ['POST'], access: 'public', methodOverride },
      'open-write': { path: '/open', methods: ['DELETE'], access: [{ groups: ['admins'] }] },
    })
    const world = await ruled(t, override('both'))
    const { host, origin } = new URL(world.url)
    const people = new Map<string, string>()
    for (const name of ['alice', 'bob']) {
      const browser = world.client()
      await browser.signIn(`${world.url}/`, name)
      people.set(name, browser.jarOf(host).get('__Host-gateway') ?? '')
    }
    const send = async (who: string, lines: readonly string[], method = 'POST', path = '/doc/1') => {
      const cookie = `Cookie: __Host-gateway=${people.get(who)}`
      const head = [`${method} ${path} HTTP/1.1`, `Host: ${host}`, cookie, 'Content-Length: 0', ...lines]
      return (await sendRaw(world.port, `${head.join('\r\n')}\r\n\r\n`)).status
    }
    const own = `Origin: ${origin}`
    t.equal(await send('bob', [own]), 200)
    t.equal(await send('bob', [own, 'X-HTTP-Method-Override: DELETE']), 403)
    t.equal(await send('bob', [own, 'X_HTTP_Method_Override: delete']), 403, 'in every spelling')
    t.equal(await send('bob', [own, 'X-HTTP-Method-Override: GET', 'X-Method-Override: DELETE']), 403, 'all of them')
    t.equal(await send('bob', [own, 'X-HTTP-Method-Override: GET, DELETE']), 400)
    t.equal(await send('bob', [own, 'X-HTTP-Method: PUT']), 405)
    t.equal(await send('alice', [own, 'X-HTTP-Method-Override: DELETE']), 200)
    t.equal(world.application.last().headers['x-http-method-override'], 'DELETE')
    t.equal(await send('alice', ['Origin: https://evil.example', 'X-HTTP-Method-Override: DELETE'], 'GET'), 403)
    t.equal(
      (await lastLine(world, '/doc/1'))['reason'],
      'cross_origin',
      'a GET that means another method is no reading',
    )
    const remove = [own, 'X-HTTP-Method-Override: DELETE']
    t.equal(await send('nobody', [own], 'POST', '/open'), 200)
    t.equal(await send('nobody', remove, 'POST', '/open'), 401, 'on a public route too')
    t.equal(await send('bob', remove, 'POST', '/open'), 403)
    t.equal(await send('alice', remove, 'POST', '/open'), 200, 'where the session is read for once')

    const strict = await ruled(t, override('drop'))
    const browser = strict.client()
    await browser.signIn(`${strict.url}/`, 'bob')
    const headers = { origin: strict.url, 'x-http-method-override': 'DELETE' }
    t.equal((await browser.ask(`${strict.url}/doc/1`, { method: 'POST', headers })).status, 200)
    t.equal(strict.application.last().headers['x-http-method-override'], undefined, 'else none reaches it')
  },
)
