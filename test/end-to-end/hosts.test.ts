import t from 'tap'
import type { Client, Reply } from '../helpers/client.ts'
import { noRedis, startRedis } from '../helpers/redis.ts'
import { startHosts } from '../helpers/hosts.ts'
import { CLIENT_ID, startWorld, type World } from '../helpers/world.ts'

const PAGE = { 'sec-fetch-dest': 'document', accept: 'text/html' }
const COOKIE = '__Host-gateway'

/** The ids of sessions in lines of the log that tell of this event. */
const sessionIdsIn = (log: readonly string[], event: string): ReadonlySet<string> =>
  new Set(log.filter((line) => line.includes(`"${event}"`)).map((line) => String(JSON.parse(line).session)))
const hostOf = (url: string): string => new URL(url).host
const cookieAt = (browser: Client, url: string): string => browser.jarOf(hostOf(url)).get(COOKIE) ?? ''
const withCookie = async ({ client }: World, url: string, cookie: string): Promise<Reply> =>
  client().ask(url, { headers: { cookie: `${COOKIE}=${cookie}` } })

for (const store of ['cookie', 'redis'] as const)
  t.test(`many hosts with store ${store}`, { skip: store === 'redis' && (noRedis ?? false) }, async (t) => {
    const redisUrl = store === 'redis' ? (await startRedis(t)).url : undefined
    const world = await startHosts(t, 15, {
      session: { store },
      ...(redisUrl === undefined ? {} : { redisUrl }),
      client: { rotation: { graceSeconds: 0 } },
      answer: ({ url: path, headers }, response) =>
        path === '/moved'
          ? response.writeHead(302, { location: `http://${String(headers['x-forwarded-host'])}/there` }).end()
          : response.end('here'),
    })
    const { url, at, pool, clock, application } = world

    await t.test('fifteen applications on fifteen hosts need one sign-in, and have one session', async (t) => {
      const browser = world.client()
      const landed = await browser.signIn(at(1, '/wiki?a=1'))
      t.equal(landed.status, 200)
      t.equal(landed.url, at(1, '/wiki?a=1'))
      const [before, from] = [pool.calls['token'] ?? 0, world.log.length]
      for (let number = 2; number <= 15; number += 1) {
        const reply = await browser.visit(at(number, '/page'))
        t.equal(reply.status, 200, `app ${number}`)
        t.notOk(
          browser.trail.some((step) => step.startsWith(pool.url)),
          'without Cognito',
        )
      }
      t.equal(pool.calls['token'] ?? 0, before)
      t.equal(sessionIdsIn(world.log.slice(from), 'handover_taken').size, 1)
      t.equal(new Set(Array.from({ length: 15 }, (_, number) => cookieAt(browser, at(number + 1)))).size, 15)
      t.match(await world.metrics(), /handovers_total\{result="taken"\} 15/)
    })

    await t.test('C05 a cookie of one host is no session on any other', async (t) => {
      const browser = world.client()
      await browser.signIn(at(1))
      await browser.visit(at(3))
      const places = [url, at(1), at(3)]
      for (const from of places) {
        for (const to of places) {
          const answer = await withCookie(world, `${new URL(to).origin}/page`, cookieAt(browser, from))
          t.equal(answer.status, from === to ? 200 : 401, `${from} at ${to}`)
        }
      }
    })

    await t.test('A12 the rules of the host that is asked apply, whatever host the session came from', async (t) => {
      const browser = world.client()
      await browser.signIn(at(1), 'bob')
      const refused = await browser.visit(at(2, '/page'))
      t.equal(refused.status, 403)
      t.equal(refused.header('x-gateway-code'), 'GW_FORBIDDEN')
      t.equal((await browser.visit(at(1, '/page'))).status, 200)
    })

    await t.test('the application is told the host that people see, and its redirects lead there', async (t) => {
      const browser = world.client()
      await browser.signIn(at(4))
      await browser.visit(at(5, '/told'))
      const seen = application.last()
      t.equal(seen.headers['x-forwarded-host'], hostOf(at(5)))
      t.equal(seen.headers['host'], hostOf(at(5)))
      const moved = await browser.ask(at(5, '/moved'))
      t.equal(moved.header('location'), at(5, '/there'))
    })

    await t.test(
      'C07 a sign-out on any host ends the session on all, revokes the refresh token and clears both cookies',
      async (t) => {
        const browser = world.client()
        await browser.signIn(at(1))
        await browser.visit(at(3))
        const kept = [url, at(1), at(3)].map((place) => [place, cookieAt(browser, place)] as const)
        const revoked = pool.calls['revoke'] ?? 0
        const out = await browser.submit(await browser.visit(at(3, '/oauth2/sign_out')), {})
        t.equal(out.url, `${url}/oauth2/signed_out`)
        t.equal((pool.calls['revoke'] ?? 0) - revoked, 1)
        t.equal(cookieAt(browser, at(3)), '')
        t.equal(cookieAt(browser, url), '')
        for (const [place, cookie] of kept)
          t.equal((await withCookie(world, `${new URL(place).origin}/page`, cookie)).status, 401, place)
        t.match((await browser.visit(at(1))).url, `${pool.url}/`, 'and the next page asks for the password')
      },
    )

    await t.test("an application's own sign-out on its host ends the session on all of them", async (t) => {
      const browser = world.client()
      await browser.signIn(at(1))
      const revoked = pool.calls['revoke'] ?? 0
      await browser.visit(at(1, '/logout'), { headers: { 'sec-fetch-site': 'same-origin' } })
      const leaving = await browser.visit(at(1, '/oauth2/sign_out?leave=1'))
      t.equal(leaving.url, `${url}/oauth2/signed_out`)
      t.equal((pool.calls['revoke'] ?? 0) - revoked, 1)
      t.match((await browser.visit(`${url}/page`)).url, `${pool.url}/`)
    })

    await t.test('a person who signs in as somebody else on another host is that person on every host', async (t) => {
      const browser = world.client()
      await browser.signIn(at(1), 'bob')
      const forbidden = await browser.visit(at(2, '/page'))
      const asked = await browser.submit(forbidden, {}, { form: /switch/ })
      t.match(asked.url, `${pool.url}/`, 'Cognito asks for a password')
      const landed = await browser.submit(asked, { username: 'alice', password: 'Passw0rd!' })
      t.equal(landed.url, at(2, '/page'))
      t.equal(landed.status, 200)
      for (const place of [at(1), at(2), url]) {
        await browser.visit(`${new URL(place).origin}/page`)
        const info = await browser.ask(`${new URL(place).origin}/oauth2/userinfo`)
        t.equal(info.json().email, 'alice@example.com', place)
      }
    })

    await t.test('a program on another host is told where that host signs people in', async (t) => {
      const answer = await world.client().ask(at(3, '/api'), { headers: { referer: at(3, '/page') } })
      t.equal(answer.status, 401)
      t.equal(answer.json().signIn, at(3, '/oauth2/start?rd=%2Fpage'))
    })

    await t.test('people come back to addresses of hosts that are served, and to no others', async (t) => {
      const browser = world.client()
      await browser.signIn(`${url}/oauth2/start?rd=${encodeURIComponent(at(6, '/deep'))}`)
      t.equal(browser.trail.at(-1), at(6, '/deep'))
      const other = world.client()
      await other.signIn(`${url}/oauth2/start?rd=${encodeURIComponent('http://evil.localhost:1/')}`)
      t.equal(other.trail.at(-1), `${url}/`)
    })

    await t.test(
      'people come back to long addresses too, and no cookie on the way is larger than browsers keep',
      async (t) => {
        for (const length of [500, 1_900]) {
          const [browser, place] = [world.client(), at(3, `/page?${'x'.repeat(length)}`)]
          const login = await browser.visit(place)
          for (const [name, value] of [...browser.cookies.values()].flatMap((jar) => [...jar]))
            t.ok(name.length + value.length <= 4_096, `${name} at ${length}`)
          t.equal((await browser.submit(login, { username: 'alice', password: 'Passw0rd!' })).url, place)
        }
      },
    )

    await t.test('a session that is used on one host does not end as idle on another', async (t) => {
      const browser = world.client()
      await browser.signIn(at(1))
      await browser.visit(at(3))
      for (let hours = 0; hours < 10; hours += 2) {
        clock.advance(7_200)
        t.equal((await browser.visit(at(1, '/page'))).status, 200)
        t.notOk(browser.trail.some((step) => step.startsWith(pool.url)))
      }
      t.equal((await browser.visit(at(3, '/page'))).status, 200)
      t.notOk(
        browser.trail.some((step) => step.startsWith(pool.url)),
        'nobody is asked to sign in',
      )
    })

    await t.test('sessions on all hosts grow old together', async (t) => {
      const browser = world.client()
      await browser.signIn(at(1))
      clock.advance(43_201)
      await browser.visit(at(1, '/page'))
      t.match(browser.trail.join(' '), pool.url)
    })
  })

