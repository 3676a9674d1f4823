import t from 'tap'
import { startWorld, type World } from '../helpers/world.ts'

async function signedIn(world: World) {
  const browser = world.client()
  await browser.signIn(`${world.url}/page`)
  const has = (): boolean => browser.jarOf(new URL(world.url).host).has('__Host-gateway')
  return { ask: async (path = '/page') => (await browser.ask(world.url + path)).status, has }
}

t.test('RL23 a clock that is set back by an hour signs nobody out, then or later', async (t) => {
  const world = await startWorld(t)
  const { ask, has } = await signedIn(world)
  world.setClockWrong(-3_600)
  for (const seconds of [0, 10, 301, 600]) {
    world.clock.advance(seconds)
    t.equal(await ask(), 200, `after ${seconds} seconds more`)
  }
  world.setClockWrong(0)
  t.equal(await ask(), 200, 'set right again')
  t.ok(has())
})

t.test('RL23 a clock that jumps ahead by an hour ends no session that its limits do not end', async (t) => {
  const world = await startWorld(t)
  const { ask, has } = await signedIn(world)
  world.setClockWrong(3_600)
  t.equal(await ask(), 200)
  world.clock.advance(301)
  t.equal(await ask(), 200)
  world.setClockWrong(7_200)
  world.clock.advance(301)
  t.equal(await ask(), 503, "every token of the pool looks expired: nobody is let in, and nobody's cookie is taken")
  t.ok(has())
  world.setClockWrong(0)
  world.clock.advance(3)
  t.equal(await ask(), 200)
})

t.test('RL23 a clock that gains ten seconds a minute keeps everybody signed in for an hour', async (t) => {
  const world = await startWorld(t)
  const { ask } = await signedIn(world)
  for (let minute = 1; minute <= 60; minute += 1) {
    world.clock.advance(60)
    world.setClockWrong(minute * 10)
    if ((await ask()) !== 200) t.fail(`after ${minute} minutes`)
  }
  t.equal(await ask(), 200)
})

t.test('RL23 a session that lasted while the clock was wrong is as old as it is when the clock is right', async (t) => {
  const world = await startWorld(t, {
    settings: { session: { keys: [{ file: 'session-key' }], idleTimeoutSeconds: 7_200, maxAgeSeconds: 7_200 } },
  })
  const { ask } = await signedIn(world)
  world.setClockWrong(-3_600)
  world.clock.advance(3_600)
  t.equal(await ask(), 200)
  world.setClockWrong(0)
  world.clock.advance(3_599)
  t.equal(await ask(), 200)
  world.clock.advance(1)
  t.equal(await ask(), 401)
})

t.test('RL23 pauses after a failure are as long as they are, whatever the clock does meanwhile', async (t) => {
  for (const seconds of [-3_600, 3_600]) {
    const world = await startWorld(t)
    const start = async (): Promise<number> => (await world.client().ask(`${world.url}/oauth2/start?rd=/`)).status
    world.pool.faults.push({ on: 'discovery', status: 500, body: {} })
    t.equal(await start(), 503)
    world.setClockWrong(seconds)
    t.equal(await start(), 503, 'it has just failed')
    world.clock.advance(1)
    t.equal(await start(), 302)
  }
})

t.test(
  'RL23 an application whose circuit opened is tried again in time, whatever the clock does meanwhile',
  async (t) => {
    let broken = true
    const world = await startWorld(t, {
      answer: (_request, response) => {
        if (broken) response.destroy()
        else response.end('ok')
      },
      settings: {
        applications: {
          sample: { upstream: { url: '%UPSTREAM%', breaker: { failures: 2, openSeconds: 5 } }, access: 'public' },
        },
      },
    })
    const ask = async (): Promise<number> => (await world.client().ask(`${world.url}/x`)).status
    for (let nth = 0; nth < 3; nth += 1) await ask()
    broken = false
    t.equal(await ask(), 502, 'nobody asks it')
    world.setClockWrong(-3_600)
    world.clock.advance(6)
    t.equal(await ask(), 200)
  },
)
