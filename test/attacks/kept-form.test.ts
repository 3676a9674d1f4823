import t from 'tap'
import type { Client, Reply } from '../helpers/client.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld, type World } from '../helpers/world.ts'

const world = await startWorld(t)
const { url, clock, application } = world
const host = new URL(url).host
const NAVIGATION = { 'sec-fetch-dest': 'document', 'sec-fetch-mode': 'navigate' }
const OWN = { ...NAVIGATION, 'sec-fetch-site': 'same-origin', origin: url }
const FORM = { 'content-type': 'application/x-www-form-urlencoded' }

/** A person whose session has been idle for too long. */
async function ended(on: World = world, username = 'alice'): Promise<Client> {
  const browser = on.client()
  await browser.signIn(`${on.url}/`, username)
  on.clock.advance(28_801)
  return browser
}
const post = async (
  browser: Client,
  headers: Readonly<Record<string, string>>,
  body = 'a=canary&b=2',
): Promise<Reply> => browser.ask(`${url}/form?x=1`, { method: 'POST', headers, body })
const sealedIn = (page: Reply): string | undefined => /data-sealed="([^"]+)"/.exec(page.text)?.[1]
const isKept = (page: Reply): boolean => sealedIn(page) !== undefined

async function kept(body?: string): Promise<string> {
  return sealedIn(await post(await ended(), { ...OWN, ...FORM }, body)) ?? ''
}
/** What somebody who is signed in gets for a sealed text. */
async function brought(
  browser: Client,
  sealed: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  const page = await browser.ask(`${url}/oauth2/resume`, { headers: NAVIGATION })
  const csrf = /name="csrf" value="([^"]+)"/.exec(page.text)?.[1] ?? ''
  return browser.ask(`${url}/oauth2/resume`, {
    method: 'POST',
    headers: { ...OWN, ...FORM, ...headers },
    body: new URLSearchParams({ csrf, sealed }).toString(),
  })
}
async function signedIn(username = 'alice'): Promise<Client> {
  const browser = world.client()
  await browser.signIn(`${url}/`, username)
  return browser
}

