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
    random: () => 0,
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

t.test(
  'RL10 a session whose refresh keeps failing is tried after two, four and eight seconds, and then every eight',
  async (t) => {
    const { refresher, calls } = scripted()
    for (const seconds of [2, 4, 8, 8]) {
      const tried = calls.length
      const failing = refresher.renew(session())
      calls.at(-1)?.fail(new Error('reset'))
      t.equal((await failing).kind, 'unavailable')
      t.equal(calls.length, tried + 1)
      clock.advance(seconds - 0.1)
      await refresher.renew(session())
      t.equal(calls.length, tried + 1, `left alone for ${seconds} seconds`)
      clock.advance(0.1)
    }
  },
)

t.test(
  'of many requests before the tokens expire one renews them, and the others pass with what they have',
  async (t) => {
    const { refresher, calls } = scripted()
    const first = refresher.renewEarly(session())
    t.equal(refresher.renewEarly(session()), null)
    t.equal(refresher.renewEarly(session()), null)
    calls[0]?.answer(renewed(session()))
    t.equal((await first)?.kind, 'renewed')
    t.equal((await refresher.renewEarly(session()))?.kind, 'renewed', 'who comes later shares what there is')
    t.equal(calls.length, 1)
  },
)

t.test('who must be renewed waits for the one that renews early', async (t) => {
  const { refresher, calls } = scripted()
  const early = refresher.renewEarly(session())
  const due = refresher.renew(session())
  calls[0]?.answer(renewed(session()))
  t.same(await due, await early)
  t.equal(calls.length, 1)
})

t.test('after a failure nobody tries early again until the pause is over', async (t) => {
  const { refresher, calls } = scripted()
  const first = refresher.renewEarly(session())
  calls[0]?.fail(new Error('reset'))
  t.equal((await first)?.kind, 'unavailable')
  t.equal(refresher.renewEarly(session()), null)
  clock.advance(2)
  void refresher.renewEarly(session())
  t.equal(calls.length, 2)
})

t.test('C27 a new refresh token that came with a fault is used from then on, whatever cookie asks', async (t) => {
  const { refresher, calls } = scripted()
  const first = refresher.renew(session())
  calls[0]?.answer({ kind: 'unavailable', cause: undefined, session: session({ refreshToken: 'next' }) })
  await first
  clock.advance(2)
  const second = refresher.renew(session())
  t.equal(calls[1]?.session.refreshToken, 'next')
  calls[1]?.fail(new Error('reset'))
  const outcome = await second
  t.equal(outcome.kind === 'unavailable' && outcome.session?.refreshToken, 'next', 'and every browser gets it')
  clock.advance(4)
  void refresher.renew(session())
  t.equal(calls[2]?.session.refreshToken, 'next')
})

t.test('C25 a result is for nobody but the person that it was made for', async (t) => {
  const { refresher, calls } = scripted()
  const first = refresher.renew(session())
  calls[0]?.answer(renewed(session()))
  await first
  void refresher.renew(session({ person: alice({ subject: 'sub-mallory' }) }))
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
