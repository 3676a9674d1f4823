import t from 'tap'
import { decide, type AccessRule } from '../../src/domain/access.ts'
import type { Machine, Person } from '../../src/domain/identity.ts'

const person = (more: Partial<Person> = {}): Person => ({
  kind: 'person',
  pool: 'staff',
  subject: 'sub-alice',
  username: 'alice',
  preferredUsername: undefined,
  email: 'alice@example.com',
  groups: new Set(['admins', 'ops']),
  scopes: new Set(['openid', 'orders/read']),
  claims: { 'custom:tenant': 'acme', 'custom:teams': ['red', 'blue'] },
  authTime: 1,
  ...more,
})
const machine = (scopes: readonly string[] = ['orders/read']): Machine => ({
  kind: 'machine',
  pool: 'staff',
  clientId: 'batch',
  scopes: new Set(scopes),
})
const verdict = (rule: AccessRule, identity: Person | Machine | null): string => {
  const decision = decide(rule, 'staff', identity)
  return decision.kind === 'deny' ? `deny ${decision.missing.join(' ')}` : decision.kind
}

t.test('a public route asks nobody and tells nobody', async (t) => {
  const decision = decide('public', 'staff', person())
  t.equal(decision.kind === 'permit' && decision.permit.identity, null)
})

t.test('an optional route lets everybody in and knows who is signed in', async (t) => {
  const alice = person()
  const known = decide('optional', 'staff', alice)
  t.equal(known.kind === 'permit' && known.permit.identity, alice)
  const unknown = decide('optional', 'staff', null)
  t.equal(unknown.kind === 'permit' && unknown.permit.identity, null)
})

t.test('whoever is not signed in is asked to sign in, whatever the rule', async (t) => {
  t.equal(verdict('signedIn', null), 'sign-in')
  t.equal(verdict([{ groups: ['admins'] }], null), 'sign-in')
})

t.test('rules say who may pass and what the others lack', async (t) => {
  const cases: readonly (readonly [string, AccessRule, Person | Machine, string])[] = [
    ['any person', 'signedIn', person(), 'permit'],
    ['a machine is nobody who signed in', 'signedIn', machine(), 'deny person_required'],
    ['one of the groups is enough', [{ groups: ['finance', 'ops'] }], person(), 'permit'],
    ['none of the groups is not', [{ groups: ['finance'] }], person(), 'deny group_missing'],
    ['every scope is needed', [{ scopes: ['orders/read', 'orders/write'] }], person(), 'deny scope_missing'],
    ['a scope is compared whole', [{ scopes: ['orders/rea'] }], person(), 'deny scope_missing'],
    ['a machine passes by scopes', [{ scopes: ['orders/read'] }], machine(), 'permit'],
    ['a machine has no groups', [{ groups: ['admins'] }], machine(), 'deny person_required'],
    [
      'a machine with the scope still lacks the group beside it',
      [{ scopes: ['orders/read'], groups: ['ops'] }],
      machine(),
      'deny person_required',
    ],
    [
      'all conditions of an entry must hold',
      [{ groups: ['ops'], scopes: ['orders/write'] }],
      person(),
      'deny scope_missing',
    ],
    ['any entry lets in', [{ groups: ['finance'] }, { scopes: ['orders/read'] }], person(), 'permit'],
    ['a claim has one of the values', [{ claims: { 'custom:tenant': ['acme', 'umbrella'] } }], person(), 'permit'],
    ['another value is refused', [{ claims: { 'custom:tenant': ['umbrella'] } }], person(), 'deny claim_mismatch'],
    ['a missing claim is refused', [{ claims: { 'custom:level': ['1'] } }], person(), 'deny claim_mismatch'],
    ['a claim that is a list matches by member', [{ claims: { 'custom:teams': ['blue'] } }], person(), 'permit'],
    ['a claim that is text is never split', [{ claims: { 'custom:tenant': ['ac'] } }], person(), 'deny claim_mismatch'],
    ['an entry without conditions admits nobody', [{}], person(), 'deny no_rule'],
    ['a rule without entries admits nobody', [], person(), 'deny '],
  ]
  for (const [what, rule, identity, expected] of cases) t.equal(verdict(rule, identity), expected, what)
})

t.test('the identity of another pool does not exist here', async (t) => {
  t.equal(verdict('signedIn', person({ pool: 'partners' })), 'deny foreign_pool')
  const optional = decide('optional', 'staff', person({ pool: 'partners' }))
  t.equal(optional.kind === 'permit' && optional.permit.identity, null)
})

t.test('T16 groups and claims named like properties of every object are ordinary names', async (t) => {
  t.equal(verdict([{ claims: { constructor: ['x'] } }], person()), 'deny claim_mismatch')
  t.equal(verdict([{ groups: ['__proto__'] }], person()), 'deny group_missing')
  t.equal(verdict([{ groups: ['__proto__'] }], person({ groups: new Set(['__proto__']) })), 'permit')
})