t.test('whoever signs out and in again is in no circle, however often, on every host', async (t) => {
  const { url, at, client } = await startHosts(t, 3)
  for (const place of [`${url}/page`, at(1, '/page')]) {
    const browser = client()
    for (let round = 0; round < 5; round += 1) {
      t.match(await browser.signIn(place), { status: 200, url: place }, `${place}, time ${round + 1}`)
      await browser.submit(await browser.visit(`${new URL(place).origin}/oauth2/sign_out`), {})
    }
  }
})

t.test(
  "publicUrl's host has no page of its own where no application lives there, and signs people in all the same",
  async (t) => {
    const applications = { wiki: { hosts: ['wiki.localhost'], upstream: '%UPSTREAM%', access: 'signedIn' } }
    const { url, port, client, log } = await startWorld(t, { settings: { applications } })
    const nowhere = await client().ask(`${url}/page`, { headers: PAGE })
    t.equal(nowhere.status, 404)
    t.equal(nowhere.header('x-gateway-code'), 'GW_ROUTE_UNKNOWN')
    t.equal((await client().ask(`http://other.localhost:${port}/page`)).status, 421)
    const browser = client()
    t.equal((await browser.signIn(`http://wiki.localhost:${port}/page`)).status, 200)
    await browser.submit(await browser.visit(`http://wiki.localhost:${port}/oauth2/sign_out`), {})
    const lines = log.map((line) => JSON.parse(line)).filter(({ event }) => ['signed_in', 'sign_out'].includes(event))
    t.same(
      lines.map(({ event }) => event),
      ['signed_in', 'sign_out'],
    )
    t.match(lines[0], { session: /./, person: /^[\w-]{16}$/ }, 'both say whose session it is')
    t.match(lines[1], { session: lines[0].session, person: lines[0].person })
  },
)

