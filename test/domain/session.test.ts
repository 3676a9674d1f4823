import { randomBytes } from 'node:crypto'
import t from 'tap'
import {
  freshness,
  renewalDue,
  renewalPressing,
  survivesOutage,
  type Session,
  type SessionLimits,
} from '../../src/domain/session.ts'
import { alice } from '../helpers/people.ts'

const limits: SessionLimits = {
  idleTimeoutSeconds: 1800,
  maxAgeSeconds: 36_000,
  recheckSeconds: 300,
  refreshGraceSeconds: 300,
}
const started = 1_700_000_000_000
const session: Session = {
  id: 's1',
  person: alice(),
  startedAt: started,
  seenAt: started,
  claimsAt: started,
  accessExpiresAt: started + 3_600_000,
  refreshToken: 'r',
}
const at = (seconds: number, more: Partial<Session> = {}): string =>
  freshness({ ...session, ...more }, limits, started + seconds * 1000)

t.test('C11 a session ends when it was idle too long, to the second', async (t) => {
  t.equal(at(1799, { claimsAt: started + 1_799_000 }), 'fresh')
  t.equal(at(1800), 'idle')
  t.equal(at(1801), 'idle')
})

t.test('C11 activity never extends a session beyond its age', async (t) => {
  const active = (seconds: number): Partial<Session> => ({
    seenAt: started + seconds * 1000,
    claimsAt: started + seconds * 1000,
    accessExpiresAt: started + 9e7,
  })
  t.equal(at(35_999, active(35_999)), 'fresh')
  t.equal(at(36_000, active(36_000)), 'aged')
})

t.test('C07 claims are read anew at the recheck, whatever the life of the access token', async (t) => {
  t.equal(at(179), 'fresh')
  t.equal(at(299), 'early')
  t.equal(at(300), 'refresh')
})

t.test('a session may be refreshed early, in a window that ends well before it must be', async (t) => {
  const patient = { ...limits, recheckSeconds: 86_400, idleTimeoutSeconds: 86_400 }
  const window = (seconds: number): readonly [number, number] => {
    const token = { accessExpiresAt: started + seconds * 1000 }
    const due = Array.from({ length: 500 }, (_, at) => {
      const one = { ...session, ...token, id: `session-${at}` }
      let second = 0
      while (freshness(one, patient, started + second * 1000) === 'fresh') second += 1
      return second
    })
    t.equal(freshness({ ...session, ...token }, patient, started + seconds * 1000), 'refresh')
    return [Math.min(...due), Math.max(...due)]
  }
  for (const [seconds, from, to] of [
    [60, 36, 54],
    [300, 180, 270],
    [3_600, 3_300, 3_540],
  ] as const) {
    const [first, last] = window(seconds)
    t.ok(first >= from && first < from + seconds / 20, `${seconds} s: not before ${first}`)
    t.ok(last <= to && last > to - seconds / 20, `${seconds} s: not after ${last}`)
  }
})

t.test(
  'D15 of sessions that began in the same second about as many are due in each second of the window',
  async (t) => {
    const due = new Map<number, number>()
    for (let at = 0; at < 5_000; at += 1) {
      const one = { ...session, id: randomBytes(16).toString('base64url') }
      let second = 170
      while (freshness(one, limits, started + second * 1000) === 'fresh') second += 1
      due.set(second, (due.get(second) ?? 0) + 1)
    }
    // 5,000 over a window of 90 seconds are 56 a second on average; eight standard deviations are 60.
    t.ok(Math.max(...due.values()) < 116, `at most ${Math.max(...due.values())} in one second`)
    t.ok(due.size >= 90)
  },
)

t.test('C12 a record with impossible times has ended', async (t) => {
  for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0, 1.5]) {
    for (const field of ['startedAt', 'seenAt', 'claimsAt', 'accessExpiresAt'] as const)
      t.equal(at(1, { [field]: odd }), 'aged', `${field} ${odd}`)
  }
})

t.test('C28 a failed refresh leaves a session alive until its token and the grace are over', async (t) => {
  t.ok(survivesOutage(session, limits, started + 3_899_000))
  t.notOk(survivesOutage(session, limits, started + 3_900_000))
})

t.test('the last use is written down every tenth of the idle time, every five minutes at most', async (t) => {
  t.notOk(renewalDue(session, limits, started + 179_000))
  t.ok(renewalDue(session, limits, started + 180_000))
  t.notOk(renewalDue(session, { ...limits, idleTimeoutSeconds: 28_800 }, started + 299_000))
  t.ok(renewalDue(session, { ...limits, idleTimeoutSeconds: 28_800 }, started + 300_000))
})

t.test('the last use of a session that cannot be renewed is written down before it would end as idle', async (t) => {
  t.notOk(renewalPressing(session, limits, started + 899_000))
  t.ok(renewalPressing(session, limits, started + 900_000))
})
