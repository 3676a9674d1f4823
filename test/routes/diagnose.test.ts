import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const world = await startWorld(t)
const { url, clock } = world
const host = new URL(url).host
const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }
/** The words of a page, without its markup. */
const words = (html: string): string =>
  html
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replaceAll(/<[^>]*>/g, ' ')
    .replaceAll(/\s+/g, ' ')

t.test('somebody who was never here learns that there is nothing, and the time', async (t) => {
  const answer = await world.client().ask(`${url}/oauth2/diagnose`, { headers: page })
  t.equal(answer.status, 200)
  t.equal(answer.header('cache-control'), 'no-store')
  const text = words(answer.text)
  t.match(text, 'You are not signed in.')
  t.match(text, 'None of ours.')
  t.match(text, `Ours says ${new Date(clock.now()).toISOString().slice(0, 19).replace('T', ' ')} UTC`)
  t.match(text, /Reference [\da-f-]{36} · version test/)
  t.match(answer.text, `data-now="${clock.now()}"`)
})

t.test('a refused sign-in leads to the page that tells how it ended, in the words of the log', async (t) => {
  const browser = world.client()
  const start = await browser.ask(`${url}/oauth2/start?rd=/page`, { headers: page })
  const state = new URL(start.header('location') ?? '').searchParams.get('state') ?? ''
  t.match(words((await browser.ask(`${url}/oauth2/diagnose`, { headers: page })).text), 'sent to the sign-in page')
  const refused = await browser.ask(`${url}/oauth2/callback?state=${state}&error=access_denied`, { headers: page })
  const [, link = '', attempt = ''] = /href="(\/oauth2\/diagnose\?attempt=([\w-]{8}))"/.exec(refused.text) ?? []
  const reference = /Reference ([\da-f-]{36})/.exec(refused.text)?.[1] ?? 'none'
  t.match(world.log.join(''), `"attempt":"${attempt}"`)
  const text = words((await browser.ask(url + link, { headers: page })).text)
  t.match(text, `came back from the sign-in page: ended with GW_SIGN_IN_CANCELLED, reference ${reference}`)
})

t.test(
  'who is signed in learns how long; cookies are told by name and size, and what is wrong with them',
  async (t) => {
    const browser = world.client()
    await browser.signIn(`${url}/page`)
    const session = browser.jarOf(host).get('__Host-gateway') ?? ''
    const text = words((await browser.ask(`${url}/oauth2/diagnose`, { headers: page })).text)
    t.match(text, 'You are signed in, for 720 minutes at most, and 480 minutes if you do nothing.')
    t.match(text, `__Host-gateway , ${session.length + '__Host-gateway='.length} bytes`)
    const odd = `theirs=1; __Host-gateway=${session}; __Host-gateway=x; __host-gateway-login-<b>=1; __HOST-GATEWAY.7=2`
    const answer = await sendRaw(
      world.port,
      `GET /oauth2/diagnose HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\nAccept: text/html\r\nCookie: ${odd}\r\n\r\n`,
    )
    const told = words(answer.body)
    t.match(told, '__Host-gateway , 16 bytes: sent more than once')
    t.match(told, '__HOST-GATEWAY.7 , 18 bytes: malformed')
    t.match(told, `2 cookies of others. All cookies together ${odd.length} bytes; all headers together may have 65536.`)
    t.match(told, 'Your browser sent a session that is not valid here.')
    clock.advance(43_300)
    t.match(words((await browser.ask(`${url}/oauth2/diagnose`, { headers: page })).text), 'Your session is over.')
  },
)

t.test('G01 the page for help holds no value of a cookie, no person, and nothing that was sent to it', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  await browser.ask(`${url}/oauth2/start?rd=/page`, { headers: page })
  const { text } = await browser.ask(`${url}/oauth2/diagnose?attempt=%3Cscript%3E&x=canary-query`, {
    headers: { ...page, 'user-agent': 'canary-agent' },
  })
  t.match(text, '__Host-gateway-login-')
  const values = [...browser.jarOf(host).values()].filter((value) => value.length > 16)
  t.ok(values.length >= 2)
  for (const value of values) t.notMatch(text, value.slice(0, 24))
  for (const canary of ['alice', 'canary', '127.0.0.1', world.pool.url, world.application.url]) t.notMatch(text, canary)
})

t.test('asking after sign-ins is limited as guesses at the callback are', async (t) => {
  const limited = await startWorld(t, { settings: { limits: { signInsPerMinutePerAddress: 2 } } })
  const ask = async (attempt: string) =>
    (await limited.client().ask(`${limited.url}/oauth2/diagnose${attempt}`, { headers: page })).status
  t.same(
    [await ask('?attempt=AAAAAAAA'), await ask('?attempt=AAAAAAAB'), await ask('?attempt=AAAAAAAC')],
    [200, 200, 429],
  )
  t.equal(await ask(''), 200)
})
