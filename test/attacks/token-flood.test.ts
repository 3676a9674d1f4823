import { randomBytes } from 'node:crypto'
import t from 'tap'
import { openRawConnection } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

t.test('D19 a flood of tokens that look valid is refused one by one, and people are served meanwhile', async (t) => {
  const world = await startWorld(t)
  const { url, port, pool, application } = world
  const { host } = new URL(url)
  const browser = world.client()
  await browser.signIn(`${url}/`)
  const session = browser.jarOf(host).get('__Host-gateway') ?? ''
  const token = await world.client().ask(`${pool.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&client_id=orders-batch&client_secret=orders-batch-secret',
  })
  const [header, claims] = String(token.json().access_token).split('.')
  // Our issuer, our key's id, a signature of the right length: nothing but the check of the signature can tell.
  const forged = (): string => `${header}.${claims}.${randomBytes(256).toString('base64url')}`
  const keysBefore = pool.calls['jwks'] ?? 0
  const reached = application.seen.length

  const statuses = new Map<number, number>()
  const flood = { over: false }
  const send = async (): Promise<void> => {
    const connection = openRawConnection(t, port)
    for (let nth = 0; nth < 200; nth += 1) {
      const { status } = await connection.send(
        `GET /api/orders/1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${forged()}\r\n\r\n`,
      )
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  const flooded = Promise.all(Array.from({ length: 16 }, send)).then(() => (flood.over = true))
  const person = openRawConnection(t, port)
  let served = 0
  let slowest = 0
  while (!flood.over) {
    const began = performance.now()
    const { status } = await person.send(
      `GET /page HTTP/1.1\r\nHost: ${host}\r\nCookie: __Host-gateway=${session}\r\n\r\n`,
    )
    slowest = Math.max(slowest, performance.now() - began)
    if (status === 200) served += 1
    else t.fail(`a person got ${status}`)
  }
  await flooded
  t.same([...statuses], [[401, 3_200]])
  t.ok(served > 20, `${served} answers for a person beside 3,200 refusals`)
  t.ok(slowest < 5_000, `the slowest took ${Math.round(slowest)} ms`)
  t.equal(application.seen.length - reached, served, 'nothing of the flood reached the application')
  t.ok((pool.calls['jwks'] ?? 0) - keysBefore <= 1, 'the pool is asked for its keys once')
})

t.test('T28 a thousand requests with unknown key ids at once while the keys are out of reach', async (t) => {
  const world = await startWorld(t)
  const { url, port, pool, application } = world
  const { host } = new URL(url)
  const { access_token: token } = await pool.issueTokens({ clientId: 'orders-batch' })
  const [, claims = '', signature = ''] = token.split('.')
  const known = openRawConnection(t, port)
  const ask = (bearer: string): string =>
    `GET /api/orders/1 HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${bearer}\r\n\r\n`
  t.equal((await known.send(ask(token))).status, 200)
  pool.faults.push({ on: 'jwks', times: 'always', reset: true })
  world.clock.advance(11)
  const keysBefore = pool.calls['jwks'] ?? 0
  const reached = application.seen.length
  const statuses = new Map<number, number>()
  const send = async (nth: number): Promise<void> => {
    const connection = openRawConnection(t, port)
    for (let at = 0; at < 20; at += 1) {
      const header = Buffer.from(JSON.stringify({ alg: 'RS256', kid: `forged-${nth}-${at}` })).toString('base64url')
      const { status } = await connection.send(ask(`${header}.${claims}.${signature}`))
      statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: 50 }, async (_, nth) => send(nth)))
  t.same([...statuses], [[503, 1_000]])
  t.equal((pool.calls['jwks'] ?? 0) - keysBefore, 1, 'the pool is asked for its keys once')
  t.equal(application.seen.length, reached)
  t.equal((await known.send(ask(token))).status, 200, 'a token under a known key is let in meanwhile')
})
