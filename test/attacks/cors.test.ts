import t from 'tap'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const FRIEND = 'https://friend.example'
const EVIL = 'https://evil.example'
const batch = `Basic ${Buffer.from('orders-batch:orders-batch-secret').toString('base64')}`

t.test('scripts of other origins', async (t) => {
  const answering = { preflight: 'answer', credentials: true }
  const world = await startWorld(t, {
    answer: (request, response) => {
      // An application that would let everybody in.
      response.setHeader('access-control-allow-origin', '*')
      response.setHeader('access-control-allow-credentials', 'true')
      response.end(request.method)
    },
    settings: {
      applications: {
        sample: {
          upstream: '%UPSTREAM%',
          access: 'signedIn',
          clientBasic: true,
          allowedOrigins: [FRIEND],
          routes: {
            answer: { path: '/answer/*', cors: answering },
            pass: { path: '/pass/*', cors: { preflight: 'application' } },
            read: { path: '/api/*', methods: ['GET'], access: [{ scopes: ['orders/read'] }], cors: answering },
            write: { path: '/api/*', methods: ['PUT'], access: [{ scopes: ['orders/write'] }] },
            public: { path: '/public/*', access: 'public' },
          },
        },
      },
    },
  })
  const { url, port, application } = world
  const ask = async (method: string, path: string, headers: Record<string, string>) =>
    world.client().ask(url + path, { method, headers })
  const preflight = async (path: string, origin: string, method = 'GET') =>
    ask('OPTIONS', path, { origin, 'access-control-request-method': method, 'sec-fetch-mode': 'cors' })
  const reached = (): number => application.seen.length

  await t.test('A04 a preflight of a protected route reaches nobody unless the route says who answers', async (t) => {
    const before = reached()
    t.equal((await preflight('/page', FRIEND)).status, 401)
    t.equal((await preflight('/api/1', FRIEND, 'PUT')).status, 405, 'the route of the request that it asks for counts')
    t.equal(reached(), before)
    const answer = await preflight('/answer/1', FRIEND, 'DELETE')
    t.equal(answer.status, 204)
    t.equal(answer.header('access-control-allow-origin'), FRIEND)
    t.equal(answer.header('access-control-allow-credentials'), 'true')
    t.equal(answer.header('access-control-allow-methods'), 'DELETE')
    t.match(answer.header('vary'), 'Origin')
    t.equal((await preflight('/api/1', FRIEND)).status, 204, 'although no route takes OPTIONS there')
    t.equal(reached(), before, 'the gateway has answered by itself')
  })

  await t.test('A04 a preflight that is passed on tells nobody, and lets no other request in', async (t) => {
    const browser = world.client()
    await browser.signIn(`${url}/`)
    t.equal((await preflight('/pass/1', EVIL, 'PUT')).status, 200)
    const { headers } = application.last()
    t.notOk(Object.keys(headers).some((name) => /^x-forwarded-(?:user|email|groups)|^authorization|^cookie/.test(name)))
    const before = reached()
    t.equal((await ask('PUT', '/pass/1', { origin: FRIEND })).status, 401)
    t.equal((await ask('GET', '/pass/1', { origin: FRIEND })).status, 401)
    const smuggled = { origin: FRIEND, 'access-control-request-method': 'PUT', 'x-http-method-override': 'PUT' }
    t.equal((await browser.ask(`${url}/pass/1`, { method: 'PUT', headers: { ...smuggled, origin: EVIL } })).status, 403)
    t.equal(reached(), before)
    await ask('OPTIONS', '/pass/1', smuggled)
    t.equal(application.last().headers['x-http-method-override'], undefined)
    const withBody = `OPTIONS /pass/1 HTTP/1.1\r\nHost: ${new URL(url).host}\r\nOrigin: ${FRIEND}\r\nAccess-Control-Request-Method: PUT\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`
    t.equal((await sendRaw(port, withBody)).status, 401, 'with a body it is no preflight')
  })

  await t.test('A05 OPTIONS that is no preflight is asked for what every request is', async (t) => {
    for (const path of ['/answer/1', '/pass/1']) {
      t.equal((await ask('OPTIONS', path, { origin: FRIEND })).status, 401)
      t.equal((await ask('OPTIONS', path, { 'access-control-request-method': 'PUT' })).status, 401)
    }
    t.equal((await ask('OPTIONS', '/public/1', { origin: EVIL })).status, 200)
    const browser = world.client()
    await browser.signIn(`${url}/`)
    t.equal((await browser.ask(`${url}/answer/1`, { method: 'OPTIONS' })).text, 'OPTIONS')
  })

  await t.test(
    'A06 no origin but those that are listed may read an answer, whatever the application says',
    async (t) => {
      for (const origin of [
        'null',
        EVIL,
        `${FRIEND}.evil.example`,
        'https://friendXexample',
        'http://friend.example',
      ]) {
        const refused = await preflight('/answer/1', origin)
        t.equal(refused.status, 403, origin)
        t.equal(refused.json().code, 'GW_CROSS_ORIGIN')
        const answers = [refused, await ask('GET', '/api/1', { origin, authorization: batch })]
        t.equal(answers[1]?.status, 200)
        for (const answer of answers) {
          t.equal(answer.header('access-control-allow-origin'), undefined, origin)
          t.equal(answer.header('access-control-allow-credentials'), undefined)
          t.match(answer.header('vary'), 'Origin')
        }
      }
      const friendly = await ask('GET', '/api/1', { origin: FRIEND, authorization: batch })
      t.equal(friendly.header('access-control-allow-origin'), FRIEND)
      t.equal(friendly.header('vary'), 'Origin')
    },
  )

  await t.test(
    'C21 a password that a browser keeps is no more than a cookie: other sites cannot act with it',
    async (t) => {
      const act = async (headers: Record<string, string>) => ask('PUT', '/api/1', { authorization: batch, ...headers })
      t.equal((await act({ origin: EVIL })).json().code, 'GW_CROSS_ORIGIN')
      t.equal((await act({ 'sec-fetch-site': 'cross-site' })).json().code, 'GW_CROSS_ORIGIN')
      t.equal((await act({})).json().code, 'GW_FORBIDDEN', 'a program is asked for its scopes')
      t.equal((await act({ origin: FRIEND })).json().code, 'GW_FORBIDDEN')
      const upgrade = async (origin: string) =>
        sendRaw(
          port,
          `GET /api/1 HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: ${batch}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n${origin}\r\n`,
        )
      t.match((await upgrade(`Origin: ${EVIL}\r\n`)).text, 'GW_CROSS_ORIGIN')
      t.equal((await upgrade('')).status, 200, 'what the application says to it')
    },
  )

  await t.test('a script of an allowed origin can read why it was refused', async (t) => {
    const cases = [
      [await ask('GET', '/answer/1', { origin: FRIEND, 'sec-fetch-mode': 'cors' }), 401],
      [await ask('GET', '/answer/1', { origin: FRIEND, authorization: batch }), 403],
      [await ask('GET', '/pass/1', { origin: FRIEND, 'sec-fetch-mode': 'cors' }), 401],
    ] as const
    for (const [answer, status] of cases) {
      t.equal(answer.status, status)
      t.equal(answer.header('access-control-allow-origin'), FRIEND)
      t.equal(answer.header('vary'), 'Origin')
    }
    t.equal(cases[0][0].header('access-control-allow-credentials'), 'true')
    t.equal(cases[2][0].header('access-control-allow-credentials'), undefined)
    const silent = await ask('GET', '/page', { origin: FRIEND, 'sec-fetch-mode': 'cors' })
    t.equal(silent.header('access-control-allow-origin'), undefined, 'unless the settings say nothing of it')
  })
})
