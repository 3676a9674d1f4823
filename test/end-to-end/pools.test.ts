import t from 'tap'
import { check } from '../../src/commands/check.ts'
import { startLocalPool, type LocalPool } from '../../src/local/local-pool.ts'
import type { Client, Reply } from '../helpers/client.ts'
import { createClock } from '../helpers/clock.ts'
import { runHere } from '../helpers/command.ts'
import { until } from '../helpers/until.ts'
import { CLIENT_ID, startWorld } from '../helpers/world.ts'

const PAGE = { 'sec-fetch-dest': 'document', accept: 'text/html' }
const BATCH_SECRET = 'secret-of-the-batch'
const BOTH = [{ groups: ['admins'], pools: ['local', 'partners'] }]
const RECENT = { signedInWithinSeconds: 600 }
const person = { password: 'Passw0rd!', groups: ['admins'], attributes: { email: 'al@partner.example' } }

/** Staff on publicUrl's host and on one more; partners, who are in a user pool of their own, on two others. */
async function startTwoPools(t: { teardown(fn: () => unknown): unknown }, theirPool: object = {}) {
  // A public client: no two pools may have the same secret.
  const client = { scopes: ['openid', 'email', 'profile'], flows: ['code'] }
  const clock = createClock()
  const partners = await startLocalPool({
    now: clock.now,
    userPoolId: 'us-east-1_Partners1',
    users: {
      alice: person,
      carol: { ...person, attributes: { email: 'carol@partner.example', email_verified: 'true' } },
    },
    identityProviders: [{ name: 'PartnerSaml' }],
    resourceServers: [{ identifier: 'stock', scopes: ['read'] }],
    clients: [
      {
        ...client,
        id: 'partnersclient',
        identityProviders: ['COGNITO', 'PartnerSaml'],
        callbackUrls: ['https://later.example.com/callback'],
      },
      { id: 'partner-batch', secret: BATCH_SECRET, scopes: ['stock/read'], flows: ['client_credentials'] },
    ],
    ...theirPool,
  } as never)
  t.teardown(async () => partners.close())
  const application = (host: string, more: object = {}) => ({
    hosts: [`${host}.localhost`],
    upstream: '%UPSTREAM%',
    access: 'signedIn',
    ...more,
  })
  const theirs = { pool: 'partners' }
  const world = await startWorld(t, {
    clock,
    settings: {
      pools: {
        local: { bearerClients: [CLIENT_ID, 'orders-batch'] },
        partners: {
          userPoolId: partners.userPoolId,
          issuer: partners.issuer,
          clientId: 'partnersclient',
          bearerClients: ['partnersclient'],
          identityProviders: ['COGNITO', 'PartnerSaml'],
        },
        // The same user pool with another app client.
        machines: {
          userPoolId: partners.userPoolId,
          issuer: partners.issuer,
          clientId: 'machinesclient',
          bearerClients: ['partner-batch'],
        },
      },
      applications: {
        home: { upstream: '%UPSTREAM%', access: 'signedIn' },
        wiki: application('wiki'),
        shop: application('shop', {
          ...theirs,
          access: [{ groups: ['admins'] }],
          routes: {
            both: { path: '/both', access: BOTH },
            pay: { path: '/pay', access: [{ groups: ['admins'], ...RECENT }] },
          },
        }),
        stock: application('stock', {
          ...theirs,
          branding: { name: 'Stock & more', logo: '/logo.png', colour: '#fd0' },
          routes: { pay: { path: '/pay', access: [RECENT] } },
        }),
        feed: application('feed', { pool: 'machines', access: [{ scopes: ['stock/read'] }], clientBasic: true }),
        saml: application('saml', { ...theirs, identityProvider: 'PartnerSaml' }),
      },
    },
  })
  const at = (host: string, path = '/'): string => `http://${host}.localhost:${world.port}${path}`
  partners.setClient('partnersclient', {
    callbackUrls: [`${world.url}/oauth2/callback/partners`],
    logoutUrls: [`${world.url}/oauth2/signed_out`],
  })
  return { ...world, partners, at }
}

