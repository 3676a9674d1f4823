import t from 'tap'
import type { Client } from '../helpers/client.ts'
import { startHosts } from '../helpers/hosts.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { askedBy, ask } from '../helpers/questions.ts'

const PAGE = { 'sec-fetch-dest': 'document', accept: 'text/html' }
const COOKIE = '__Host-gateway'

const world = await startHosts(t, 3, { settings: askedBy('nginx') })
const { url, at, pool, client, clock } = world
const cookieAt = (browser: Client, address: string): string => browser.jarOf(new URL(address).host).get(COOKIE) ?? ''
const withCookie = async (address: string, cookie: string) =>
  (await client().ask(address, { headers: { cookie: `${COOKIE}=${cookie}` } })).status

/** The address to which a host sends a page that needs a session, and what of the browser's was set for it. */
async function begin(browser: Client, number: number): Promise<string> {
  const start = await browser.ask(at(number, '/oauth2/start?rd=/page'), { headers: PAGE })
  return start.header('location') ?? ''
}

t.test(
  "C08 L04 nobody's session gets into another's browser, nor out of it, by an address that was sent to them",
  async (t) => {
    const [victim, attacker] = [client(), client()]
    await victim.signIn(at(1))
    await attacker.signIn(at(1), 'bob')

    // The attacker's session, for an attempt of the attacker's, opened by the victim.
    const pushed = await attacker.ask(await begin(attacker, 3), { headers: PAGE })
    const opened = await victim.ask(pushed.header('location') ?? '', { headers: PAGE })
    t.match(opened.header('location'), `${url}/oauth2/handover`, 'the victim begins anew')
    t.equal(cookieAt(victim, at(3)), '')
    await victim.visit(opened.header('location') ?? '')
    t.equal((await victim.ask(at(3, '/oauth2/userinfo'))).json().email, 'alice@example.com')

    // An attempt of the attacker's, for which the victim's session is handed over: by then it is worth nothing.
    const lured = await victim.ask(await begin(attacker, 2), { headers: PAGE })
    const carried = lured.header('location') ?? ''
    await victim.ask(carried, { headers: PAGE })
    const stolen = await attacker.ask(carried, { headers: PAGE })
    t.match(stolen.header('location'), `${url}/oauth2/handover`)
    t.equal(cookieAt(attacker, at(2)), '')
  },
)

t.test('L25 what is carried between hosts is no callback, and a callback no hand-over', async (t) => {
  const browser = client()
  const visit = new URL(await begin(browser, 3)).searchParams.get('for') ?? ''
  const calls = pool.calls['token'] ?? 0
  for (const address of [at(3), url]) {
    const query = new URLSearchParams({ state: visit, code: 'c0de' }).toString()
    const answer = await browser.ask(`${new URL(address).origin}/oauth2/callback?${query}`, { headers: PAGE })
    t.equal(answer.header('x-gateway-code'), 'GW_SIGN_IN_STATE_INVALID', address)
  }
  t.equal(pool.calls['token'] ?? 0, calls)

  const login = await browser.ask(`${url}/oauth2/start?rd=/`, { headers: PAGE })
  const state = new URL(login.header('location') ?? '').searchParams.get('state') ?? ''
  for (const query of [`for=${state}`, `state=${state}&session=x`]) {
    const answer = await browser.ask(`${url}/oauth2/handover?${query}`, { headers: PAGE })
    t.equal(answer.header('x-gateway-code'), 'GW_SIGN_IN_STATE_INVALID', query.slice(0, 6))
  }
})

t.test('L25 a session that was ended while it was handed over is none where it arrives', async (t) => {
  const browser = client()
  await browser.signIn(at(1))
  const given = await browser.ask(await begin(browser, 3), { headers: PAGE })
  await browser.submit(await browser.visit(at(1, '/oauth2/sign_out')), {}, { follow: false })
  await browser.ask(given.header('location') ?? '', { headers: PAGE })
  t.equal((await browser.ask(at(3, '/api'))).status, 401)
})

t.test('C09 C08 a session that another one takes the place of on one host is over on all', async (t) => {
  const browser = client()
  await browser.signIn(at(1))
  await browser.visit(at(3))
  const before = cookieAt(browser, at(3))
  // As if its owner had deleted the cookies of that host alone, and somebody else signed in there.
  browser.jarOf(new URL(url).host).clear()
  browser.jarOf(new URL(pool.url).host).clear()
  await browser.signIn(`${url}/oauth2/start?rd=/`, 'bob')
  await browser.visit(at(1, '/oauth2/start?rd=/'))
  t.equal((await browser.ask(at(1, '/oauth2/userinfo'))).json().email, 'bob@example.com')
  t.equal(await withCookie(at(3, '/page'), before), 401)
})

t.test('a page that wants a recent sign-in gets one on every host, and not the old one handed over', async (t) => {
  const browser = client()
  await browser.signIn(at(1))
  await browser.visit(at(3))
  clock.advance(700)
  const asked = await browser.visit(at(3, '/pay'))
  t.match(asked.url, `${pool.url}/`, 'the password is asked for')
  const landed = await browser.submit(asked, { username: 'alice', password: 'Passw0rd!' })
  t.equal(landed.url, at(3, '/pay'))
  t.equal(landed.status, 200)
  t.equal((await browser.visit(at(2, '/pay'))).status, 200, 'which is one for all hosts')
  t.notOk(browser.trail.some((step) => step.startsWith(pool.url)))
})

t.test('a proxy in front is told to sign people in at the host that they asked for', async (t) => {
  const headers = ['Sec-Fetch-Dest: document', 'Accept: text/html']
  const host = new URL(at(3)).host
  const answer = await ask(world, 'nginx', { target: '/page', host, headers })
  t.equal(answer.status, 401)
  t.equal(answer.header('x-gateway-sign-in'), at(3, '/oauth2/start?rd=%2Fpage'))
  const browser = client()
  await browser.signIn(answer.header('x-gateway-sign-in') ?? '')
  const cookie = (at: string) => [...headers, `Cookie: ${COOKIE}=${cookieAt(browser, at)}`]
  t.equal((await ask(world, 'nginx', { target: '/page', host, headers: cookie(at(3)) })).status, 202)
  t.equal((await ask(world, 'nginx', { target: '/page', host, headers: cookie(url) })).status, 401, 'C05')
})

t.test('C23 in Redis the name that one host holds opens nothing on another', { skip: noRedis ?? false }, async (t) => {
  const { url: redisUrl } = await startRedis(t)
  const shared = await startHosts(t, 2, { session: { store: 'redis' }, redisUrl })
  const browser = shared.client()
  await browser.signIn(shared.at(1))
  const held = [shared.url, shared.at(1)].map((address) => browser.jarOf(new URL(address).host).get(COOKIE) ?? '')
  t.notMatch(held[1] ?? '', held[0] ?? '')
  for (const cookie of held)
    t.equal(
      (await shared.client().ask(shared.at(2, '/api'), { headers: { cookie: `${COOKIE}=${cookie}` } })).status,
      401,
    )
})
