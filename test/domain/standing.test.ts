import t from 'tap'
import { Standing } from '../../src/domain/standing.ts'

const SECOND = 1_000

/** Fails so many times at once; returns for how long it is left out by the last. */
function fail(standing: Standing, times: number, now: number): number {
  let outMs = 0
  for (let time = 0; time < times; time += 1) outMs = standing.record('failed', now)
  return outMs
}

t.test('three failures in a row leave an address out for ten seconds; answers between them do not', async (t) => {
  const standing = new Standing()
  t.equal(fail(standing, 2, 0), 0)
  standing.record('answered', 0)
  t.equal(fail(standing, 2, 0), 0)
  t.equal(standing.share(0), 1)
  t.equal(fail(standing, 1, 0), 10 * SECOND)
  t.equal(standing.share(9_999), 0)
})

t.test('it comes back with a share that grows over half a minute', async (t) => {
  const standing = new Standing()
  fail(standing, 3, 0)
  t.equal(standing.share(10 * SECOND), 0.1)
  t.equal(standing.share(25 * SECOND), 0.5)
  t.equal(standing.share(40 * SECOND), 1)
})

t.test('one failure on the way back leaves it out again, each time twice as long, at most five minutes', async (t) => {
  const standing = new Standing()
  let now = 0
  const times = [fail(standing, 3, now)]
  for (let time = 0; time < 6; time += 1) {
    now += times.at(-1) ?? 0
    times.push(fail(standing, 1, now))
  }
  t.same(
    times,
    [10, 20, 40, 80, 160, 300, 300].map((seconds) => seconds * SECOND),
  )
})

t.test('in full standing and answering again, it begins anew with ten seconds', async (t) => {
  const standing = new Standing()
  fail(standing, 3, 0)
  standing.record('answered', 41 * SECOND)
  t.equal(fail(standing, 2, 42 * SECOND), 0)
  t.equal(fail(standing, 1, 42 * SECOND), 10 * SECOND)
})

t.test(
  'failures of exchanges that began before it was left out, and clients that go away, change nothing',
  async (t) => {
    const standing = new Standing()
    fail(standing, 3, 0)
    t.equal(fail(standing, 5, 1), 0)
    t.ok(standing.share(10 * SECOND) > 0)
    const other = new Standing()
    for (let time = 0; time < 5; time += 1) other.record('abandoned', 0)
    t.equal(other.share(0), 1)
  },
)
