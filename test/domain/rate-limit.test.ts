import t from 'tap'
import { RateLimit, subscriberOf } from '../../src/domain/rate-limit.ts'

t.test('so many a minute pass, in a burst or spread, and the rest are told how long to wait', async (t) => {
  const limit = new RateLimit(60)
  for (let at = 0; at < 60; at += 1) t.equal(limit.take('a', 0), 0)
  t.equal(limit.take('a', 0), 1_000)
  t.equal(limit.take('a', 400), 600, 'asking again does not prolong the wait')
  t.equal(limit.take('b', 400), 0, 'others are not held up')
  t.equal(limit.take('a', 1_000), 0)
  t.equal(limit.take('a', 1_000), 1_000)
  for (let at = 0; at < 60; at += 1) t.equal(limit.take('a', 3_600_000), 0)
  t.equal(limit.take('a', 3_600_000), 1_000, 'a long pause saves up no more than one burst')
})

t.test('a flood from ever new keys makes it forget, not grow', async (t) => {
  const limit = new RateLimit(1, 100)
  t.equal(limit.take('a', 0), 0)
  for (let at = 0; at < 98; at += 1) limit.take(`flood-${at}`, 0)
  t.not(limit.take('a', 0), 0, 'known still')
  for (let at = 0; at < 300; at += 1) limit.take(`more-${at}`, 0)
  t.equal(limit.take('a', 0), 0)
})

t.test('an address stands for its subscriber: itself, or its /64 of IPv6', async (t) => {
  for (const [address, subscriber] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8::3:4:5:6:7', '2001:db8:0:3::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
  ] as const)
    t.equal(subscriberOf(address), subscriber, address)
})