t.test('with sessions in cookies', async (t) => {
  const world = await startHosts(t, 3, { client: { rotation: { graceSeconds: 0 } } })
  const { url, at, pool, clock } = world
  const tokenCalls = (): number => pool.calls['token'] ?? 0

  await t.test('claims that are due are renewed by a page, on the host that holds the refresh token', async (t) => {
    const browser = world.client()
    await browser.signIn(at(1))
    const before = tokenCalls()
    clock.advance(301)
    const program = await browser.ask(at(1, '/api'))
    t.equal(program.status, 200, 'a program goes on')
    t.equal(tokenCalls(), before, 'with what it has')
    pool.setUser('alice', { groups: ['interns'] })
    t.equal((await browser.visit(at(1, '/page'))).status, 200)
    t.same(
      browser.trail.map((step) => new URL(step).pathname),
      ['/page', '/oauth2/start', '/oauth2/handover', '/oauth2/handover', '/page'],
    )
    t.equal(tokenCalls() - before, 1)
    t.same((await browser.ask(at(1, '/oauth2/userinfo'))).json().groups, ['interns'])
    pool.setUser('alice', { groups: ['admins', 'ops'] })
  })

  await t.test(
    'what is no page goes on with its claims for ten minutes, and is then told where to sign in',
    async (t) => {
      const browser = world.client()
      await browser.signIn(at(1))
      clock.advance(590)
      t.equal((await browser.ask(at(1, '/api'))).status, 200)
      clock.advance(20)
      const late = await browser.ask(at(1, '/api'))
      t.equal(late.status, 401, 'whatever the life of the access token')
      t.match(late.json().signIn, at(1, '/oauth2/start'))
      t.equal((await browser.visit(at(1, '/page'))).status, 200, 'a page renews it')
      t.equal((await browser.ask(at(1, '/api'))).status, 200)
    },
  )

  await t.test(
    'while Cognito is away pages go on as they would on one host, and are not sent to and fro',
    async (t) => {
      const browser = world.client()
      await browser.signIn(at(1))
      pool.faults.push({ on: 'token', status: 500, body: {}, times: 1000 })
      for (const seconds of [301, 700, 700]) {
        clock.advance(seconds)
        t.equal((await browser.visit(at(1, '/page'))).status, 200)
        t.ok(browser.trail.length <= 5)
      }
      pool.faults.length = 0
    },
  )

  await t.test('a copy that lies unused does not end the session of the others', async (t) => {
    const browser = world.client()
    await browser.signIn(at(1))
    await browser.visit(at(3))
    for (let hours = 0; hours < 10; hours += 5) {
      clock.advance(18_000)
      await browser.visit(at(1, '/page'))
    }
    await browser.ask(at(3, '/api'))
    t.equal((await browser.ask(`${url}/page`)).status, 200)
  })
})

