import t from 'tap'
import { freshness, renewalDue, survivesOutage, type Session, type SessionLimits } from '../../src/domain/session.ts'
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
  t.equal(at(299), 'fresh')
  t.equal(at(300), 'refresh')
})

t.test('RL23 a session from a future that the clock was set back from goes on, with claims read anew', async (t) => {
  t.equal(at(-299), 'fresh')
  t.equal(at(-300), 'refresh')
  t.equal(at(-86_400), 'refresh')
})

t.test('a session is refreshed before its access token expires', async (t) => {
  const short = { accessExpiresAt: started + 200_000 }
  t.equal(at(139, short), 'fresh')
  t.equal(at(140, short), 'refresh')
  t.equal(at(29, { accessExpiresAt: started + 60_000 }), 'fresh', 'a very short token is used for half its life')
  t.equal(at(30, { accessExpiresAt: started + 60_000 }), 'refresh')
})

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
