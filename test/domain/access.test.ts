import t from 'tap'
import { decide, type AccessRule } from '../../src/domain/access.ts'
import type { Machine, Person } from '../../src/domain/identity.ts'
import { alice, machine } from '../helpers/people.ts'

const verdict = (rule: AccessRule, identity: Person | Machine | null): string => {
  const decision = decide(rule, 'staff', identity)
  return decision.kind === 'deny' ? `deny ${decision.missing.join(' ')}` : decision.kind
}

t.test('a public route asks nobody and tells nobody', async (t) => {
  const decision = decide('public', 'staff', alice())
  t.equal(decision.kind === 'permit' && decision.permit.identity, null)
})

t.test('an optional route lets everybody in and knows who is signed in', async (t) => {
  const person = alice()
  const known = decide('optional', 'staff', person)
  t.equal(known.kind === 'permit' && known.permit.identity, person)
  const unknown = decide('optional', 'staff', null)
  t.equal(unknown.kind === 'permit' && unknown.permit.identity, null)
})

t.test('whoever is not signed in is asked to sign in, whatever the rule', async (t) => {
  t.equal(verdict('signedIn', null), 'sign-in')
  t.equal(verdict([{ groups: ['admins'] }], null), 'sign-in')
})

t.test('rules say who may pass and what the others lack', async (t) => {
  const cases: readonly (readonly [string, AccessRule, Person | Machine, string])[] = [
    ['any person', 'signedIn', alice(), 'permit'],
    ['a machine is nobody who signed in', 'signedIn', machine(), 'deny person_required'],
    ['one of the groups is enough', [{ groups: ['finance', 'ops'] }], alice(), 'permit'],
    ['none of the groups is not', [{ groups: ['finance'] }], alice(), 'deny group_missing'],
    ['every scope is needed', [{ scopes: ['orders/read', 'orders/write'] }], alice(), 'deny scope_missing'],
    ['a scope is compared whole', [{ scopes: ['orders/rea'] }], alice(), 'deny scope_missing'],
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
      alice(),
      'deny scope_missing',
    ],
    ['any entry lets in', [{ groups: ['finance'] }, { scopes: ['orders/read'] }], alice(), 'permit'],
    ['a claim has one of the values', [{ claims: { 'custom:tenant': ['acme', 'umbrella'] } }], alice(), 'permit'],
    ['another value is refused', [{ claims: { 'custom:tenant': ['umbrella'] } }], alice(), 'deny claim_mismatch'],
    ['a missing claim is refused', [{ claims: { 'custom:level': ['1'] } }], alice(), 'deny claim_mismatch'],
    ['a claim that is a list matches by member', [{ claims: { 'custom:teams': ['blue'] } }], alice(), 'permit'],
    ['a claim that is text is never split', [{ claims: { 'custom:tenant': ['ac'] } }], alice(), 'deny claim_mismatch'],
    ['an entry without conditions admits nobody', [{}], alice(), 'deny no_rule'],
    ['a rule without entries admits nobody', [], alice(), 'deny '],
  ]
  for (const [what, rule, identity, expected] of cases) t.equal(verdict(rule, identity), expected, what)
})

t.test('the identity of another pool does not exist here', async (t) => {
  t.equal(verdict('signedIn', alice({ pool: 'partners' })), 'deny foreign_pool')
  const optional = decide('optional', 'staff', alice({ pool: 'partners' }))
  t.equal(optional.kind === 'permit' && optional.permit.identity, null)
})

t.test('T16 groups and claims named like properties of every object are ordinary names', async (t) => {
  t.equal(verdict([{ claims: { constructor: ['x'] } }], alice()), 'deny claim_mismatch')
  t.equal(verdict([{ groups: ['__proto__'] }], alice()), 'deny group_missing')
  t.equal(verdict([{ groups: ['__proto__'] }], alice({ groups: new Set(['__proto__']) })), 'permit')
})