t.test('L25 what was begun on one host ends there, or nowhere', async (t) => {
  const world = await startHosts(t, 3)
  const { url, at, clock, client } = world

  /** A person who is signed in, and the address that hands their session over to a host, not yet visited. */
  async function underWay(number = 3) {
    const browser = client()
    await browser.signIn(at(1))
    const start = await browser.ask(at(number, '/oauth2/start?rd=/page'), { headers: PAGE })
    const given = await browser.ask(start.header('location') ?? '', { headers: PAGE })
    return { browser, handover: given.header('location') ?? '' }
  }
  const take = async (browser: Client, address: string) => {
    const reply = await browser.ask(address, { headers: PAGE })
    return { status: reply.status, to: reply.header('location') ?? '', code: reply.header('x-gateway-code') }
  }
  const isSignedIn = async (browser: Client, number = 3) => (await browser.ask(at(number, '/api'))).status === 200

  await t.test('a callback for an attempt of another host is refused', async (t) => {
    const browser = client()
    const login = await browser.visit(at(1))
    const back = await browser.submit(login, { username: 'alice', password: 'Passw0rd!' }, { follow: false })
    const callback = new URL(back.header('location') ?? '')
    t.equal(callback.origin, url)
    const moved = await take(browser, at(1, callback.pathname + callback.search))
    t.equal(moved.code, 'GW_SIGN_IN_STATE_INVALID')
    t.notOk(await isSignedIn(browser, 1))
    t.equal((await browser.visit(callback.href)).url, at(1), 'where it belongs it ends well')
  })

  await t.test('a hand-over is good in the browser that asked for it, once', async (t) => {
    const { browser, handover } = await underWay()
    t.equal((await take(browser, handover)).to, '/page')
    t.ok(await isSignedIn(browser))
    t.equal((await take(browser, handover)).to, '/page', 'again it leads on')

    const first = await underWay()
    const thief = client()
    t.match((await take(thief, first.handover)).to, `${url}/oauth2/handover`, 'another browser begins anew')
    t.notOk(await isSignedIn(thief))
    t.match((await take(first.browser, first.handover)).to, `${url}/oauth2/handover`, 'and has used it up')
    t.notOk(await isSignedIn(first.browser))

    const second = await underWay()
    const jar = new Map(second.browser.jarOf(hostOf(at(3))))
    await take(second.browser, second.handover)
    const copy = client()
    for (const [name, value] of jar) copy.jarOf(hostOf(at(3))).set(name, value)
    await take(copy, second.handover)
    t.notOk(await isSignedIn(copy), 'not even with the cookies of the attempt')
  })

  await t.test('a hand-over is good for ten seconds', async (t) => {
    const { browser, handover } = await underWay()
    clock.advance(10)
    const late = await take(browser, handover)
    t.match(late.to, `${url}/oauth2/handover`)
    t.notOk(await isSignedIn(browser))
    t.equal((await browser.visit(late.to)).url, at(3, '/page'), 'and the next one arrives')
  })

  await t.test('a hand-over for one host is nothing on another, nor for another attempt', async (t) => {
    const { browser, handover } = await underWay()
    const { pathname, search, searchParams } = new URL(handover)
    t.equal((await take(browser, at(2, pathname + search))).code, 'GW_SIGN_IN_STATE_INVALID')
    const other = await underWay()
    const swapped = new URL(other.handover)
    swapped.searchParams.set('session', searchParams.get('session') ?? '')
    await take(other.browser, swapped.href)
    t.notOk(await isSignedIn(other.browser))
  })

  await t.test('nobody is sent to and fro without end where nothing arrives', async (t) => {
    const { browser, handover } = await underWay()
    const broken = new URL(handover)
    broken.searchParams.set('session', 'nothing')
    const again = await take(browser, broken.href)
    const given = await take(browser, again.to)
    const still = new URL(given.to)
    still.searchParams.set('session', 'nothing')
    t.equal((await take(browser, still.href)).code, 'GW_SIGN_IN_EXPIRED')
  })

  await t.test('an invented request for a hand-over gets none', async (t) => {
    const browser = client()
    await browser.signIn(at(1))
    for (const query of ['', '?for=', '?for=invented', '?state=a&session=b', `?for=${'A'.repeat(3000)}`])
      t.equal(
        (await take(browser, `${url}/oauth2/handover${query}`)).code,
        'GW_SIGN_IN_STATE_INVALID',
        query.slice(0, 20),
      )
  })
})

t.test('with a callback on each host every host signs in for itself', async (t) => {
  const world = await startHosts(t, 3, { settings: { endpoints: { callbackOn: 'eachHost' } } })
  const { url, at, pool } = world
  pool.setClient(CLIENT_ID, {
    callbackUrls: [url, at(1), at(2), at(3)].map((one) => `${new URL(one).origin}/oauth2/callback`),
  })
  const browser = world.client()
  t.equal((await browser.signIn(at(1, '/page'))).url, at(1, '/page'))
  const reply = await browser.visit(at(2, '/page'))
  t.equal(reply.url, at(2, '/page'))
  t.ok(
    browser.trail.some((step) => step.startsWith(`${pool.url}/oauth2/authorize`)),
    'by way of Cognito',
  )
  t.ok(browser.trail.some((step) => step.startsWith(at(2, '/oauth2/callback?'))))
  t.equal((await withCookie(world, at(2, '/page'), cookieAt(browser, at(1)))).status, 401)
  const refused = await browser.ask(at(2, '/oauth2/handover?for=x'), { headers: PAGE })
  t.equal(refused.header('x-gateway-code'), 'GW_SIGN_IN_STATE_INVALID')
})
