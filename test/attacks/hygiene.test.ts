import t from 'tap'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { sendRaw } from '../helpers/raw-http.ts'
import { CLIENT_SECRET, startWorld } from '../helpers/world.ts'

const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }

t.test('G01 no token, cookie, code, state or secret stands in the log, the metrics or an error', async (t) => {
  const world = await startWorld(t, { settings: { control: { port: 0 } } })
  const { url, pool, clock, log } = world
  const host = new URL(url).host
  const browser = world.client()
  const canaries = new Set<string>([CLIENT_SECRET, 'Passw0rd!'])
  const remember = (): void => {
    for (const jar of browser.cookies.values())
      for (const value of jar.values()) if (value.length > 16) canaries.add(value)
    for (const address of browser.trail) {
      for (const name of ['state', 'code', 'nonce', 'code_challenge']) {
        const value = new URL(address).searchParams.get(name)
        if (value !== null) canaries.add(value)
      }
    }
  }
  const login = await browser.visit(`${url}/page?token=canary-in-the-query`)
  remember()
  await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })
  remember()
  const callback = browser.trail.find((address) => address.includes('/oauth2/callback')) ?? ''
  t.ok(callback, 'the journey was seen')
  await browser.ask(callback, { headers: page })
  browser.jarOf(host).delete('nothing')
  pool.faults.push({
    on: 'token',
    status: 400,
    body: { error: 'invalid_grant', error_description: 'canary-of-the-pool' },
  })
  clock.advance(301)
  await browser.ask(`${url}/page`)
  await browser.ask(`${url}/oauth2/callback?code=canary-code&state=canary-state&error_description=canary-words`, {
    headers: page,
  })
  await browser.ask(`${url}/nothing?code=canary-code`, { headers: { authorization: 'Bearer canary.token.here' } })
  await browser.visit(`${url}/oauth2/sign_out`)
  for (const canary of [
    'canary-in-the-query',
    'canary-of-the-pool',
    'canary-code',
    'canary-state',
    'canary.token.here',
  ])
    canaries.add(canary)

  const logins = await (await fetch(`${world.controlUrl}/logins`)).text()
  t.match(logins, 'alice@example.com')
  const places: Readonly<Record<string, string>> = { log: log.join(''), metrics: await world.metrics(), logins }
  for (const [place, text] of Object.entries(places)) {
    for (const canary of canaries) if (text.includes(canary)) t.fail(`${place} holds ${canary.slice(0, 12)}…`)
    t.notMatch(text, /eyJ[\w-]{20}/, `${place} holds no token`)
  }
  t.ok(canaries.size > 10, 'there was something to look for')
})

