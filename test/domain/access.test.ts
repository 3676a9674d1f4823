import t from 'tap'
import { decide, type AccessRule, type Rule } from '../../src/domain/access.ts'
import type { AccessEntry, Circumstances } from '../../src/domain/conditions.ts'
import type { Identity, Machine, Person } from '../../src/domain/identity.ts'
import { alice, machine } from '../helpers/people.ts'

const HERE: Circumstances = { address: '10.1.2.3', now: Date.UTC(2026, 10, 25) }
const STAFF = 'staff'

const verdictOf = (rule: Rule, identity: Identity | null, circumstances = HERE): string => {
  const decision = decide(rule, identity, circumstances)
  if (decision.kind === 'deny') return `deny ${decision.missing.join(' ')}`
  if (decision.kind === 'sign-in-again') return `again ${decision.withinSeconds}`
  return decision.kind === 'permit' && decision.wouldDeny !== undefined ? `report ${decision.wouldDeny}` : decision.kind
}
const verdict = (access: AccessRule, identity: Identity | null, circumstances = HERE): string =>
  verdictOf({ access, pool: STAFF }, identity, circumstances)

const secondsAgo = (seconds: number): number => HERE.now / 1000 - seconds

t.test('a public route asks nobody and tells nobody', async (t) => {
  const decision = decide({ access: 'public', pool: STAFF }, alice(), HERE)
  t.equal(decision.kind === 'permit' && decision.permit.identity, null)
})

t.test('an optional route lets everybody in and knows who is signed in', async (t) => {
  const person = alice()
  const known = decide({ access: 'optional', pool: STAFF }, person, HERE)
  t.equal(known.kind === 'permit' && known.permit.identity, person)
  const unknown = decide({ access: 'optional', pool: STAFF }, null, HERE)
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
    ['A09 a rule without entries admits nobody', [], alice(), 'deny no_rule'],
    ['A09 an empty list of scopes admits nobody', [{ scopes: [] }], alice(), 'deny scope_missing'],
    ['A09 an empty list of groups admits nobody', [{ groups: [] }], alice(), 'deny group_missing'],
    ['A09 an empty map of claims admits nobody', [{ claims: {} }], alice(), 'deny claim_mismatch'],
  ]
  for (const [what, rule, identity, expected] of cases) t.equal(verdict(rule, identity), expected, what)
})

t.test('the identity of another pool does not exist here', async (t) => {
  t.equal(verdict('signedIn', alice({ pool: 'partners' })), 'deny foreign_pool')
  const optional = decide({ access: 'optional', pool: STAFF }, alice({ pool: 'partners' }), HERE)
  t.equal(optional.kind === 'permit' && optional.permit.identity, null)
})

t.test('T16 groups and claims named like properties of every object are ordinary names', async (t) => {
  t.equal(verdict([{ claims: { constructor: ['x'] } }], alice()), 'deny claim_mismatch')
  t.equal(verdict([{ groups: ['__proto__'] }], alice()), 'deny group_missing')
  t.equal(verdict([{ groups: ['__proto__'] }], alice({ groups: new Set(['__proto__']) })), 'permit')
})

t.test('every other condition refuses where what it asks for is missing', async (t) => {
  const viaOkta = alice({ claims: { identities: ['Okta', 'Google'], client_id: 'app' } })
  const cases: readonly (readonly [string, AccessEntry, Person | Machine, string])[] = [
    ['a person by app client', { clients: ['other', 'app'] }, viaOkta, 'permit'],
    ['another app client', { clients: ['other'] }, viaOkta, 'deny client_unknown'],
    ['an app client that nobody kept', { clients: ['app'] }, alice(), 'deny client_unknown'],
    ['a machine by app client', { clients: ['batch'] }, machine(), 'permit'],
    ['another machine', { clients: ['other'] }, machine(), 'deny client_unknown'],
    ['a machine needs client and scope', { clients: ['batch'], scopes: ['x'] }, machine(), 'deny scope_missing'],
    ['one of the identity providers', { identityProviders: ['SAML', 'Google'] }, viaOkta, 'permit'],
    ['none of the identity providers', { identityProviders: ['okta'] }, viaOkta, 'deny provider_mismatch'],
    ['no identity provider is known', { identityProviders: ['COGNITO'] }, alice(), 'deny provider_mismatch'],
    ['an e-mail domain', { emailDomains: ['example.com'] }, alice(), 'permit'],
    ['an e-mail domain in capitals', { emailDomains: ['example.com'] }, alice({ email: 'A@EXAMPLE.com' }), 'permit'],
    ['no e-mail that counts', { emailDomains: ['example.com'] }, alice({ email: undefined }), 'deny email_unverified'],
    ['a network', { clientAddresses: ['192.0.2.0/24', '10.0.0.0/8'] }, alice(), 'permit'],
    ['another network', { clientAddresses: ['192.0.2.0/24'] }, alice(), 'deny address_mismatch'],
    ['a machine by client and network', { clients: ['batch'], clientAddresses: ['10.0.0.0/8'] }, machine(), 'permit'],
    ['a machine by network alone', { clientAddresses: ['10.0.0.0/8'] }, machine(), 'deny person_required'],
    ['a machine by pool alone', { pools: ['staff'] }, machine(), 'deny person_required'],
    ['a recent sign-in', { signedInWithinSeconds: 60 }, alice({ authTime: secondsAgo(60) }), 'permit'],
    ['an old sign-in', { signedInWithinSeconds: 60 }, alice({ authTime: secondsAgo(61) }), 'again 60'],
    ['a sign-in of unknown age', { signedInWithinSeconds: 60 }, alice({ authTime: 0 }), 'again 60'],
    [
      'a machine never signed in',
      { scopes: ['orders/read'], signedInWithinSeconds: 60 },
      machine(),
      'deny person_required',
    ],
  ]
  for (const [what, entry, identity, expected] of cases) t.equal(verdict([entry], identity), expected, what)
})

