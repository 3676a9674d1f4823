import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { CONTROL_TOKEN, startWorld, type World } from '../helpers/world.ts'

const control = { port: 0, token: { file: 'control-token' } }
const world = await startWorld(t, { settings: { control } })
const { url, clock } = world
const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }

/** What the control port says of sign-ins. */
async function logins(query: string, on: World = world): Promise<readonly Record<string, any>[]> {
  const answer = await fetch(`${on.controlUrl}/logins${query}`, {
    headers: { authorization: `Bearer ${CONTROL_TOKEN}` },
  })
  return ((await answer.json()) as { logins: Record<string, any>[] }).logins
}
const linesOf = (attempt: string): readonly Record<string, unknown>[] =>
  world.log.map((line) => JSON.parse(line)).filter((line) => line['attempt'] === attempt)
/** Signs in up to the callback, whose address it gives back. */
async function comeBack() {
  const browser = world.client()
  const login = await browser.visit(`${url}/page`)
  const answer = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' }, { follow: false })
  return { browser, callback: answer.header('location') ?? '' }
}

t.test('a sign-in can be looked up by person, attempt and reference, with all that is known of it', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  const [record = {}, ...others] = await logins('?email=Alice@example.com')
  t.same(others, [])
  t.match(record, {
    attempt: /^[\w-]{8}$/,
    pool: 'local',
    stage: 'cookie_seen',
    result: 'signed_in',
    identityProvider: 'COGNITO',
    email: 'alice@example.com',
    client: '127.0.0.1',
    startedAt: new Date(clock.now()).toISOString(),
  })
  t.equal(record['references'].length, 2, 'the start and the callback')
  t.ok(record['cookieBytes'] > 500 && record['cookieBytes'] < 8_000)
  for (const query of [`sub=${record['sub']}`, `attempt=${record['attempt']}`, `reference=${record['references'][1]}`])
    t.same(await logins(`?${query}`), [record], query)
  t.same(await logins('?sub=nobody'), [])
  t.same(await logins(`?sub=${record['sub']}&email=bob@example.com`), [], 'both must fit')
  t.match(world.log.at(-1), '"event":"logins_read"')
  t.notMatch(world.log.at(-1), 'bob@example.com')
})

t.test('G07 without a token no page of a browser asks who signed in, and people do by its address', async (t) => {
  const { controlUrl } = await startWorld(t, { settings: { control: { host: '127.0.0.1', port: 0 } } })
  const asked = async (path: string, site: string) =>
    (await sendRaw(Number(new URL(controlUrl).port), `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${site}\r\n`)).status
  for (const site of ['cross-site', 'same-site']) {
    t.equal(await asked('/logins', `Sec-Fetch-Site: ${site}\r\nSec-Fetch-Mode: no-cors\r\n`), 403, site)
    t.equal(await asked('/reach', `Sec-Fetch-Site: ${site}\r\n`), 200, 'the empty form is no secret')
  }
  for (const site of ['', 'Sec-Fetch-Site: none\r\n', 'Sec-Fetch-Site: same-origin\r\n'])
    t.equal(await asked('/logins', site), 200, site)
})

t.test('every line of the log that a sign-in leaves carries its attempt', async (t) => {
  const browser = world.client()
  await browser.signIn(`${url}/page`)
  const [{ attempt } = { attempt: '' }] = await logins('')
  t.same(
    linesOf(attempt).map(({ event }) => event),
    (
      'sign_in_started request ' +
      'sign_in_came_back sign_in_exchanged sign_in_verified sign_in_session_set signed_in request'
    ).split(' '),
  )
})

