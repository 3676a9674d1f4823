import t from 'tap'
import { Generations } from '../../src/domain/generations.ts'
import { isCovered, parseInstant, parseRevocation, tokenOrigin } from '../../src/domain/revocation.ts'
import { alice, machine } from '../helpers/people.ts'

t.test('a revocation covers whoever signed in at its moment or before, to the second that Cognito tells', async (t) => {
  t.ok(isCovered(1_000_500, 1_000))
  t.ok(isCovered(1_000_000, 1_000))
  t.notOk(isCovered(1_000_500, 1_001))
  t.ok(isCovered(1, 0), 'a token that does not say when its owner signed in is as old as can be')
})

t.test('a revocation comes back as it was written, and nothing else is taken for one', async (t) => {
  for (const revocation of [
    { kind: 'session', id: 's', originJti: 'o' },
    { kind: 'session', id: 's', lapsed: true },
    { kind: 'person', pool: 'staff', subject: 'alice', before: 5 },
    { kind: 'everything', before: 5 },
  ])
    t.same(parseRevocation(JSON.stringify(revocation)), revocation)
  for (const text of [
    '',
    'null',
    '[]',
    '{"kind":"nobody"}',
    '{"kind":"session"}',
    '{"kind":"session","id":""}',
    '{"kind":"session","id":"s","originJti":7}',
    `{"kind":"session","id":"${'s'.repeat(257)}"}`,
    '{"kind":"person","pool":"staff","subject":"alice"}',
    '{"kind":"everything","before":"now"}',
    '{"kind":"everything","before":1e99}',
  ])
    t.equal(parseRevocation(text), null, text.slice(0, 60))
})

t.test('a moment has a date, a time and a zone', async (t) => {
  t.equal(parseInstant('2025-01-31T03:00:00Z'), Date.UTC(2025, 0, 31, 3))
  t.equal(parseInstant('2025-01-31T03:00+01:00'), Date.UTC(2025, 0, 31, 2))
  t.equal(parseInstant('2025-01-31T03:00:00.25Z'), Date.UTC(2025, 0, 31, 3, 0, 0, 250))
  for (const text of [
    '',
    'now',
    '2025-01-31',
    '2025-01-31T03:00:00',
    '2025-13-31T03:00:00Z',
    '1738292400',
    '31.1.2025',
  ])
    t.equal(parseInstant(text), null, text)
})

t.test('what a token was born of is its sign-in, and for a machine when it was made', async (t) => {
  const claims = { origin_jti: 'first', iat: 2_000, auth_time: 1_000 }
  t.same(tokenOrigin(alice({ authTime: 1_000 }), claims), {
    pool: 'staff',
    subject: 'sub-alice',
    since: 1_000,
    originJti: 'first',
  })
  t.same(tokenOrigin(machine(), claims), { pool: 'staff', subject: 'batch', since: 2_000, originJti: undefined })
})

t.test('what was ended is remembered for its time, and forgotten before twice that', async (t) => {
  const ended = new Generations<number>(100)
  ended.set('one', 1, 1_000)
  ended.set('two', 2, 1_099)
  ended.set('three', 3, 1_150)
  t.same([ended.get('one'), ended.get('two'), ended.get('three')], [1, 2, 3])
  ended.set('four', 4, 1_199)
  t.ok(ended.has('two'), 'for a hundred after it was put in')
  t.same([...ended.entries()].length, ended.size)
  ended.set('five', 5, 1_250)
  t.notOk(ended.has('one'))
  t.same([ended.get('three'), ended.get('five')], [3, 5])
  ended.set('six', 6, 9_000)
  t.equal(ended.size, 1)
})
