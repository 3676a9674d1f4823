import type { AddressInfo } from 'node:net'
import Fastify from 'fastify'
import fp from 'fastify-plugin'
import t from 'tap'
import { createMetrics } from '../../src/adapters/metrics.ts'
import type { Overload } from '../../src/adapters/overload.ts'
import { catalogue, GatewayError } from '../../src/domain/errors.ts'
import { shed } from '../../src/plugins/shed.ts'

/** A server that has too much to do for this reason; what it lets in waits until it is told to answer. */
async function overloaded(t: { teardown(fn: () => unknown): unknown }, reason: Overload['reason']) {
  const waiting: (() => void)[] = []
  const app = Fastify()
  await app.register(fp((_app, _options, done) => done(), { name: 'observe' }))
  await app.register(shed, {
    overload: { reason, watch: () => undefined, stop: () => undefined },
    metrics: createMetrics(),
  })
  app.setErrorHandler((error, _request, reply) => {
    void reply.code(error instanceof GatewayError ? catalogue[error.code].status : 500).send()
  })
  app.get('/', { config: { access: 'public' } }, async () => {
    await new Promise<void>((resolve) => void waiting.push(resolve))
    return 'ok'
  })
  await app.listen({ host: '127.0.0.1', port: 0 })
  t.teardown(async () => app.close())
  const { port } = app.server.address() as AddressInfo
  const ask = async (): Promise<number> => (await fetch(`http://127.0.0.1:${port}/`)).status
  return { waiting, ask, entered: async () => new Promise<void>((resolve) => setImmediate(resolve)) }
}

t.test(
  'RL26 memory that stays short does not close the gateway for good: one request at a time is let in',
  async (t) => {
    const { waiting, ask, entered } = await overloaded(t, 'memory')
    for (const round of ['first', 'second']) {
      const first = ask()
      while (waiting.length === 0) await entered()
      t.equal(await ask(), 503, `${round}: beside it all others are refused`)
      waiting.pop()?.()
      t.equal(await first, 200, round)
    }
  },
)

t.test('D19 while the event loop is late, nobody is let in', async (t) => {
  const { waiting, ask } = await overloaded(t, 'event_loop')
  t.equal(await ask(), 503)
  t.equal(waiting.length, 0)
})
