import t from 'tap'
import { createRefresher, type RefreshOutcome } from '../../src/adapters/refresher.ts'
import type { Session } from '../../src/domain/session.ts'
import { createClock } from '../helpers/clock.ts'
import { alice } from '../helpers/people.ts'

const clock = createClock()
const session = (more: Partial<Session> = {}): Session => ({
  id: 's1',
  person: alice(),
  startedAt: 1,
  seenAt: 1,
  claimsAt: 1,
  accessExpiresAt: 2,
  refreshToken: 'old',
  ...more,
})

/** A refresher over a user pool whose answers the test gives by hand. */
function scripted() {
  const calls: {
    readonly session: Session
    readonly answer: (outcome: RefreshOutcome) => void
    readonly fail: (error: Error) => void
  }[] = []
  const refresher = createRefresher({
    now: clock.now,
    refresh: async (one) =>
      new Promise((resolve, reject) => calls.push({ session: one, answer: resolve, fail: reject })),
  })
  return { refresher, calls }
}
const renewed = (from: Session): RefreshOutcome => ({
  kind: 'renewed',
  session: { ...from, claimsAt: from.claimsAt + 1000, refreshToken: 'new' },
})

t.test('forty requests at once cause one call to the user pool and all get its result', async (t) => {
  const { refresher, calls } = scripted()
  const waiting = Array.from({ length: 40 }, async () => refresher.renew(session()))
  calls[0]?.answer(renewed(session()))
  const outcomes = await Promise.all(waiting)
  t.equal(calls.length, 1)
  t.ok(outcomes.every((outcome) => outcome.kind === 'renewed' && outcome.session.refreshToken === 'new'))
})

t.test('C27 whoever still carries the old cookie gets the same result for half a minute', async (t) => {
  const { refresher, calls } = scripted()
  const first = refresher.renew(session())
  calls[0]?.answer(renewed(session()))
  await first
  clock.advance(29)
  t.equal((await refresher.renew(session())).kind, 'renewed')
  t.equal(calls.length, 1)
  clock.advance(2)
  void refresher.renew(session())
  t.equal(calls.length, 2)
})

t.test('a session that was renewed meanwhile asks for itself', async (t) => {
  const { refresher, calls } = scripted()
  const first = refresher.renew(session())
  calls[0]?.answer(renewed(session()))
  await first
  void refresher.renew(session({ claimsAt: 5000, refreshToken: 'new' }))
  t.equal(calls.length, 2)
  t.equal(calls[1]?.session.refreshToken, 'new')
})

t.test('C25 results are never shared between sessions', async (t) => {
  const { refresher, calls } = scripted()
  const one = refresher.renew(session())
  const two = refresher.renew(session({ id: 's2', refreshToken: 'other' }))
  calls[1]?.answer(renewed(session({ id: 's2' })))
  calls[0]?.answer(renewed(session()))
  const [first, second] = await Promise.all([one, two])
  t.equal(first.kind === 'renewed' && first.session.id, 's1')
  t.equal(second.kind === 'renewed' && second.session.id, 's2')
})

t.test('a fault is no refusal, and the next try waits a moment', async (t) => {
  const { refresher, calls } = scripted()
  const first = refresher.renew(session())
  calls[0]?.fail(new Error('reset'))
  t.equal((await first).kind, 'unavailable')
  t.equal((await refresher.renew(session())).kind, 'unavailable')
  t.equal(calls.length, 1)
  clock.advance(3)
  void refresher.renew(session())
  t.equal(calls.length, 2)
})

t.test('O08 a sign-out waits for a running refresh and learns its newest token', async (t) => {
  const { refresher, calls } = scripted()
  const running = refresher.renew(session())
  const settled = refresher.settle(session())
  calls[0]?.answer(renewed(session()))
  t.equal((await settled).refreshToken, 'new')
  t.equal((await running).kind, 'renewed')
  t.equal((await refresher.settle(session({ id: 'quiet' }))).refreshToken, 'old', 'where none runs, the one it has')
})
