import t from 'tap'
import { startWorld } from '../helpers/world.ts'

const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }
const limits = { signInsPerMinutePerAddress: 5 }
const trustedProxies = [{ cidr: '127.0.0.0/8', headers: ['for'] }]
const from = (address: string) => ({ headers: { ...page, 'x-forwarded-for': address } })

t.test('D17 one address begins so many sign-ins a minute; the next gets 429, others get theirs', async (t) => {
  const world = await startWorld(t, { settings: { limits, trustedProxies } })
  const { url } = world
  const begin = async (address: string, endpoint = 'start?rd=/page') =>
    world.client().ask(`${url}/oauth2/${endpoint}`, from(address))
  for (const endpoint of ['start', 'sign_up', 'forgot_password', 'sign_in', 'start'])
    t.equal((await begin('192.0.2.7', endpoint)).status, 302, endpoint)
  for (const endpoint of ['start', 'sign_up', 'forgot_password', 'sign_in']) {
    const refused = await begin('192.0.2.7', endpoint)
    t.equal(refused.status, 429, endpoint)
    t.equal(refused.header('x-gateway-code'), 'GW_TOO_MANY_REQUESTS')
    t.equal(refused.header('retry-after'), '12')
    t.equal(refused.header('set-cookie'), undefined)
    t.match(refused.header('content-type'), 'text/html')
  }
  t.equal((await begin('192.0.2.8')).status, 302, 'another address')
  for (let at = 0; at < 5; at += 1) t.equal((await begin(`2001:db8::${at}`)).status, 302)
  t.equal((await begin('2001:db8::ffff:1')).status, 429, 'another address of the same subscriber')
  t.match(await world.metrics(), 'requests_refused_total{reason="sign_in_rate"} 5')
  world.clock.advance(12)
  t.equal((await begin('192.0.2.7')).status, 302)
  t.equal(world.pool.calls['token'] ?? 0, 0)
})

t.test('D17 a callback whose attempt is gone begins no more sign-ins than any other way to begin one', async (t) => {
  const world = await startWorld(t, { settings: { limits } })
  const start = await world.client().ask(`${world.url}/oauth2/start`, { headers: page })
  const state = new URL(start.header('location') ?? '').searchParams.get('state') ?? ''
  const replay = async () =>
    world.client().ask(`${world.url}/oauth2/callback?code=abc&state=${state}`, { headers: page })
  for (let at = 0; at < 4; at += 1) t.equal((await replay()).status, 302)
  t.equal((await replay()).status, 429)
})

t.test(
  'D18 guesses at the callback ask no token, are counted and slowed down, and keep no neighbour out',
  async (t) => {
    const world = await startWorld(t, { settings: { limits } })
    const { url } = world
    const guess = async (at: number) =>
      (await world.client().ask(`${url}/oauth2/callback?code=abc&state=guess-${at}`, { headers: page })).status
    for (let at = 0; at < 5; at += 1) t.equal(await guess(at), 400)
    const faults = (): number => world.log.filter((line) => line.includes('"event":"fault"')).length
    const before = faults()
    for (let at = 0; at < 20; at += 1) t.equal(await guess(at), 429)
    t.equal(faults(), before, 'and do not fill the log')
    t.equal(world.pool.calls['token'] ?? 0, 0)
    t.match(await world.metrics(), 'logins_total{pool="local",result="failed",reason="state_mismatch"} 5')
    t.match(await world.metrics(), 'requests_refused_total{reason="sign_in_rate"} 20')
    t.equal((await world.client().signIn(`${url}/page`)).status, 200, 'somebody at the same address signs in')
  },
)