t.test('G03 bytes that would break a log line are escaped', async (t) => {
  const { port, url, log } = await startWorld(t)
  await sendRaw(port, `GET /a%0d%0a{"fake":1} HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
  await sendRaw(port, `GET /\x1b[31m"red HTTP/1.1\r\nHost: ${new URL(url).host}\r\n\r\n`)
  for (const line of log) {
    t.equal(line.trimEnd().split('\n').length, 1)
    t.type(JSON.parse(line), 'object')
  }
})

t.test('G04 every outcome is one line with the request id, the route, the code and the reason', async (t) => {
  const { url, log, client } = await startWorld(t)
  const answer = await client().ask(`${url}/admin/x`)
  const lines = log.map((line) => JSON.parse(line)).filter((line) => line.event === 'request')
  t.equal(lines.length, 1)
  t.match(lines[0], {
    requestId: answer.json().requestId,
    route: 'sample/admin',
    method: 'GET',
    path: '/admin/x',
    status: 401,
    code: 'GW_SIGN_IN_REQUIRED',
    reason: 'no_session',
    client: '127.0.0.1',
  })
})

t.test('G04 signing in and out are lines of their own', async (t) => {
  const { url, log, client } = await startWorld(t)
  const browser = client()
  await browser.signIn(`${url}/`)
  await browser.submit(await browser.visit(`${url}/oauth2/sign_out`), {})
  const events = log.map((line) => JSON.parse(line).event)
  t.ok(events.includes('signed_in'))
  t.ok(events.includes('sign_out'))
})

t.test('G04 people are told apart in the log without being named, unless the settings say so', async (t) => {
  const hashed = await startWorld(t)
  await hashed.client().signIn(`${hashed.url}/`)
  t.notMatch(hashed.log.join(''), 'alice')
  t.match(hashed.log.join(''), /"person":"[\w-]{16}"/)
  const named = await startWorld(t, { settings: { log: { people: 'email' } } })
  await named.client().signIn(`${named.url}/`)
  t.match(named.log.join(''), '"email":"alice@example.com"')
})

t.test("G05 a request id of the client's own is not taken over", async (t) => {
  const { url, application, client } = await startWorld(t)
  await client().ask(`${url}/public/x`, { headers: { 'x-request-id': 'forged' } })
  t.match(application.last().headers['x-request-id'], /^[\da-f-]{36}$/)
})

t.test('G07 the admin port answers no page of another site', async (t) => {
  const { gateway } = await startWorld(t)
  const ask = async (host: string) =>
    sendRaw(gateway.adminPort, `GET /metrics HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  for (const host of ['127.0.0.1', `localhost:${gateway.adminPort}`, '[::1]:9090', '10.0.0.7:9090'])
    t.equal((await ask(host)).status, 200, host)
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example'])
    t.equal((await ask(host)).status, 421, host)
  const cors = await sendRaw(
    gateway.adminPort,
    'GET /metrics HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.example\r\nConnection: close\r\n\r\n',
  )
  t.equal(cors.header('access-control-allow-origin'), undefined)
  t.equal(
    (
      await sendRaw(
        gateway.adminPort,
        'POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
      )
    ).status,
    404,
  )
})

t.test('G08 random paths, hosts, methods and people make no new labels', async (t) => {
  const world = await startWorld(t)
  const series = async (): Promise<number> =>
    (await world.metrics()).split('\n').filter((line) => line.startsWith('cognito_gateway_')).length
  const visitor = world.client()
  await visitor.ask(`${world.url}/public/a`)
  await visitor.ask(`${world.url}/a`)
  const before = await series()
  for (let at = 0; at < 50; at += 1) {
    await visitor.ask(`${world.url}/public/${at}?x=${at}`)
    await visitor.ask(`${world.url}/${at}`)
  }
  t.equal(await series(), before)
  await sendRaw(world.port, 'GET / HTTP/1.1\r\nHost: random-host-1\r\n\r\n')
  t.notMatch(await world.metrics(), /random-host|alice/)
})

t.test('G09 errors tell strangers nothing about the inside', async (t) => {
  const closed = createServer()
  await new Promise<void>((resolve) => {
    closed.listen(0, '127.0.0.1', resolve)
  })
  const { port } = closed.address() as AddressInfo
  await new Promise((resolve) => {
    closed.close(resolve)
  })
  const { url, client, log } = await startWorld(t, { upstream: `http://127.0.0.1:${port}` })
  for (const headers of [{ accept: '*/*' }, page]) {
    const answer = await client().ask(`${url}/public/x`, { headers })
    t.equal(answer.status, 502)
    t.equal(answer.header('x-gateway-code'), 'GW_UPSTREAM_UNREACHABLE')
    t.notMatch(answer.text, new RegExp(`${port}|ECONN|undici|fastify|node`, 'i'))
    t.notMatch(JSON.stringify(answer.headers), /fastify|undici/i)
  }
  t.match(log.join(''), '"reason":"connect"')
})

t.test('G11 trace headers of strangers are begun anew and baggage is dropped', async (t) => {
  const { url, application, client } = await startWorld(t)
  await client().ask(`${url}/public/x`, {
    headers: {
      traceparent: '00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01',
      tracestate: 'x=1',
      baggage: 'k=v',
    },
  })
  const { headers } = application.last()
  t.notMatch(headers.traceparent, 'aaaa')
  t.equal(headers.baggage, undefined)
  t.equal(headers.tracestate, undefined)
})

t.test('G13 what anybody can ask about health says one word', async (t) => {
  const { url, adminUrl, pool, client } = await startWorld(t)
  const ping = await client().ask(`${url}/oauth2/ping`)
  t.equal(ping.text, 'ok')
  pool.faults.push({ on: 'jwks', times: 100, reset: true })
  t.equal(await (await fetch(`${adminUrl}/livez`)).text(), 'ok', 'liveness does not look at Cognito')
})
