import t from 'tap'
import type { ReachAnswer } from '../../src/domain/reach.ts'
import { HOSTILE, startOperatorWorld } from '../helpers/operator-world.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { CLIENT_ID, CONTROL_TOKEN } from '../helpers/world.ts'

const told = new Map<string, Record<string, unknown>>()
const world = await startOperatorWorld(t)
const { controlUrl, pool } = world
const bearer = { authorization: `Bearer ${CONTROL_TOKEN}` }

const ask = async (question: unknown, headers: Readonly<Record<string, string>> = bearer): Promise<Response> =>
  fetch(`${controlUrl}/reach`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(question),
  })
const reach = async (question: unknown): Promise<ReachAnswer> => (await (await ask(question)).json()) as ReachAnswer
/** Each route's verdict, with code and reason where there are any. */
const verdicts = ({ routes }: ReachAnswer): Record<string, string> =>
  Object.fromEntries(
    routes.map(({ route, verdict, code, reason }) => [
      route,
      [verdict, code, reason].filter((word) => word !== null).join(' '),
    ]),
  )
const form = async (
  fields: Readonly<Record<string, string>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> =>
  fetch(`${controlUrl}/reach`, {
    method: 'POST',
    headers: { origin: controlUrl, 'sec-fetch-site': 'same-origin', ...headers },
    body: new URLSearchParams(fields),
  })

/** Signs somebody in and remembers the claims of both of their tokens. */
async function signIn(name: string) {
  pool.tamper = (kind, claims) => {
    told.set(`${name} ${kind}`, claims)
    return { claims }
  }
  const browser = world.client()
  await browser.signIn(`${world.url}/`, name)
  pool.tamper = undefined
  return { browser, claims: { access: told.get(`${name} access`), id: told.get(`${name} id`) } }
}

t.test('what the control port says somebody may reach is what becomes of their requests', async (t) => {
  const nobody = { browser: world.client(), claims: undefined }
  for (const { browser, claims } of [nobody, await signIn('alice'), await signIn('bob')]) {
    const { routes } = await reach({ claims, address: '127.0.0.1' })
    t.ok(routes.length >= 12)
    for (const { route, methods, address, code, status, reason } of routes) {
      for (const method of methods ?? ['GET', 'PUT']) {
        if (methods === null && route === 'orders/write' && method === 'GET') continue
        const headers = { origin: world.url, 'x-probe': `${route} ${method}` }
        const answer = await browser.ask(address, { method, headers })
        const what = `${method} ${address} of ${route}`
        if (code === null)
          t.notOk(String(answer.header('x-gateway-code')).match(/FORBIDDEN|SIGN_IN|METHOD|ROUTE/), what)
        else t.match([answer.status, answer.header('x-gateway-code')], [status, code], what)
        if (code === null) continue
        const id = answer.header('x-request-id')
        const line = () => world.log.map((text) => JSON.parse(text)).find(({ requestId }) => requestId === id)
        await until(() => line() !== undefined)
        t.match(line(), { route, code, reason }, `${what}: and the log gives the same reason`)
      }
    }
  }
})

t.test('for pasted claims every route says allowed, denied or sign-in, and why', async (t) => {
  const access = { sub: 'u1', username: 'alice', client_id: CLIENT_ID, scope: 'orders/read', 'cognito:groups': ['ops'] }
  const answer = await reach({ claims: { access, id: { 'custom:tenant': 'umbrella' } } })
  t.match(answer, { who: { kind: 'person', subject: 'u1', groups: ['ops'] }, refused: null })
  t.same(answer.notes, ['claims taken as given, and judged as the session of a person'])
  t.same((await reach({ claims: { access } })).notes, [
    'claims taken as given, and judged as those of an access token in Authorization: Bearer',
  ])
  t.match(verdicts(answer), {
    wiki: 'allowed',
    'wiki/assets': 'allowed',
    'wiki/pages': 'allowed',
    'wiki/admin': 'denied GW_FORBIDDEN claim_mismatch',
    'wiki/pilot': 'allowed',
    'orders/read': 'allowed',
    'orders/write': 'denied GW_FORBIDDEN scope_missing',
    'orders/office': 'denied GW_FORBIDDEN email_unverified',
  })
  const of = (name: string) => answer.routes.find(({ route }) => route === name)
  t.match(of('wiki/admin'), { methods: null, missing: [['claim_mismatch'], ['scope_missing', 'client_unknown']] })
  t.match(of('wiki/pilot'), { wouldDeny: 'group_missing' })
  t.match(of('orders/read'), { methods: ['GET', 'HEAD'], othersOnly: false, address: `${world.url}/orders/items/` })
  t.match(of('orders/write'), { methods: null, othersOnly: true })
  t.same(
    (await reach({ q: 'FINANCE' })).routes.map(({ route }) => route),
    ['wiki/admin', 'wiki/pages'],
    'for those routes only that have a text in name, address or rule',
  )
  t.match(verdicts(await reach({})), {
    wiki: 'sign-in GW_SIGN_IN_REQUIRED no_session',
    'wiki/page': 'allowed',
  })
})

t.test('a pasted token is verified as in a request, and its route says what became of it', async (t) => {
  const { access_token: batch } = await pool.issueTokens({ clientId: 'orders-batch' })
  const machine = await reach({ token: `Bearer ${batch}` })
  t.match(machine, { who: { kind: 'machine', clientId: 'orders-batch', scopes: ['orders/read'] } })
  t.match(machine.notes[0], /signature, issuer, times, app client and revocation were checked/)
  t.match(verdicts(machine), { 'orders/read': 'allowed', wiki: 'denied GW_FORBIDDEN person_required' })

  const [head = '', claims = '', signature = ''] = batch.split('.')
  const more = Buffer.from(JSON.stringify({ ...JSON.parse(atob(claims)), scope: 'orders/write' })).toString('base64url')
  const forged = await reach({ token: [head, more, signature].join('.') })
  t.match(forged, { who: null, refused: { code: 'GW_TOKEN_INVALID', reason: 'token_invalid' } })
  t.match(verdicts(forged), { 'orders/write': 'denied GW_TOKEN_INVALID token_invalid', 'wiki/assets': 'allowed' })

  const { id_token: idToken } = await pool.issueTokens({ clientId: CLIENT_ID, username: 'alice' })
  const person = await reach({ token: idToken })
  t.match(verdicts(person), { wiki: /^denied GW_TOKEN_USE/ })
  t.match(person.notes[0], /no access token.*paste those of both tokens/)
  const foreign = await reach({ token: 'not-a-token-of-ours' })
  t.match(foreign.notes, ['this is no token of our user pools: it says nothing here'])
  t.match(verdicts(foreign), { wiki: 'sign-in GW_SIGN_IN_REQUIRED no_session' })
})

t.test('what was asked stands in no log line and no answer, and is kept by no browser', async (t) => {
  const { access_token: token } = await pool.issueTokens({ clientId: 'orders-batch' })
  const claims = { access: { sub: 'sub-to-hide', username: 'u', client_id: 'orders-batch', odd: 'claim-to-hide' } }
  const answers = [
    await ask({ token }),
    await ask({ claims: { ...claims, stray: 'stray-to-hide' } }),
    await form({ control_token: CONTROL_TOKEN, token: token, q: 'wiki' }),
    await form({ control_token: CONTROL_TOKEN, claims: JSON.stringify(claims) }),
    await form({ control_token: 'wrong-to-hide', claims: JSON.stringify(claims) }),
  ]
  t.same(
    answers.map(({ status }) => status),
    [200, 400, 200, 200, 401],
  )
  for (const answer of answers) t.equal(answer.headers.get('cache-control'), 'no-store')
  const all = (await Promise.all(answers.map(async (answer) => answer.text()))).join('')
  const log = world.log.join('')
  for (const secret of [
    token,
    token.split('.')[1] ?? '',
    'claim-to-hide',
    'stray-to-hide',
    CONTROL_TOKEN,
    'wrong-to-hide',
  ])
    for (const [where, text] of Object.entries({ all, log })) t.notOk(text.includes(secret), `${secret} in ${where}`)
  t.notOk(log.includes('sub-to-hide'))
  t.match(log, /"event":"reach_asked","requestId":"[\da-f-]{36}","client":"127\.0\.0\.1","by":"token"/)
})

t.test('what cannot be understood is refused with what to send, in the form a person used', async (t) => {
  for (const [question, says] of [
    [{ claims: { id: {} } }, /access: is missing/],
    [{ claims: 'a: [' }, /claims:1:\d+: is not valid YAML/],
    [{ claims: { access: {} }, token: 'x' }, /two answers to one question/],
    [{ address: 'nowhere' }, /must be one of IPv4 or IPv6/],
    [{ claim: {} }, /send \{ "claims"/],
    [{ token: 7 }, /send \{ "claims"/],
    [[], /send \{ "claims"/],
    [{ claims: { access: {}, pool: 'other' } }, /know no pool/],
  ] as const) {
    const refused = await ask(question)
    t.equal(refused.status, 400, JSON.stringify(question))
    t.match(((await refused.json()) as { message: string }).message, says)
  }
  t.equal((await ask({ claims: 'x'.repeat(70_000) })).status, 413)
  const page = await form({ control_token: CONTROL_TOKEN, claims: 'access: [' })
  t.equal(page.status, 400)
  t.match(page.headers.get('content-type'), 'text/html')
  t.match(await page.text(), /role="alert"[^]*is not valid YAML[^]*<form/, 'with the form to try again')
})

t.test('hostile claims, filters and settings are text in the page of who may reach what', async (t) => {
  const access = {
    sub: HOSTILE,
    username: HOSTILE,
    client_id: CLIENT_ID,
    scope: 'a',
    'cognito:groups': [HOSTILE],
    auth_time: 1e300,
  }
  const id = { 'custom:team': HOSTILE, 'custom:tenant': ['</code>', HOSTILE] }
  const page = await form({ control_token: CONTROL_TOKEN, claims: JSON.stringify({ access, id }) })
  t.equal(page.status, 200)
  const html = await page.text()
  t.match(html, /wiki\/lab/)
  t.notMatch(html, /<img|<script|<\/code><\/code>/)
  const filtered = await form({ control_token: CONTROL_TOKEN, q: HOSTILE })
  t.notMatch(await filtered.text(), /<img|<script/)
  const pool = await form({ control_token: CONTROL_TOKEN, claims: JSON.stringify({ access, pool: HOSTILE }) })
  t.equal(pool.status, 400)
  t.notMatch(await pool.text(), /<img|<script/)
  t.match(
    page.headers.get('content-security-policy'),
    /^default-src 'none'; style-src 'sha256-[^;]+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
  )
})

t.test(
  'G07 the page of who may reach what takes the form of no other page, whatever its name resolves to',
  async (t) => {
    const fields = { control_token: CONTROL_TOKEN, claims: '' }
    for (const headers of [
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: '' },
      { origin: controlUrl.replace('127.0.0.1', 'localhost') },
      { origin: controlUrl.replace('http:', 'https:') },
      { origin: controlUrl, 'sec-fetch-site': 'same-site' },
      { origin: controlUrl, 'sec-fetch-site': 'cross-site' },
    ])
      t.equal((await form(fields, headers)).status, 403, JSON.stringify(headers))
    t.equal((await ask({}, { ...bearer, origin: controlUrl })).status, 403, 'nor JSON of a page, of its own either')
    const port = Number(new URL(controlUrl).port)
    const body = new URLSearchParams(fields).toString()
    const rebound = `Host: evil.example:${port}\r\nOrigin: http://evil.example:${port}\r\nConnection: close\r\n`
    t.equal((await sendRaw(port, `GET /reach HTTP/1.1\r\n${rebound}\r\n`)).status, 421)
    const posted = `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    t.equal((await sendRaw(port, `POST /reach HTTP/1.1\r\n${rebound}${posted}`)).status, 421)
  },
)

t.test(
  'who may reach what is told to whoever shows the token of the control port, and the empty form to everybody',
  async (t) => {
    const empty = await fetch(`${controlUrl}/reach`)
    t.equal(empty.status, 200)
    t.notMatch(await empty.text(), /wiki|orders\/|localhost/)
    t.equal((await ask({}, {})).status, 401)
    t.equal((await ask({}, { authorization: 'Bearer wrong' })).status, 401)
    t.equal((await form({ claims: '' })).status, 401)
    t.equal((await form({ control_token: '', claims: '' })).status, 401)
    t.equal((await form({ claims: '' }, bearer)).status, 200, 'a program may send the form as well')
    t.equal((await fetch(`${controlUrl}/reach`, { method: 'PUT', headers: bearer })).status, 405)
    const open = await startOperatorWorld(t, { settings: { control: { port: 0 } } })
    t.notMatch(await (await fetch(`${open.controlUrl}/reach`)).text(), /Control token/)
    t.equal(
      (await fetch(`${open.controlUrl}/reach`, { method: 'POST', body: new URLSearchParams({ q: 'wiki' }) })).status,
      200,
    )
  },
)
