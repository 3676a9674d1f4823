import type { IncomingMessage, ServerResponse } from 'node:http'
import t from 'tap'
import type { Client, Reply } from '../helpers/client.ts'
import { startWorld, type World } from '../helpers/world.ts'

const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }

/** Sets the cookies that the query of its address says. */
function answer({ url = '' }: IncomingMessage, response: ServerResponse): void {
  const set = new URL(url, 'http://application').searchParams.getAll('set')
  if (set.length > 0) response.setHeader('set-cookie', set)
  response.end('answered')
}

async function startBound(t: Parameters<typeof startWorld>[0], bindCookies = ['JSESSIONID']): Promise<World> {
  return startWorld(t, {
    settings: {
      applications: {
        sample: {
          upstream: '%UPSTREAM%',
          access: 'signedIn',
          bindCookies,
          routes: {
            public: { path: '/public/*', access: 'public' },
            maybe: { path: '/maybe/*', access: 'optional' },
          },
        },
      },
    },
    answer,
  })
}

const setting = (path: string, ...cookies: readonly string[]): string =>
  `${path}?${cookies.map((cookie) => `set=${encodeURIComponent(cookie)}`).join('&')}`

/** Someone else signs in with the same browser; nobody signed out. */
async function signInAs(browser: Client, username: string): Promise<Reply> {
  browser.jarOf(new URL(world.pool.url).host).clear()
  const form = await browser.visit(`${world.url}/oauth2/start?rd=/page`)
  return browser.submit(form, { username, password: 'Passw0rd!' })
}

const world = await startBound(t)
const { url, application } = world
const { host } = new URL(url)

const setCookies = (reply: Reply): readonly string[] => [reply.headers['set-cookie'] ?? []].flat()
const deletions = (reply: Reply): readonly string[] =>
  setCookies(reply).filter((line) => line.startsWith('JSESSIONID=;'))

