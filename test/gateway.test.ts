import { request as httpRequest } from 'node:http'
import t from 'tap'
import { startWorld } from './helpers/world.ts'
import { until } from './helpers/until.ts'

t.test('the gateway is ready once it listens and has the keys of the pool', async (t) => {
  const { adminUrl, url, client } = await startWorld(t)
  const ready = async (): Promise<number> => (await fetch(`${adminUrl}/readyz`)).status
  // The keys are fetched in the background: asked until they are there, and no longer than the test may take.
  await until(async () => (await ready()) === 200)
  t.equal((await fetch(`${adminUrl}/livez`)).status, 200)
  const ping = await client().ask(`${url}/oauth2/ping`, { headers: { host: 'whatever.example' } })
  t.equal(ping.text, 'ok', 'for any host')
  t.equal((await client().ask(`${url}/oauth2/ping`, { method: 'HEAD' })).status, 200)
})

t.test(
  'T25 a start while Cognito is away serves what can be served, and is ready after twenty seconds all the same',
  async (t) => {
    const { adminUrl, url, pool, clock, client } = await startWorld(t, { poolAway: true })
    t.equal((await fetch(`${adminUrl}/readyz`)).status, 503)
    t.equal((await client().ask(`${url}/public/x`)).status, 200)
    const refused = await client().ask(`${url}/oauth2/start?rd=/`)
    t.equal(refused.status, 503)
    t.ok(refused.header('retry-after'))
    clock.advance(21)
    t.equal((await fetch(`${adminUrl}/readyz`)).status, 200)
    pool.faults.length = 0
    t.equal((await client().ask(`${url}/oauth2/start?rd=/`)).status, 302, 'and signs people in once it is back')
  },
)

t.test('draining: unready at once, still serving, answers close their connections, then the end', async (t) => {
  let finish: (() => void) | undefined
  let arrived: (() => void) | undefined
  const asked = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const world = await startWorld(t, {
    settings: { shutdown: { drainDelaySeconds: 1, shutdownTimeoutSeconds: 5 } },
    answer: (request, response) => {
      if (request.url !== '/public/slow') {
        response.end('ok')
        return
      }
      finish = () => response.end('late')
      arrived?.()
    },
  })
  const slow = world.client().ask(`${world.url}/public/slow`)
  await asked
  const drained = world.gateway.drain()
  t.equal((await fetch(`${world.adminUrl}/readyz`)).status, 503)
  t.equal((await world.client().ask(`${world.url}/oauth2/ping`)).status, 503)
  const served = await world.client().ask(`${world.url}/public/x`)
  t.equal(served.status, 200)
  t.equal(served.header('connection'), 'close')
  finish?.()
  t.equal((await slow).text, 'late', 'what was under way is finished')
  await drained
  await t.rejects(fetch(`${world.url}/oauth2/ping`))
})

t.test('a connection that is kept alive does not hold up the end once its request is answered', async (t) => {
  let finish: (() => void) | undefined
  let arrived: (() => void) | undefined
  const asked = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const world = await startWorld(t, {
    settings: { shutdown: { drainDelaySeconds: 0, shutdownTimeoutSeconds: 60 } },
    answer: (_request, response) => {
      finish = () => response.end('late')
      arrived?.()
    },
  })
  const slow = world.client().ask(`${world.url}/public/slow`)
  await asked
  const startedAt = performance.now()
  const drained = world.gateway.drain()
  finish?.()
  t.equal((await slow).status, 200)
  await drained
  t.ok(performance.now() - startedAt < 20_000)
})

t.test('a client that never leaves does not hold up the end for longer than the timeout', async (t) => {
  const world = await startWorld(t, {
    settings: { shutdown: { drainDelaySeconds: 0, shutdownTimeoutSeconds: 1 } },
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
    },
  })
  await new Promise<void>((resolve) => {
    const request = httpRequest(
      { port: world.port, host: '127.0.0.1', path: '/public/events', headers: { host: 'localhost' } },
      (response) => {
        response.on('error', () => undefined)
        response.once('data', () => resolve())
      },
    )
    request.on('error', () => undefined)
    request.end()
  })
  const startedAt = performance.now()
  await world.gateway.drain()
  t.ok(performance.now() - startedAt < 4_000)
})

t.test('what happened can be read in the metrics', async (t) => {
  const world = await startWorld(t)
  const browser = world.client()
  await browser.signIn(`${world.url}/page`)
  await browser.ask(`${world.url}/public/x`)
  await world.client().ask(`${world.url}/admin/x`)
  world.clock.advance(301)
  await browser.ask(`${world.url}/page`)
  const text = await world.metrics()
  const expected = [
    /requests_total\{route="sample",method="GET",status="200"\} 2/,
    /requests_total\{route="sample\/public",method="GET",status="200"\} 1/,
    /requests_total\{route="sample\/admin",method="GET",status="401"\} 1/,
    /request_duration_seconds_count\{route="sample"\} \d/,
    /decisions_total\{route="sample\/admin",result="sign_in",reason=""\} 1/,
    /login_stages_total\{stage="session_set"\} 1/,
    /logins_total\{pool="local",result="signed_in",reason=""\} 1/,
    /token_refreshes_total\{result="renewed",reason=""\} 1/,
    /build_info\{version="test",node="[\d.]+"\} 1/,
  ]
  for (const pattern of expected) t.match(text, pattern)
})