t.test('the first request that brings the cookie back is counted, and no other', async (t) => {
  const seen = async (): Promise<number> =>
    Number(/login_stages_total\{stage="cookie_seen"\} (\d+)/.exec(await world.metrics())?.[1] ?? 0)
  const before = await seen()
  const { browser, callback } = await comeBack()
  await browser.ask(callback, { headers: page })
  t.equal(await seen(), before)
  t.match(await logins(''), [{ stage: 'session_set', result: 'signed_in' }])
  await browser.ask(`${url}/page`)
  t.equal(await seen(), before + 1)
  await browser.ask(`${url}/page`)
  t.equal(await seen(), before + 1)
  t.match(await logins(''), [{ stage: 'cookie_seen', result: 'signed_in' }])
  await browser.ask(callback, { headers: page })
  t.match(
    await logins(''),
    [{ stage: 'cookie_seen', result: 'signed_in' }],
    'opening the callback again changes nothing',
  )
})

t.test("what Cognito refused is told with its own error, cleaned, under the page's reference", async (t) => {
  const browser = world.client()
  const start = await browser.ask(`${url}/oauth2/start?rd=/page`)
  const state = new URL(start.header('location') ?? '').searchParams.get('state') ?? ''
  const words = `no\r\nway\u001b[31m \u202eback ${'x'.repeat(900)}`
  const refused = await browser.ask(
    `${url}/oauth2/callback?${new URLSearchParams({ state, error: 'access_denied', error_description: words })}`,
    { headers: page },
  )
  const reference = /Reference ([\da-f-]{36})/.exec(refused.text)?.[1] ?? ''
  const [record = {}] = await logins(`?reference=${reference}`)
  t.match(record, {
    stage: 'came_back',
    result: 'failed',
    code: 'GW_SIGN_IN_CANCELLED',
    reason: 'user_denied',
    detail: /^access_denied: no {2}way \[31m {2}back x+$/,
  })
  t.ok(record['detail'].length < 330)
  t.notMatch(JSON.stringify(record), state)
  t.same(
    linesOf(record['attempt']).map(({ event }) => event),
    ['sign_in_started', 'request', 'sign_in_came_back', 'fault', 'request'],
  )
})

t.test('what came back without a sign-in of ours can be looked up by its reference too', async (t) => {
  const refused = await world.client().ask(`${url}/oauth2/callback?code=abc&state=guessed`, { headers: page })
  const reference = /Reference ([\da-f-]{36})/.exec(refused.text)?.[1] ?? ''
  t.match(await logins(`?reference=${reference}`), [
    { attempt: null, result: 'failed', code: 'GW_SIGN_IN_STATE_INVALID', reason: 'state_mismatch' },
  ])
})

t.test('a sign-in whose attempt was gone, and the one begun in its place, are told from each other', async (t) => {
  const { browser, callback } = await comeBack()
  browser.jarOf(new URL(url).host).clear()
  await browser.ask(callback, { headers: page })
  const [next = {}] = await logins('')
  t.match(next, { result: 'under_way', stage: 'started', insteadOf: /^[\w-]{8}$/ })
  t.match(await logins(`?attempt=${next['insteadOf']}`), [{ result: 'restarted', stage: 'came_back' }])
})

t.test('a sign-in that could not begin because Cognito was away is counted and can be looked up', async (t) => {
  const away = await startWorld(t, { poolAway: true, settings: { control } })
  const refused = await away.client().ask(`${away.url}/oauth2/start?rd=/page`, { headers: page })
  t.equal(refused.status, 503)
  const reference = /Reference ([\da-f-]{36})/.exec(refused.text)?.[1] ?? ''
  t.match(await logins(`?reference=${reference}`, away), [
    { result: 'failed', stage: 'started', code: 'GW_POOL_UNAVAILABLE', reason: 'pool_error' },
  ])
  t.match(await away.metrics(), 'logins_total{pool="local",result="failed",reason="pool_error"} 1')
})

t.test('a question that cannot be answered is refused with what can be asked', async (t) => {
  for (const query of ['?name=alice', '?sub=', '?sub=a&sub=b', `?email=${'x'.repeat(400)}`, '?email=a&x=1']) {
    const answer = await fetch(`${world.controlUrl}/logins${query}`, {
      headers: { authorization: `Bearer ${CONTROL_TOKEN}` },
    })
    t.equal(answer.status, 400, query.slice(0, 20))
    t.match(await answer.text(), 'ask for any of reference=, attempt=, sub=, email=, each at most once and not empty')
  }
})