t.test("a person's cookie of the application is never sent with the session of another", async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`, 'bob')
  await browser.ask(url + setting('/page', 'JSESSIONID=of-bob; Path=/; HttpOnly', 'theme=dark'), { headers: page })
  await browser.ask(`${url}/page`)
  t.equal(application.last().headers.cookie, 'JSESSIONID=of-bob; theme=dark', 'bob goes on with his own')

  await signInAs(browser, 'alice')
  t.equal(application.last().headers['x-forwarded-email'], 'alice@example.com')
  t.notMatch(application.last().headers.cookie, 'of-bob', 'with the first page already')
  t.equal(browser.jarOf(host).get('JSESSIONID'), undefined, 'and the browser has forgotten it')
  t.match(application.last().headers.cookie, 'theme=dark', 'other cookies stay')

  await browser.ask(url + setting('/page', 'JSESSIONID=of-alice; Path=/'))
  await browser.ask(`${url}/page`)
  t.match(application.last().headers.cookie, 'JSESSIONID=of-alice')
})

t.test('a cookie is taken out of the browser at the place where it was set', async (t) => {
  for (const [attributes, place] of [
    ['; Path=/', 'Path=/; Secure'],
    ['; Path=/wiki', 'Path=/wiki; Secure'],
    ['; Path=/wiki; Domain=.LocalHost', 'Path=/wiki; Domain=localhost; Secure'],
    ['', 'Path=/wiki/old; Secure'],
    ['; Path=relative', 'Path=/wiki/old; Secure'],
    ['; path = /a ; PATH=/b', 'Path=/b; Secure'],
  ] as const) {
    const browser = world.client()
    await browser.signIn(`${url}/page`, 'bob')
    await browser.ask(url + setting('/wiki/old/page', `JSESSIONID=of-bob${attributes}`))
    const companions = [...browser.jarOf(host)].filter(([name]) => name.includes('-bound-'))
    const other = world.client()
    await other.signIn(`${url}/page`, 'alice')
    for (const [name, value] of [...companions, ['JSESSIONID', 'of-bob'] as const]) other.jarOf(host).set(name, value)
    const reply = await other.ask(`${url}/wiki/old/page`)
    t.same(deletions(reply), [`JSESSIONID=; Max-Age=0; ${place}`], attributes)
    t.notMatch(application.last().headers.cookie ?? '', 'of-bob')
  }
})

t.test('a cookie of unknown origin is withheld, and looked for in every folder on the way', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  browser.jarOf(host).set('JSESSIONID', 'planted')
  const reply = await browser.ask(`${url}/wiki/page`)
  t.equal(application.last().headers.cookie, undefined)
  t.same(
    deletions(reply).map((line) => /Path=([^;]*)/.exec(line)?.[1]),
    ['/', '/wiki', '/wiki/', '/wiki/page', '/wiki/page/'],
  )
  t.equal(reply.header('cache-control'), 'private, no-cache')
})

t.test('another value in the place of a bound cookie is withheld, whoever put it there', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  await browser.ask(url + setting('/page', 'JSESSIONID=true-one; Path=/'))
  const jar = browser.jarOf(host)
  for (const cookie of ['JSESSIONID=tossed', 'jsessionid=tossed', 'JSESSIONID =tossed', 'JSESSIONID="true-one"']) {
    const companions = [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
    await world.client().ask(`${url}/page`, { headers: { cookie: `${cookie}; ${companions}` } })
    t.equal(application.last().headers.cookie, 'JSESSIONID=true-one', cookie)
  }
})

t.test('nobody can write or move the note of whose a cookie is', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  await browser.ask(url + setting('/page', 'JSESSIONID=mine; Path=/'))
  const jar = browser.jarOf(host)
  const [name = '', note = ''] = [...jar].find(([one]) => one.includes('-bound-')) ?? []
  t.ok(note.length < 400, 'and it is small')
  t.notMatch(note, 'mine')
  const session = `__Host-gateway=${jar.get('__Host-gateway')}`
  for (const [what, cookie] of [
    ['under another name', `__Host-gateway-bound-AAAAAAAA=${note}`],
    ['changed', `${name}=${note.slice(0, -1)}${note.endsWith('A') ? 'B' : 'A'}`],
    ['shortened', `${name}=${note.slice(0, -4)}`],
    ['a session instead', `${name}=${jar.get('__Host-gateway')}`],
    ['none', 'other=cookie'],
  ] as const) {
    await world.client().ask(`${url}/page`, { headers: { cookie: `${session}; ${cookie}; JSESSIONID=mine` } })
    t.notMatch(application.last().headers.cookie ?? '', 'JSESSIONID', what)
  }
  await world.client().ask(`${url}/page`, { headers: { cookie: `${session}; ${name}=${note}; JSESSIONID=mine` } })
  t.equal(application.last().headers.cookie, 'JSESSIONID=mine', 'as it was, it counts')
})

t.test('a cookie from before the sign-in goes to the first who signs in, and to nobody after', async (t) => {
  const browser = world.client()
  await browser.ask(url + setting('/public/login-page', 'JSESSIONID=anonymous; Path=/'))
  await browser.signIn(`${url}/page`, 'bob')
  t.equal(application.last().headers.cookie, 'JSESSIONID=anonymous')
  await browser.ask(`${url}/public/x`)
  t.equal(application.last().headers.cookie, 'JSESSIONID=anonymous', 'public routes ask nobody')

  await signInAs(browser, 'alice')
  t.notMatch(application.last().headers.cookie ?? '', 'JSESSIONID')
})

t.test('a public route cannot be used to pass on what belongs to another', async (t) => {
  for (const renewed of ['of-bob', 'of-bob-in-new-words']) {
    const browser = world.client()
    await browser.signIn(`${url}/page`, 'bob')
    await browser.ask(url + setting('/page', 'JSESSIONID=of-bob; Path=/'))
    browser.jarOf(host).delete('__Host-gateway')
    await browser.ask(url + setting('/public/x', `JSESSIONID=${renewed}; Path=/`))
    await signInAs(browser, 'alice')
    t.notMatch(application.last().headers.cookie ?? '', 'JSESSIONID', renewed)
  }
  const browser = world.client()
  browser.jarOf(host).set('JSESSIONID', 'planted')
  await browser.ask(url + setting('/public/x', 'JSESSIONID=planted; Path=/'))
  await browser.signIn(`${url}/page`, 'alice')
  t.notMatch(application.last().headers.cookie ?? '', 'JSESSIONID', 'nor what came from nobody knows where')
})

t.test('who is not signed in any more takes no cookie of their session to an optional route', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  await browser.ask(url + setting('/maybe/x', 'JSESSIONID=of-alice; Path=/'))
  await browser.ask(`${url}/maybe/x`)
  t.equal(application.last().headers.cookie, 'JSESSIONID=of-alice')
  browser.jarOf(host).delete('__Host-gateway')
  await browser.ask(`${url}/maybe/x`)
  t.equal(application.last().headers.cookie, undefined)
})

t.test('a renewed session keeps its cookies, and so does a cookie that the application renews', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  await browser.ask(url + setting('/page', 'JSESSIONID=one; Path=/; Max-Age=7200'))
  world.clock.advance(400)
  await browser.ask(url + setting('/page', 'JSESSIONID=two; Path=/; Expires=Fri, 31 Dec 2199 23:59:59 GMT'))
  t.equal(application.last().headers.cookie, 'JSESSIONID=one')
  await browser.ask(`${url}/page`)
  t.equal(application.last().headers.cookie, 'JSESSIONID=two')
})

t.test('the note of whose a cookie is lives as long as the cookie', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  const noteOf = async (cookie: string) =>
    setCookies(await browser.ask(url + setting('/page', cookie))).find((line) => line.includes('-bound-'))
  t.match(await noteOf('JSESSIONID=x; Path=/; Max-Age=7200'), /; Max-Age=7200; Path=\/; Secure; HttpOnly/)
  t.match(await noteOf('JSESSIONID=x; Path=/; Max-Age=7200; Expires=Thu, 01 Jan 1970 00:00:00 GMT'), 'Max-Age=7200')
  t.notMatch(await noteOf('JSESSIONID=x; Path=/'), 'Max-Age')
  t.match(await noteOf('JSESSIONID=x; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT'), '-bound-')
  t.equal([...browser.jarOf(host).keys()].filter((name) => name.includes('-bound-')).length, 0)
})

t.test('a sign-out takes bound cookies out of the browser too', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  await browser.ask(url + setting('/page', 'JSESSIONID=of-alice; Path=/', 'theme=dark'))
  await browser.submit(await browser.visit(`${url}/oauth2/sign_out`), {})
  t.same([...browser.jarOf(host)], [['theme', 'dark']])
})

t.test('applications that bind no cookies are not watched', async (t) => {
  const { url: unwatched, client } = await startBound(t, [])
  const browser = client()
  await browser.signIn(`${unwatched}/page`)
  const reply = await browser.ask(unwatched + setting('/page', 'JSESSIONID=x; Path=/'))
  t.same(setCookies(reply), ['JSESSIONID=x; Path=/'])
})