t.test('a form is kept for a page of its own origin whose session has ended, and for nobody else', async (t) => {
  const page = await post(await ended(), { ...OWN, ...FORM })
  t.equal(page.status, 401)
  t.equal(page.header('cache-control'), 'no-store')
  t.match(page.header('content-security-policy'), /default-src 'none'; style-src 'sha256-[^']+'; script-src 'self'; /)
  t.ok(isKept(page))
  t.notMatch(page.text, 'canary', 'and nothing of it stands in the page in clear')
  t.equal(page.header('set-cookie'), undefined)
  const older = await post(await ended(), { origin: url, accept: 'text/html', ...FORM })
  t.ok(isKept(older), 'a browser without Fetch Metadata is known by its Origin')

  const browser = await ended()
  const refused: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
    ['of another site', { ...OWN, 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' }],
    ['of a sister site', { ...OWN, 'sec-fetch-site': 'same-site', origin: 'https://other.example.com' }],
    ['without origin', NAVIGATION],
    ['of an opaque origin', { ...OWN, origin: 'null' }],
    ['of an opaque origin in an older browser', { origin: 'null', accept: 'text/html' }],
    ['that says two things', { ...OWN, origin: 'https://evil.example' }],
    ['typed by nobody', { ...NAVIGATION, 'sec-fetch-site': 'none' }],
    ['of a frame', { ...OWN, 'sec-fetch-dest': 'iframe' }],
  ]
  for (const [what, headers] of refused) {
    const answer = await post(browser, { ...headers, ...FORM })
    t.equal(answer.status, 401, what)
    t.notOk(isKept(answer), what)
  }
  for (const headers of [
    { ...OWN, 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' },
    { accept: 'text/html', 'x-requested-with': 'XMLHttpRequest', origin: url },
  ]) {
    const answer = await post(browser, { ...headers, ...FORM })
    t.match(answer.json(), { code: 'GW_SIGN_IN_REQUIRED', signIn: `${url}/oauth2/start?rd=%2F` })
    t.equal(answer.header('www-authenticate'), 'Bearer', 'a program of an ended session is told so')
  }
  t.notOk(isKept(await post(world.client(), { ...OWN, ...FORM })), 'no session')
  const claims = Buffer.from(JSON.stringify({ iss: world.pool.issuer })).toString('base64url')
  const bearer = await post(browser, { ...OWN, ...FORM, authorization: `Bearer e30.${claims}.AAAA` })
  t.notOk(isKept(bearer), 'bearer')
  browser.jarOf(host).set('__Host-gateway', `${browser.jarOf(host).get('__Host-gateway')}A`)
  t.notOk(isKept(await post(browser, { ...OWN, ...FORM })), 'no session of ours')
})

t.test('nothing is kept once the person has signed out', async (t) => {
  const browser = await signedIn()
  const copy = browser.jarOf(host).get('__Host-gateway') ?? ''
  const page = await browser.visit(`${url}/oauth2/sign_out`)
  await browser.submit(page, {}, { follow: false })
  browser.jarOf(host).set('__Host-gateway', copy)
  t.notOk(isKept(await post(browser, { ...OWN, ...FORM })))
  t.notOk(browser.jarOf(host).has('__Host-gateway'))
})

t.test('C11 a session that has come of age still tells whose form it was, for a day', async (t) => {
  const browser = await signedIn()
  for (let hours = 1; hours < 12; hours += 1) {
    clock.advance(3_600)
    const answer = await browser.ask(`${url}/`)
    t.equal(answer.status, 200)
    t.match(answer.header('set-cookie'), `Max-Age=${(12 - hours + 24) * 3_600};`)
  }
  clock.advance(3_600)
  t.ok(isKept(await post(browser, { ...OWN, ...FORM })))
})

t.test('what cannot be kept is not read, and the page says why', async (t) => {
  const browser = await ended()
  const large = await post(browser, { ...OWN, ...FORM }, `a=${'x'.repeat(70_000)}`)
  t.match(large.text, 'nothing was sent')
  t.match(large.text, 'too large to be kept')
  t.notOk(isKept(large))
  t.ok(isKept(await post(browser, { ...OWN, ...FORM }, `a=${'x'.repeat(65_534)}`)))
  const cookie = `Cookie: __Host-gateway=${browser.jarOf(host).get('__Host-gateway')}`
  const head = `POST /form HTTP/1.1\r\nHost: ${host}\r\nOrigin: ${url}\r\nAccept: text/html\r\n${cookie}\r\nContent-Type: application/x-www-form-urlencoded\r\n`
  const chunk = `1000\r\n${'x'.repeat(0x1000)}\r\n`
  const endless = await sendRaw(world.port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`)
  t.match(endless.body, 'too large to be kept', 'though it does not say how large it is')
  t.equal(endless.header('connection'), 'close')
  const announced = await sendRaw(world.port, `${head}Content-Length: 1000000\r\n\r\n`)
  t.match(announced.body, 'too large to be kept')
  for (const [type, body] of [
    ['multipart/form-data; boundary=x', '--x--'],
    ['text/plain', 'a=1'],
    ['application/json', '{}'],
    ['application/x-www-form-urlencoded', 'a=%00'],
    ['application/x-www-form-urlencoded', '&'.repeat(1_001)],
    ['application/x-www-form-urlencoded', 'a=\u00fc'],
  ] as const) {
    const answer = await post(browser, { ...OWN, 'content-type': type }, body)
    t.match(answer.text, 'nothing was sent', type)
    t.notOk(isKept(answer), `${type} ${body.slice(0, 10)}`)
  }
})

t.test('a sealed form opens for the same person, here, within ten minutes, and is only shown', async (t) => {
  const sealed = await kept('a=%3Cb%3Ecanary%22&password=canary-secret')
  const alice = await signedIn()
  const page = await brought(alice, sealed)
  t.equal(page.status, 200)
  t.match(page.text, 'action="/form?x=1" accept-charset="utf-8"')
  t.match(page.text, '<dd>&#60;b&#62;canary&#34;</dd>')
  t.match(page.text, '<dd>(not shown)</dd>')
  t.equal(page.header('cache-control'), 'no-store')

  const other = await startWorld(t)
  const foreign = sealedIn(
    await (
      await ended(other)
    ).ask(`${other.url}/form`, { method: 'POST', headers: { ...OWN, ...FORM, origin: other.url }, body: 'a=1' }),
  )
  const refused: readonly (readonly [string, Client, string])[] = [
    ['of somebody else', await signedIn('bob'), sealed],
    ['tampered with', alice, sealed.replace(/.$/, (last) => (last === 'A' ? 'Q' : 'A'))],
    ['cut short', alice, sealed.slice(0, -4)],
    ['of another gateway', alice, foreign ?? ''],
    ['a session', alice, alice.jarOf(host).get('__Host-gateway') ?? ''],
    ['nothing', alice, ''],
  ]
  for (const [what, browser, text] of refused) {
    const answer = await brought(browser, text)
    t.match(answer.text, 'data-gateway="forget"', what)
    t.notMatch(answer.text, 'canary', what)
  }
  clock.advance(600)
  const late = await brought(alice, sealed)
  t.match(late.text, 'these are over')
  t.notMatch(late.text, 'canary')
})

t.test('a kept form is brought back by our own page only', async (t) => {
  const sealed = await kept()
  const alice = await signedIn()
  for (const headers of [
    { 'sec-fetch-site': 'cross-site', origin: 'https://evil.example' },
    { 'sec-fetch-site': 'same-site' },
    { origin: 'null' },
  ])
    t.equal((await brought(alice, sealed, headers)).header('x-gateway-code'), 'GW_CROSS_ORIGIN')
  const body = new URLSearchParams({ csrf: 'A'.repeat(43), sealed }).toString()
  const forged = await alice.ask(`${url}/oauth2/resume`, { method: 'POST', headers: { ...OWN, ...FORM }, body })
  t.equal(forged.header('x-gateway-code'), 'GW_CSRF')
  const nobody = await brought(world.client(), sealed, { referer: `${url}/oauth2/resume` })
  t.equal(nobody.status, 401)
  t.match(nobody.text, 'rd=%2Foauth2%2Fresume', 'whoever is not signed in comes back to it')
  const huge = await brought(alice, 'x'.repeat(140_000))
  t.equal(huge.header('x-gateway-code'), 'GW_BODY_TOO_LARGE')
})

t.test('the script is one static file, and a stale page of another version is not kept', async (t) => {
  const page = await post(await ended(), { ...OWN, ...FORM })
  const src = /<script src="([^"]+)" defer><\/script>/.exec(page.text)?.[1] ?? ''
  t.equal(page.text.match(/<script/g)?.length, 1)
  const script = await world.client().ask(url + src)
  t.equal(script.header('content-type'), 'text/javascript; charset=utf-8')
  t.equal(script.header('x-content-type-options'), 'nosniff')
  t.match(script.header('cache-control'), 'max-age')
  t.equal((await world.client().ask(`${url}/oauth2/keep.js?other`)).header('cache-control'), 'no-store')
})

t.test('G01 no value of a form is in the log, and no form of an ended session reached the application', (t) => {
  t.notMatch(world.log.join(''), /canary/)
  t.equal(application.seen.filter(({ method }) => method === 'POST').length, 0)
  t.end()
})
