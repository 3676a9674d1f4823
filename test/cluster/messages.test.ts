import { serialize, deserialize } from 'node:v8'
import t from 'tap'
import { createAsks } from '../../src/cluster/asks.ts'
import {
  isRevocationList,
  isOutcome,
  isPrimaryMessage,
  isSession,
  isSnapshot,
  isTrue,
  isWorkerMessage,
} from '../../src/cluster/messages.ts'
import type { Session } from '../../src/domain/session.ts'
import { alice } from '../helpers/people.ts'

const session: Session = {
  id: 's1',
  person: alice(),
  startedAt: 1,
  seenAt: 1,
  claimsAt: 1,
  accessExpiresAt: 2,
  refreshToken: undefined,
}
const revocation = { kind: 'session', id: 's1', originJti: 'o1' }

t.test('what either end says is understood at the other', async (t) => {
  for (const message of [
    { type: 'hello', ask: 1 },
    { type: 'refresh', ask: 1, session },
    { type: 'settle', ask: 1, session: { ...session, refreshToken: 'x' } },
    { type: 'revoke', ask: 1, revocation },
    { type: 'logins', ask: 1, query: { email: 'alice@example.com' } },
    { type: 'listening', port: 8080 },
    { type: 'keys' },
    { type: 'failed', says: 'why' },
    { type: 'answer', ask: 1, value: true },
  ])
    t.ok(isWorkerMessage(deserialize(serialize(message))), message.type)
  for (const message of [
    { type: 'revoked', ask: 1, revocation },
    { type: 'count', ask: 1 },
    { type: 'logins', ask: 1, query: {} },
    { type: 'log-level', ask: 1, level: 'debug' },
    { type: 'drain' },
    { type: 'answer', ask: 1, value: [revocation] },
  ])
    t.ok(isPrimaryMessage(deserialize(serialize(message))), message.type)
})

t.test('anything else is taken for nothing', async (t) => {
  for (const message of [
    undefined,
    null,
    'drain',
    {},
    { type: 'toString' },
    { type: 'refresh', ask: '1', session },
    { type: 'refresh', ask: 1, session: { ...session, person: { ...session.person, groups: ['admins'] } } },
    { type: 'refresh', ask: 1, session: { ...session, person: { ...session.person, kind: 'machine' } } },
    { type: 'settle', ask: 1, session: { ...session, claimsAt: undefined } },
    { type: 'revoke', ask: 1, revocation: 's1' },
    { type: 'count', ask: 1 },
  ])
    t.notOk(isWorkerMessage(message))
  for (const message of [{ type: 'revoked', ask: 1, revocation: { kind: 'session' } }, { type: 'hello', ask: 1 }, 7])
    t.notOk(isPrimaryMessage(message))
  for (const value of [null, { kind: 'renewed', session: {} }, { kind: 'rejected' }, { kind: 'signed_out' }])
    t.notOk(isOutcome(value))
  for (const value of [{ kind: 'renewed', session }, { kind: 'rejected', reason: 'x' }, { kind: 'unavailable' }])
    t.ok(isOutcome(value))
  t.notOk(isSession({ ...session, refreshToken: 7 }))
  t.notOk(isRevocationList([revocation, 's2']))
  t.notOk(isSnapshot([{ name: 'x' }]))
  t.notOk(isSnapshot({}))
})

t.test('who is not answered in time, or not as asked, goes on without', async (t) => {
  const asks = createAsks()
  const sent: number[] = []
  const ask = async (withinMs: number) => asks.ask((id) => sent.push(id), { fits: isTrue, withinMs })
  t.equal(await ask(1), undefined)
  asks.answer(sent[0] ?? 0, true)
  const [first, second, third] = [ask(60_000), ask(60_000), ask(60_000)]
  asks.answer(sent[2] ?? 0, true)
  asks.answer(sent[1] ?? 0, 'yes')
  t.equal(await first, undefined)
  t.equal(await second, true)
  asks.abandon()
  t.equal(await third, undefined)
})