t.test('an e-mail domain is compared letter by letter, and never with what only looks alike', async (t) => {
  for (const email of [
    'a@sub.example.com',
    'a@example.com.evil.test',
    'a@evil.test@example.com',
    '"a@evil.test"@example.com',
    '@example.com',
    'example.com',
    'a@example.com.',
    'a@ex\u0430mple.com',
    'a@\uff45xample.com',
    'a@example.com\u0000',
    'a@example.com ',
    'a b@example.com',
    'a@e\u212aample.com',
    '',
  ])
    t.equal(
      verdict([{ emailDomains: ['example.com'] }], alice({ email })),
      'deny email_mismatch',
      JSON.stringify(email),
    )
  t.equal(
    verdict([{ emailDomains: ['kampus.example'] }], alice({ email: 'a@\u212aampus.example' })),
    'deny email_mismatch',
  )
  t.equal(verdict([{ emailDomains: ['xn--bcher-kva.example'] }], alice({ email: 'a@xn--bcher-kva.example' })), 'permit')
})

t.test('A18 an address counts in every spelling that stands for it, and nowhere else', async (t) => {
  const from = (address: string, network: string): string =>
    verdict([{ clientAddresses: [network] }], alice(), { ...HERE, address })
  for (const [address, network] of [
    ['10.255.255.255', '10.0.0.0/8'],
    ['::ffff:10.1.2.3', '10.0.0.0/8'],
    ['192.0.2.127', '192.0.2.0/25'],
    ['192.0.2.7', '192.0.2.7/32'],
    ['2001:db8:1::5', '2001:0DB8::/32'],
    ['::1', '::1/128'],
    ['fd00::', 'fc00::/7'],
  ] as const)
    t.equal(from(address, network), 'permit', `${address} in ${network}`)
  for (const [address, network] of [
    ['11.0.0.0', '10.0.0.0/8'],
    ['192.0.2.128', '192.0.2.0/25'],
    ['192.0.2.8', '192.0.2.7/32'],
    ['2001:db9::1', '2001:db8::/32'],
    ['::2', '::1/128'],
    ['fe80::1', 'fc00::/7'],
    ['::a01:203', '10.0.0.0/8'],
    ['', '10.0.0.0/8'],
    ['10.1.2.3.', '10.0.0.0/8'],
    ['fe80::1%eth0', 'fe80::/10'],
  ] as const)
    t.equal(from(address, network), 'deny address_mismatch', `${address} not in ${network}`)
})

t.test('identities of another pool pass only by an entry that names it', async (t) => {
  const partner = alice({ pool: 'partners' })
  t.equal(verdict([{ pools: ['partners'], groups: ['ops'] }], partner), 'permit')
  t.equal(verdict([{ pools: ['partners'], groups: ['ops'] }], alice()), 'permit', "beside the application's own")
  t.equal(verdict([{ pools: ['guests'], groups: ['ops'] }], partner), 'deny foreign_pool')
  t.equal(verdict([{ groups: ['ops'] }, { pools: ['partners'], groups: ['x'] }], partner), 'deny group_missing')
  const batch = { ...machine(), pool: 'partners' }
  t.equal(verdict([{ clients: ['batch'] }], batch), 'deny foreign_pool')
  t.equal(verdict([{ pools: ['partners'], clients: ['batch'] }], batch), 'permit')
})

t.test('A13 who lacks nothing but a recent sign-in is asked for one, and who lacks more is not', async (t) => {
  const old = alice({ authTime: secondsAgo(3_601) })
  t.equal(verdict([{ groups: ['ops'], signedInWithinSeconds: 3_600 }], old), 'again 3600')
  t.equal(verdict([{ groups: ['x'], signedInWithinSeconds: 3_600 }], old), 'deny group_missing sign_in_too_old')
  t.equal(verdict([{ groups: ['x'] }, { signedInWithinSeconds: 60 }], old), 'again 60', 'one way in is enough')
  t.equal(verdict([{ signedInWithinSeconds: 60 }, { signedInWithinSeconds: 600 }], old), 'again 600', 'the easiest one')
  t.equal(verdict([{ groups: ['ops'] }, { signedInWithinSeconds: 60 }], old), 'permit')
})

t.test('report-only lifts what the rule says of an identity that exists here, and nothing else', async (t) => {
  const until = HERE.now + 1
  const report = (access: AccessRule, identity: Identity | null, reportOnlyUntil: number | null = until): string =>
    verdictOf({ access, pool: STAFF, reportOnlyUntil }, identity)
  t.equal(report([{ groups: ['x'] }], alice()), 'report group_missing')
  t.equal(report([{ signedInWithinSeconds: 60 }], alice()), 'report sign_in_too_old')
  t.equal(report('signedIn', machine()), 'report person_required')
  t.equal(report([{ groups: ['ops'] }], alice()), 'permit', 'who may pass is not reported')
  t.equal(report([{ groups: ['x'] }], null), 'sign-in', 'everybody still signs in')
  t.equal(report([{ groups: ['x'] }], alice({ pool: 'partners' })), 'deny foreign_pool')
  t.equal(report('signedIn', alice({ pool: 'partners' })), 'deny foreign_pool')
  t.equal(report([{}], alice()), 'deny no_rule')
  t.equal(report([], alice()), 'deny no_rule')
  t.equal(report([{ groups: ['x'] }], alice(), HERE.now), 'deny group_missing', 'after its last day it is over')
  t.equal(report([{ groups: ['x'] }], alice(), null), 'deny group_missing')
})
