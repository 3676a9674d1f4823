import t from 'tap'
import { createPoolGate } from '../../src/adapters/pool-gate.ts'
import { GatewayError } from '../../src/domain/errors.ts'
import { createClock } from '../helpers/clock.ts'
import { until } from '../helpers/until.ts'

type Reason = string | undefined

/** A gate before a token endpoint whose answers the test gives by hand. */
function gated({ requestsPerSecond = 1_000 } = {}) {
  const clock = createClock()
  const circuit: string[] = []
  const arrived: {
    readonly grant: string
    readonly answer: (response: Response) => void
    readonly fail: () => void
  }[] = []
  const gate = createPoolGate({ requestsPerSecond, now: clock.now, onCircuit: (state) => circuit.push(state) })
  const fetch = gate.through(
    async (_url, { body }) =>
      new Promise((resolve, reject) =>
        arrived.push({
          grant: body instanceof URLSearchParams ? (body.get('grant_type') ?? '') : '',
          answer: resolve,
          fail: () => reject(new TypeError('reset')),
        }),
      ),
  )
  const ask = async (
    grant: string,
    signal?: AbortSignal,
    url = 'https://pool.example/oauth2/token',
  ): Promise<Response> =>
    fetch(url, {
      body: new URLSearchParams({ grant_type: grant }),
      headers: {},
      method: 'POST',
      redirect: 'manual',
      ...(signal === undefined ? {} : { signal }),
    })
  const refresh = async (signal?: AbortSignal): Promise<Response> => ask('refresh_token', signal)
  const signIn = async (): Promise<Response> => ask('authorization_code')
  return { clock, circuit, arrived, ask, refresh, signIn }
}

/** Everything that can go ahead has done so. */
const settled = async (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The reason of a refusal that comes at once; what goes ahead instead is a failure of the test. */
async function refusal(request: Promise<Response>): Promise<Reason> {
  return request.then(
    () => 'none',
    (error: unknown) => (error instanceof GatewayError ? error.reason : String(error)),
  )
}

t.test('D14 after a 429 nothing of its kind is sent before the time that it names, and sign-ins go on', async (t) => {
  const { clock, arrived, refresh, signIn } = gated()
  const first = refresh()
  await settled()
  arrived[0]?.answer(new Response('', { status: 429, headers: { 'retry-after': '7' } }))
  t.equal((await first).status, 429)
  clock.advance(6)
  t.equal(await refusal(refresh()), 'throttled')
  void signIn()
  await settled()
  t.equal(arrived.length, 2)
  clock.advance(1)
  void refresh()
  await settled()
  t.equal(arrived.length, 3)
})

t.test('D14 what a 429 asks for is believed within bounds', async (t) => {
  const at = new Date(Date.now() + 20_000).toUTCString()
  for (const [asked, least, most] of [
    ['86400', 29, 30],
    ['0', 0, 1],
    [at, 15, 21],
    ['soon', 1, 2],
    [undefined, 1, 2],
  ] as const) {
    const { clock, arrived, refresh } = gated()
    const first = refresh()
    const headers: Record<string, string> = asked === undefined ? {} : { 'retry-after': asked }
    await settled()
    arrived[0]?.answer(new Response('', { status: 429, headers }))
    await first
    if (least > 0) {
      clock.advance(least)
      t.equal(await refusal(refresh()), 'throttled', `${asked}: not after ${least} s`)
    }
    clock.advance(most - least)
    void refresh()
    await settled()
    t.equal(arrived.length, 2, `${asked}: after ${most} s`)
  }
})

t.test('D13 after five failures in a row nothing is sent for three seconds, and then one try decides', async (t) => {
  const { clock, circuit, arrived, refresh, signIn } = gated()
  const fail = async (request: Promise<Response>, at: number): Promise<void> => {
    await settled()
    arrived[at]?.fail()
    await t.rejects(request)
  }
  for (let at = 0; at < 4; at += 1) await fail(refresh(), at)
  const fifth = signIn()
  await settled()
  arrived[4]?.answer(new Response('', { status: 503 }))
  t.equal((await fifth).status, 503)
  t.same(circuit, ['opened'])
  t.equal(await refusal(refresh()), 'circuit_open')
  t.equal(await refusal(signIn()), 'circuit_open')

  clock.advance(3)
  const probe = refresh()
  await settled()
  t.equal(await refusal(refresh()), 'circuit_open', 'one try only')
  await fail(probe, 5)
  t.equal(await refusal(refresh()), 'circuit_open')
  clock.advance(3)
  const second = refresh()
  await settled()
  arrived[6]?.answer(new Response('{"error":"invalid_grant"}', { status: 400 }))
  await second
  t.same(circuit, ['opened', 'closed'], 'any answer but a fault of the server is one')
  void refresh()
  await settled()
  t.equal(arrived.length, 8)
})

t.test('RL11 no more than so many requests are under way, and slow refreshes leave room for sign-ins', async (t) => {
  const { arrived, refresh, signIn } = gated()
  for (let at = 0; at < 60; at += 1) void refresh()
  await settled()
  t.equal(arrived.length, 24)
  for (let at = 0; at < 20; at += 1) void signIn()
  await settled()
  t.equal(arrived.length, 32)
  await settled()
  arrived[0]?.answer(new Response(''))
  await until(() => arrived.length === 33)
  await settled()
  t.equal(arrived.at(-1)?.grant, 'authorization_code', 'sign-ins go before refreshes that came earlier')
})

t.test('D15 no more than so many requests go out in a second', async (t) => {
  const { arrived, refresh } = gated({ requestsPerSecond: 20 })
  const startedAt = performance.now()
  const all = Array.from({ length: 30 }, async () => refresh())
  await settled()
  t.equal(arrived.length, 20, 'a second has its share at once')
  for (let at = 0; at < 30; at += 1) {
    await until(() => arrived.length > at)
    arrived[at]?.answer(new Response(''))
  }
  await Promise.all(all)
  t.ok(performance.now() - startedAt >= 450, 'the rest at its pace')
})

t.test('D15 who could not be served in time is refused at once', async (t) => {
  const { refresh } = gated({ requestsPerSecond: 10 })
  const all = Array.from({ length: 100 }, async () => refusal(refresh()))
  const first = await Promise.race(all)
  t.equal(first, 'pool_busy')
})

t.test('who gives up while waiting takes nobody else with it', async (t) => {
  const { arrived, refresh } = gated()
  for (let at = 0; at < 24; at += 1) void refresh()
  const giving = new AbortController()
  const waiting = refresh(giving.signal)
  void refresh()
  giving.abort(new TypeError('timeout'))
  await t.rejects(waiting, { message: 'timeout' })
  await settled()
  arrived[0]?.answer(new Response(''))
  await until(() => arrived.length === 25)
  await settled()
  t.equal(arrived.length, 25)
})

t.test('other endpoints than that for tokens pass by', async (t) => {
  const { arrived, ask, refresh } = gated()
  for (let at = 0; at < 40; at += 1) void refresh()
  void ask('', undefined, 'https://pool.example/oauth2/revoke')
  await settled()
  t.equal(arrived.length, 25)
})