async function chooseCognito(browser: Client, choice: Reply): Promise<Reply> {
  const [, href = ''] = /href="([^"]*idp=COGNITO[^"]*)"/.exec(choice.text) ?? []
  return browser.visit(new URL(href.replaceAll(/&(?:amp|#38);/g, '&'), choice.url).href)
}

/** By user name and password, where there is something to choose. */
async function signIn(browser: Client, address: string): Promise<Reply> {
  const login = await chooseCognito(browser, await browser.visit(address))
  return browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
}

t.test('two user pools', async (t) => {
  const world = await startTwoPools(t)
  const { url, at, pool, partners, client } = world
  const calls = ({ calls: counted }: LocalPool) => counted['token'] ?? 0

  await t.test(
    'each application asks the people of its pool to sign in, once for all hosts of that pool',
    async (t) => {
      const browser = client()
      const before = [calls(pool), calls(partners)]
      t.equal((await signIn(browser, at('stock', '/page'))).url, at('stock', '/page'))
      t.ok(
        browser.trail.some((step) => step.startsWith(`${url}/oauth2/callback/partners?`)),
        "by the callback on publicUrl's host",
      )
      t.equal((await browser.visit(at('shop', '/page'))).status, 200)
      t.notOk(browser.trail.some((step) => step.startsWith(partners.url)))
      t.same([calls(pool), calls(partners)], [before[0], (before[1] ?? 0) + 1], 'a code goes to that pool only')
      t.equal((await browser.visit(at('wiki', '/page'))).url.startsWith(pool.url), true, 'and is nothing to the other')
      t.equal((await browser.ask(`${url}/page`)).status, 401)
    },
  )

  await t.test('one browser is signed in at both, and leaving one leaves the other', async (t) => {
    const browser = client()
    await browser.signIn(at('wiki'))
    await signIn(browser, at('shop'))
    t.equal((await browser.ask(at('shop', '/oauth2/userinfo'))).json().pool, 'partners')
    t.equal((await browser.ask(at('wiki', '/oauth2/userinfo'))).json().pool, 'local')
    const revoked = partners.calls['revoke'] ?? 0
    const out = await browser.submit(await browser.visit(at('shop', '/oauth2/sign_out')), {})
    t.equal(out.url, `${url}/oauth2/signed_out`)
    t.equal((partners.calls['revoke'] ?? 0) - revoked, 1)
    t.equal((await browser.ask(at('shop', '/page'))).status, 401)
    t.equal((await browser.ask(at('wiki', '/page'))).status, 200)
  })

  await t.test('whoever signs in again after a sign-out gets back to where they signed out', async (t) => {
    for (const [host, pages] of [
      ['shop', partners.url],
      ['stock', partners.url],
      ['wiki', pool.url],
    ] as const) {
      const browser = client()
      await (host === 'wiki' ? browser.signIn(at(host)) : signIn(browser, at(host)))
      await browser.visit(at('wiki', '/page'))
      const out = await browser.submit(await browser.visit(at(host, '/oauth2/sign_out')), {})
      t.equal(out.url, `${url}/oauth2/signed_out`)
      t.equal(browser.trail.filter((step) => step.startsWith(`${pages}/logout?`)).length, 1, 'by way of Cognito')
      const [, href = ''] = /href="([^"]*start)"/.exec(out.text) ?? []
      t.equal(href, at(host, '/oauth2/start'))
      t.equal(out.text.includes('Stock &#38; more'), host === 'stock', 'the page is that of the application')
      const login = await browser.visit(href)
      t.match(login.url, `${pages}/login`, 'and the password is asked for')
      t.equal((await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })).url, at(host))
    }
  })

  await t.test(
    'a sign-out of another pool ends nothing of the host by which it goes, and leads to no other',
    async (t) => {
      const browser = client()
      await browser.signIn(url)
      const host = new URL(url).host
      await browser.ask(`${url}/oauth2/sign_out?leave=1&of=shop.localhost`, { headers: PAGE })
      t.equal((await browser.ask(`${url}/page`)).status, 200)
      for (const of of ['evil.example', '', 'localhost', '__proto__', 'shop.localhost:1']) {
        browser.jarOf(host).clear()
        await browser.ask(`${url}/oauth2/sign_out?leave=1&of=${of}`, { headers: PAGE })
        t.notOk(browser.jarOf(host).has('__Host-gateway-left'), of)
        browser.jarOf(host).set('__Host-gateway-left', of)
        t.match((await browser.ask(`${url}/oauth2/signed_out`)).text, 'href="/oauth2/start"', of)
      }
      const elsewhere = await browser.ask(at('shop', '/oauth2/sign_out?leave=1&of=wiki.localhost'), { headers: PAGE })
      t.equal(elsewhere.header('location'), `${url}/oauth2/sign_out?leave=1&of=shop.localhost`)
    },
  )

  await t.test('the password is asked for once more where a route of the second pool wants that', async (t) => {
    for (const host of ['shop', 'stock']) {
      const browser = client()
      await signIn(browser, at(host))
      t.equal((await browser.visit(at(host, '/pay'))).url, at(host, '/pay'), 'not before its time')
      world.clock.advance(601)
      const login = await chooseCognito(browser, await browser.visit(at(host, '/pay?order=1')))
      t.match(login.url, `${partners.url}/login`)
      const landed = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
      t.equal(landed.url, at(host, '/pay?order=1'))
      t.equal(landed.status, 200)
      t.ok(browser.trail.some((step) => step.startsWith(`${url}/oauth2/callback/partners?`)))
      // The other host of the pool has a copy of the session of before.
      const other = host === 'shop' ? 'stock' : 'shop'
      t.equal((await browser.visit(at(other, '/pay'))).url, at(other, '/pay'), other)
    }
  })

  await t.test(
    'a person of a second pool signs in as somebody else, and is that on all hosts of the pool',
    async (t) => {
      const browser = client()
      await signIn(browser, at('shop'))
      await browser.visit(at('stock'))
      await browser.signIn(at('wiki'))
      const before = browser.jarOf(new URL(at('stock')).host).get('__Host-gateway') ?? ''
      const out = await browser.visit(at('stock', '/oauth2/sign_out'))
      // As the page of a refusal does.
      const switched = await browser.submit(out, { switch: '1', rd: '/page' })
      const login = await chooseCognito(browser, switched)
      t.match(login.url, `${partners.url}/`, 'the password is asked for')
      const landed = await browser.submit(login, { username: 'carol', password: 'Passw0rd!' })
      t.equal(landed.url, at('stock', '/page'))
      for (const host of ['stock', 'shop']) {
        await browser.visit(at(host, '/page'))
        t.equal((await browser.ask(at(host, '/oauth2/userinfo'))).json().email, 'carol@partner.example', host)
      }
      const copied = { headers: { cookie: `__Host-gateway=${before}` } }
      t.equal((await client().ask(at('stock', '/page'), copied)).status, 401)
      t.equal((await browser.ask(at('wiki', '/page'))).status, 200, "which is nothing to the other pool's session")
    },
  )

  await t.test(
    'a session that is taken to a browser which no longer waits for it ends with its refresh token',
    async (t) => {
      const browser = client()
      const login = await chooseCognito(browser, await browser.visit(at('shop', '/page')))
      let step = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' }, { follow: false })
      const next = (): string => new URL(step.header('location') ?? '', step.url).href
      while (!next().startsWith(at('shop', '/oauth2/handover'))) step = await browser.ask(next(), { headers: PAGE })
      browser.jarOf(new URL(at('shop')).host).clear()
      const revoked = partners.calls['revoke'] ?? 0
      const answer = await browser.ask(next(), { headers: PAGE })
      t.match(answer.header('location'), '/oauth2/', 'the sign-in begins anew')
      await until(() => (partners.calls['revoke'] ?? 0) === revoked + 1)
    },
  )

  await t.test('L25 a callback of one pool takes nothing of another', async (t) => {
    const browser = client()
    const login = await browser.visit(at('shop', '/oauth2/start?rd=/'))
    const back = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' }, { follow: false })
    const callback = new URL(back.header('location') ?? '')
    const before = calls(pool)
    for (const place of [
      at('shop', '/oauth2/callback'),
      at('shop', '/oauth2/callback/partners'),
      `${url}/oauth2/callback`,
    ]) {
      const refused = await browser.ask(place + callback.search, { headers: PAGE })
      t.equal(refused.header('x-gateway-code'), 'GW_SIGN_IN_STATE_INVALID', place)
    }
    t.equal(calls(pool), before)
  })

  await t.test('A12 C05 a session or token of one pool is nobody at an application of the other', async (t) => {
    const browser = client()
    await browser.signIn(at('wiki'))
    const [[, cookie = ''] = []] = browser.jarOf(new URL(at('wiki')).host)
    t.ok(cookie)
    const copied = await client().ask(at('shop', '/page'), { headers: { cookie: `__Host-gateway=${cookie}` } })
    t.equal(copied.status, 401)
    const { access_token: staffToken } = (await pool.issueTokens({
      clientId: CLIENT_ID,
      username: 'alice',
    })) as never as {
      access_token: string
    }
    const { access_token: partnerToken } = (await partners.issueTokens({
      clientId: 'partnersclient',
      username: 'alice',
    })) as never as { access_token: string }
    const asks = [
      [at('wiki'), staffToken, 200],
      [at('shop'), partnerToken, 200],
      [at('wiki'), partnerToken, 403],
      [at('shop'), staffToken, 403],
    ] as const
    for (const [place, token, status] of asks)
      t.equal((await client().ask(place, { headers: { authorization: `Bearer ${token}` } })).status, status, place)
  })

  await t.test('a rule that names several pools takes the session of its own, and tokens of each', async (t) => {
    const browser = client()
    await signIn(browser, at('shop', '/both'))
    t.equal((await browser.ask(at('shop', '/both'))).status, 200)
    const { access_token: staffToken } = (await pool.issueTokens({
      clientId: CLIENT_ID,
      username: 'alice',
    })) as never as {
      access_token: string
    }
    const headers = { authorization: `Bearer ${staffToken}` }
    t.equal((await client().ask(at('shop', '/both'), { headers })).status, 200)
    t.equal((await client().ask(at('shop', '/page'), { headers })).status, 403)
  })

  await t.test('a program is one of the pool that lists its app client, with its password or a token', async (t) => {
    const password = Buffer.from(`partner-batch:${BATCH_SECRET}`).toString('base64')
    const answer = await client().ask(`${partners.url}/oauth2/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', authorization: `Basic ${password}` },
      body: 'grant_type=client_credentials',
    })
    for (const authorization of [`Basic ${password}`, `Bearer ${answer.json().access_token}`]) {
      const asked = calls(pool)
      t.equal((await client().ask(at('feed', '/api'), { headers: { authorization } })).status, 200, authorization)
      t.equal(calls(pool), asked, "nobody asks the other pool, which would learn the client's secret")
    }
    const other = await client().ask(at('shop', '/page'), {
      headers: { authorization: `Bearer ${answer.json().access_token}` },
    })
    t.equal(other.status, 403, 'two app clients of one user pool are two pools to applications')
  })

  await t.test('claims of each are renewed at its own pool', async (t) => {
    const browser = client()
    await signIn(browser, at('shop'))
    const before = [calls(pool), calls(partners)]
    world.clock.advance(301)
    t.equal((await browser.visit(at('shop', '/page'))).status, 200)
    t.same([calls(pool), calls(partners)], [before[0], (before[1] ?? 0) + 1])
  })

  await t.test(
    'people choose their identity provider where there are several, but where the application has chosen',
    async (t) => {
      const browser = client()
      const choice = await browser.visit(at('stock', '/page'))
      t.equal(choice.url, at('shop', `/oauth2/sign_in?rd=${encodeURIComponent(at('stock', '/page'))}`))
      t.match(choice.text, 'PartnerSaml')
      t.match(choice.text, /Stock &#38; more/, 'for the application to which they want')
      t.match(choice.text, `src="${at('stock', '/logo.png')}"`)
      t.match(choice.header('content-security-policy'), `img-src ${new URL(at('stock')).origin};`)
      await browser.visit(at('saml', '/page'))
      const authorize = browser.trail.find((step) => step.startsWith(`${partners.url}/oauth2/authorize`)) ?? ''
      t.equal(new URL(authorize).searchParams.get('identity_provider'), 'PartnerSaml')
    },
  )

  await t.test('check --live asks each pool for the addresses that are its own', async (t) => {
    const { out } = await runHere(check, ['--config', world.settingsFile, '--live'])
    t.match(out, `${url}/oauth2/callback/partners\n`)
    t.notMatch(out, /is not registered/)
    t.equal(out.split(`${url}/oauth2/signed_out`).length, 3, 'both come back to the same page')
  })

  await t.test('metrics and log name the pool', async (t) => {
    const metrics = await world.metrics()
    t.match(metrics, /logins_total\{pool="partners",result="signed_in",reason=""\} [1-9]/)
    t.match(metrics, /circuit_open\{target="pool\/partners"\} 0/)
    t.match(world.log.join(''), /"event":"signed_in"[^\n]*"pool":"partners"/)
  })
})

t.test('where the pages of a second pool ask for no password, its own session is ended first', async (t) => {
  const { at, clock, partners, client } = await startTwoPools(t, { classicPages: true })
  const browser = client()
  await signIn(browser, at('stock'))
  clock.advance(601)
  const login = await chooseCognito(browser, await browser.visit(at('stock', '/pay?order=1')))
  t.match(login.url, `${partners.url}/`)
  const landed = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, at('stock', '/pay?order=1'))
  t.equal(landed.status, 200)
})
