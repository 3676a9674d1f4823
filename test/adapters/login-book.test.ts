import t from 'tap'
import { createLoginBook } from '../../src/adapters/login-book.ts'
import { mergeLogins, type LoginRecord } from '../../src/domain/login-record.ts'
import { createClock } from '../helpers/clock.ts'

const record = (more: Partial<LoginRecord> = {}): LoginRecord => ({
  attempt: 'attempt1',
  pool: 'local',
  startedAt: 1,
  changedAt: 1,
  stage: 'started',
  result: 'under_way',
  references: ['r1'],
  client: '192.0.2.7',
  ...more,
})

t.test('a thousand sign-ins are remembered, and guesses at the callback push none of them out', async (t) => {
  const book = createLoginBook({ now: () => 1, onCookieSeen: () => undefined })
  for (let at = 0; at < 1_200; at += 1) book.note(record({ attempt: `attempt-${at}` }))
  for (let at = 0; at < 5_000; at += 1)
    book.note(record({ attempt: null, result: 'failed', references: [`guess-${at}`] }))
  const known = book.find({})
  t.equal(known.filter(({ attempt }) => attempt !== null).length, 1_000)
  t.equal(known.filter(({ attempt }) => attempt === null).length, 200)
  t.equal(book.find({ attempt: 'attempt-199' }).length, 0)
  t.equal(book.find({ attempt: 'attempt-200' }).length, 1)
  t.equal(book.find({ reference: 'guess-4999' }).length, 1)
})

t.test('a cookie is waited for ten minutes, and those of a thousand sessions at most', async (t) => {
  const clock = createClock()
  let seen = 0
  const book = createLoginBook({ now: clock.now, onCookieSeen: () => (seen += 1) })
  const wait = (id: string): void => book.awaitCookie(id, record({ changedAt: clock.now() }))
  wait('kept')
  wait('lost')
  t.equal(book.awaited, 2)
  book.cookieSeen('kept')
  book.cookieSeen('kept')
  book.cookieSeen('another')
  t.equal(seen, 1)
  t.equal(book.awaited, 1)
  clock.advance(601)
  book.cookieSeen('another')
  t.equal(book.awaited, 0, 'nothing is asked on the way of requests any more')
  for (let at = 0; at < 1_500; at += 1) wait(`session-${at}`)
  t.equal(book.awaited, 1_000)
})

t.test('what several processes know of one sign-in is one sign-in', async (t) => {
  const started = record({ startedAt: 5, changedAt: 5, identityProvider: 'CorpSaml' })
  const ended = record({
    startedAt: 5,
    changedAt: 9,
    stage: 'session_set',
    result: 'signed_in',
    references: ['r2'],
    sub: 'sub-alice',
    identityProvider: undefined,
  })
  const again = record({
    startedAt: 5,
    changedAt: 12,
    stage: 'came_back',
    result: 'failed',
    code: 'GW_X',
    references: ['r3'],
  })
  const newer = record({ attempt: 'attempt2', startedAt: 7 })
  for (const lists of [
    [[started], [ended, newer], [again]],
    [[again], [newer, ended], [started]],
  ])
    t.match(mergeLogins(lists), [
      newer,
      {
        ...started,
        changedAt: 12,
        stage: 'session_set',
        result: 'signed_in',
        sub: 'sub-alice',
        identityProvider: 'CorpSaml',
        code: undefined,
      },
    ])
})
