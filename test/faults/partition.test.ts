import { createServer } from 'node:http'
import t from 'tap'
import { createUpstreams } from '../../src/adapters/upstreams.ts'
import { createClock } from '../helpers/clock.ts'
import { sendRaw, type RawAnswer } from '../helpers/raw-http.ts'
import { networksForbidden, startRemoteApplication } from '../helpers/remote-network.ts'
import { ask, upstreamTarget } from '../helpers/upstream-visitor.ts'
import { until } from '../helpers/until.ts'
import { startWorld } from '../helpers/world.ts'

const skip = networksForbidden()

t.test('RL29 packets that are lost on the way to an application', { skip }, async (t) => {
  const remote = await startRemoteApplication(t)
  const world = await startWorld(t, {
    settings: {
      applications: {
        app: {
          access: 'public',
          upstream: {
            url: remote.url,
            connectSeconds: 1,
            responseSeconds: 2,
            breaker: { failures: 3, openSeconds: 5 },
          },
        },
      },
    },
  })
  const send = async (path: string, method = 'GET'): Promise<RawAnswer & { readonly took: number }> => {
    const began = performance.now()
    const bytes = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`
    const answer = await sendRaw(world.port, bytes, { waitForClose: true })
    return { ...answer, took: performance.now() - began }
  }
  const codeOf = ({ status, header }: RawAnswer): string => `${status} ${header('x-gateway-code') ?? ''}`.trim()
  const idle = async (): Promise<number> => {
    const label = `upstream_connections{upstream="${remote.address}:${remote.port}",state="idle"} `
    return Number((await world.metrics()).split(label)[1]?.split('\n', 1)[0])
  }
  const warm = async (): Promise<void> => {
    for (const { status } of await Promise.all([send('/a'), send('/b'), send('/c')])) t.equal(status, 200)
  }

  await t.test(
    'RL29 a connection that died without a word costs one time limit, and takes the others along',
    async (t) => {
      // Of requests at the same moment one may be over before the next begins, and then they share a connection.
      await until(async () => {
        await warm()
        return (await idle()) > 1
      })
      remote.cut()
      const dead = await send('/dead', 'POST')
      t.equal(codeOf(dead), '504 GW_UPSTREAM_TIMEOUT')
      t.ok(dead.took > 1_900 && dead.took < 9_000, `responseSeconds held: ${Math.round(dead.took)} ms`)
      t.equal(await idle(), 0, 'no other dead connection is used')
      const unreachable = await send('/unreachable')
      t.equal(codeOf(unreachable), '504 GW_UPSTREAM_TIMEOUT')
      t.ok(
        unreachable.took > 900 && unreachable.took < 5_000,
        `connectSeconds held: ${Math.round(unreachable.took)} ms`,
      )
    },
  )

  await t.test('RL29 then the circuit opens, and answers come at once', async (t) => {
    t.equal(codeOf(await send('/third')), '504 GW_UPSTREAM_TIMEOUT')
    for (let nth = 0; nth < 20; nth += 1) {
      const refused = await send('/refused')
      t.equal(codeOf(refused), '502 GW_UPSTREAM_UNREACHABLE')
      t.equal(refused.header('retry-after'), '5')
      t.ok(refused.took < 900, `${Math.round(refused.took)} ms`)
    }
    world.clock.advance(5)
    const [probe, beside] = await Promise.all([send('/probe'), send('/beside')])
    t.same(
      [codeOf(probe), codeOf(beside)].sort(),
      ['502 GW_UPSTREAM_UNREACHABLE', '504 GW_UPSTREAM_TIMEOUT'],
      'one goes ahead',
    )
    t.equal(codeOf(await send('/refused')), '502 GW_UPSTREAM_UNREACHABLE')
  })

  await t.test('RL29 once packets pass again, the first request is served at once', async (t) => {
    remote.heal()
    world.clock.advance(5)
    const first = await send('/first')
    t.match(first, { status: 200, body: 'fine' })
    t.ok(first.took < 900, `${Math.round(first.took)} ms`)
    await warm()
    const metrics = await world.metrics()
    t.match(metrics, `circuit_open{target="${remote.address}:${remote.port}"} 0`)
    t.match(metrics, 'upstream_errors_total{route="app",reason="upstream_no_answer"} 1')
    t.match(metrics, 'upstream_errors_total{route="app",reason="timeout"} 3')
    for (const path of ['/unreachable', '/third', '/refused', '/probe', '/beside'])
      t.notOk(remote.received.includes(`GET ${path}`), `${path} never left`)
    t.ok(remote.received.filter((request) => request === 'POST /dead').length <= 1, 'and nothing was sent twice')
  })

  await t.test(
    'RL29 a connection whose reset got lost is found dead by its next request, which a GET survives',
    async (t) => {
      await warm()
      remote.cut()
      await remote.reset()
      remote.heal()
      const next = await send('/next')
      t.match(next, { status: 200, body: 'fine' })
      t.ok(next.took < 900, `${Math.round(next.took)} ms`)
    },
  )
})

t.test(
  'RL09 where the address behind a name is lost and another takes its place, new connections go there',
  { skip },
  async (t) => {
    for (const resolve of ['one', 'all'] as const) {
      const remote = await startRemoteApplication(t)
      const heir = createServer((_request, response) => response.end('the heir'))
      await new Promise<void>((done) => {
        heir.listen(remote.port, '127.0.0.1', done)
      })
      t.teardown(() => {
        heir.closeAllConnections()
        heir.close()
      })
      const clock = createClock()
      let address = remote.address
      const upstreams = createUpstreams({
        now: clock.now,
        lookup: (_name, _options, callback) => callback(null, [{ address, family: 4 }]),
      })
      t.teardown(async () => upstreams.destroy())
      const upstream = upstreams.of(
        upstreamTarget({ urls: [`http://wiki.internal:${remote.port}`], resolve, connectSeconds: 1 }),
      )
      t.match(await ask(upstream), { status: 200, body: 'fine' }, resolve)
      remote.cut()
      address = '127.0.0.1'
      clock.advance(5)
      await t.rejects(ask(upstream, { headersTimeout: 1_000 }), { code: 'UND_ERR_HEADERS_TIMEOUT' }, resolve)
      t.match(await ask(upstream), { status: 200, body: 'the heir' }, resolve)
      remote.end()
    }
  },
)
