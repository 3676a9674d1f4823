import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createSeal } from '../../src/adapters/seal.ts'
import { createCookieStore, type StoredSession } from '../../src/adapters/session-store.ts'
import type { Session } from '../../src/domain/session.ts'
import { createClock } from '../helpers/clock.ts'
import { alice } from '../helpers/people.ts'
import { ownRevocations } from '../helpers/revocations.ts'

const clock = createClock()
const storeWith = (maxTextBytes = 7_900) =>
  createCookieStore({
    seal: createSeal([randomBytes(32)], 'session', 'app'),
    revocations: ownRevocations(clock.now),
    maxTextBytes,
  })

/** As long and as incompressible as Cognito's. */
const refreshToken = [
  'eyJjdHkiOiJKV1QiLCJlbmMiOiJBMjU2R0NNIiwiYWxnIjoiUlNBLU9BRVAifQ',
  randomBytes(256),
  randomBytes(12),
  randomBytes(990),
  randomBytes(16),
]
  .map((part) => (typeof part === 'string' ? part : part.toString('base64url')))
  .join('.')

const session = (more: Partial<Session> = {}, groups: readonly string[] = ['admins']): Session => ({
  id: randomBytes(16).toString('base64url'),
  originJti: 'sign-in-of-alice',
  person: alice({ groups: new Set(groups) }),
  startedAt: clock.now(),
  seenAt: clock.now(),
  claimsAt: clock.now(),
  accessExpiresAt: clock.now() + 3_600_000,
  refreshToken,
  ...more,
})
const written = (store: ReturnType<typeof storeWith>, one: Session): string => {
  const text = store.write(one)
  if (typeof text !== 'string') throw new Error('not written')
  return text
}
const read = (store: ReturnType<typeof storeWith>, text: string): StoredSession | null => {
  const stored = store.read(text)
  if (stored instanceof Promise || stored === 'foreign') throw new Error('the cookie store knows at once')
  return stored
}
const groupNames = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, at) => `department-${at}-of-the-company`)

t.test('a session comes back as it was written', async (t) => {
  const seal = createSeal([randomBytes(32)], 'session', 'app')
  const writer = createCookieStore({ seal, revocations: ownRevocations(clock.now), maxTextBytes: 7_900 })
  const reader = createCookieStore({ seal, revocations: ownRevocations(clock.now), maxTextBytes: 7_900 })
  const one = session()
  t.same(read(reader, written(writer, one))?.session, one, 'on a replica that never saw it')
})

t.test('a session with a refresh token of real size and 200 groups fits one cookie', async (t) => {
  const text = written(storeWith(), session({}, groupNames(200)))
  t.ok(text.length < 3_950, `${text.length} bytes`)
})

t.test('a session that does not fit says how large it is and what helps', async (t) => {
  const many = Array.from({ length: 400 }, () => randomBytes(16).toString('hex'))
  t.throws(() => storeWith().write(session({}, many)), {
    code: 'GW_SESSION_TOO_LARGE',
    detail: /needs \d+ bytes .* fewer groups/,
  })
})

t.test('C07 an ended session is none, however often its cookie was copied, and cannot be written again', async (t) => {
  const store = storeWith()
  const one = session()
  const text = written(store, one)
  const copy = written(store, { ...one, seenAt: one.seenAt + 1 })
  void store.end(one)
  t.equal(read(store, text), null)
  t.equal(read(store, copy), null)
  t.equal(store.write(one), null, 'a refresh that ends after the sign-out does not bring it back')
})

t.test('a lapsed session is none either, but its text tells whose it was until somebody ends it', async (t) => {
  const store = storeWith()
  const one = session()
  const text = written(store, one)
  void store.lapse(one)
  t.equal(read(store, text), null)
  t.equal(store.write(one), null)
  t.match(store.lastKnown(text), { id: one.id, person: { subject: 'sub-alice' } })
  void store.end(one)
  t.equal(store.lastKnown(text), null)
  void store.lapse(one)
  t.equal(store.lastKnown(text), null, 'and what was ended stays so')
  t.equal(store.lastKnown('x'.repeat(200)), null)
})

t.test('what is no session of this gateway is none', async (t) => {
  const store = storeWith()
  const text = written(store, session())
  t.equal(read(store, ''), null)
  t.equal(read(store, 'x'.repeat(32)), null)
  t.equal(storeWith().read(text), 'foreign', 'sealed with a key that is not known here')
  t.equal(read(store, text.slice(1)), null, 'the same tail is not the same cookie')
})

t.test('C25 a thousand sessions read in any order are each their own', async (t) => {
  const store = storeWith()
  const texts = Array.from({ length: 1000 }, (_, at) => {
    const one = session()
    return [`person-${at}`, written(store, { ...one, person: { ...one.person, subject: `person-${at}` } })] as const
  })
  for (const [subject, text] of texts.toReversed()) {
    if (read(store, text)?.session.person.subject !== subject) t.fail(subject)
  }
  t.pass('all read')
})
