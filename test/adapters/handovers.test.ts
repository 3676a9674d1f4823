import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createHandovers } from '../../src/adapters/handovers.ts'
import { createRedisKeys } from '../../src/adapters/redis-keys.ts'
import { createSeal } from '../../src/adapters/seal.ts'
import { createClock } from '../helpers/clock.ts'
import { until } from '../helpers/until.ts'
import { connectRedis, noRedis, startRedis } from '../helpers/redis.ts'

const seal = createSeal([randomBytes(32)], 'handover', 'here')
const keys = createRedisKeys('here')
const attempt = { attempt: 'attempt1', secret: 'secret', host: 'wiki.example.com' }

t.test('a hand-over is for one attempt on one host, for ten seconds, and once', async (t) => {
  const clock = createClock()
  const handovers = createHandovers({ seal, now: clock.now, redis: null, keys })
  for (const other of [{ attempt: 'attempt2' }, { secret: 'guessed' }, { host: 'shop.example.com' }]) {
    const text = handovers.write({ ...attempt, text: 'a session' })
    t.equal(await handovers.take(text, { ...attempt, ...other }), null, JSON.stringify(other))
    t.equal(await handovers.take(text, attempt), null, 'what was shown where it does not belong is used up')
  }
  t.equal(await handovers.take(seal.seal(Buffer.from('"something else"')), attempt), null)
  const text = handovers.write({ ...attempt, text: 'a session' })
  t.equal((await handovers.take(text, attempt))?.text, 'a session')
  t.equal(await handovers.take(text, attempt), null)
  const late = handovers.write({ ...attempt, text: 'a session' })
  clock.advance(10)
  t.equal(await handovers.take(late, attempt), null)
})

t.test('L25 replicas that share Redis take a hand-over once between them', { skip: noRedis ?? false }, async (t) => {
  const { url, stop } = await startRedis(t)
  const connections = [connectRedis(t, url), connectRedis(t, url)]
  await until(() => connections.every(({ up }) => up))
  const [one, other] = connections.map((redis) => createHandovers({ seal, now: Date.now, redis, keys }))
  const text = one?.write({ ...attempt, text: 'a session' }) ?? ''
  const taken = await Promise.all([one?.take(text, attempt), other?.take(text, attempt)])
  t.equal(taken.filter((handover) => handover !== null).length, 1)
  await stop()
  const alone = one?.write({ ...attempt, text: 'a session' }) ?? ''
  t.ok(await other?.take(alone, attempt), 'while Redis is away it is taken once at each')
  t.equal(await other?.take(alone, attempt), null)
})
