import t from 'tap'
import { decide } from '../../src/domain/access.ts'
import { isOwnCookie, withoutOwnCookies } from '../../src/domain/cookie-header.ts'
import type { IdentityHeaders } from '../../src/domain/identity-headers.ts'
import type { Identity } from '../../src/domain/identity.ts'
import { withIdentity, type Forwarding } from '../../src/domain/request-headers.ts'
import { isReservedHeader } from '../../src/domain/reserved-headers.ts'
import { alice as person, machine } from '../helpers/people.ts'

const rule: IdentityHeaders = {
  headers: ['forwarded'],
  user: 'sub',
  groups: { only: undefined, rename: {}, separator: ',', max: undefined },
  encoding: 'percent',
  custom: {},
}
const forwarding: Forwarding = {
  host: 'wiki.example.com',
  clientAddress: '192.0.2.1',
  proto: 'https',
  publicHost: 'wiki.example.com',
  publicPort: '443',
  requestId: 'id-1',
  traceparent: '00-a-b-00',
  hop: 1,
  proofs: [],
  dropAuthorization: false,
  changes: null,
  withheldCookies: null,
  ownConnection: false,
  methodOverride: false,
}
const alice = person()

function permitFor(identity: Identity | null) {
  const decision = decide({ access: 'optional', pool: 'staff' }, identity, { address: '', now: 0 })
  if (decision.kind !== 'permit') throw new Error('no permit')
  return decision.permit
}

/** The headers as the application sees them: lower-case names to lists of values. */
function received(
  raw: readonly string[],
  identity: Identity | null = alice,
  more: Partial<IdentityHeaders> = {},
  extra: Partial<Forwarding> = {},
) {
  const out = withIdentity(raw, permitFor(identity), { ...rule, ...more }, { ...forwarding, ...extra })
  const seen: Record<string, string[]> = {}
  for (let at = 0; at < out.length; at += 2) (seen[(out[at] ?? '').toLowerCase()] ??= []).push(out[at + 1] ?? '')
  return seen
}

t.test('an application is told who is there', async (t) => {
  const seen = received([])
  t.same(seen['x-forwarded-user'], ['sub-alice'])
  t.same(seen['x-forwarded-preferred-username'], ['alice'])
  t.same(seen['x-forwarded-email'], ['alice@example.com'])
  t.same(seen['x-forwarded-groups'], ['admins,ops'])
  t.same(seen['x-forwarded-proto'], ['https'])
  t.same(seen['host'], ['wiki.example.com'])
})

t.test(
  'H01 H02 H03 H05 H15 identity headers of a client are removed in every spelling, and ours is the only one',
  async (t) => {
    const spellings = [
      'X-Forwarded-User',
      'x-forwarded-user',
      'X_Forwarded_User',
      'x_forwarded-user',
      'x-forwarded.user',
      'x~forwarded~user',
      'x!forwarded!user',
      'x`forwarded`user',
      "x'forwarded'user",
      'x*forwarded*user',
      'x+forwarded+user',
      'x|forwarded|user',
      'x^forwarded^user',
      'x#forwarded#user',
      'x$forwarded$user',
      'x%forwarded%user',
      'x&forwarded&user',
    ]
    for (const spelling of spellings) {
      const seen = received([spelling, 'mallory', spelling, 'root'])
      t.same(seen['x-forwarded-user'], ['sub-alice'], spelling)
      if (spelling.toLowerCase() !== 'x-forwarded-user')
        t.equal(seen[spelling.toLowerCase()], undefined, `${spelling} is gone`)
    }
  },
)

t.test('H06 H27 whole families are reserved, whether or not anything of them is sent', async (t) => {
  const names = [
    'X-Gateway-Anything-New',
    'X-Auth-Request-User',
    'X-Authenticated-User',
    'Remote-User',
    'X-Remote-User',
    'X-Amzn-Oidc-Data',
    'Cf-Access-Jwt-Assertion',
    'X-Goog-Authenticated-User-Email',
    'X-Goog-Iap-Jwt-Assertion',
    'X-Authentik-Username',
    'X-Pomerium-Claim-Email',
    'X-Ms-Client-Principal',
    'X-Ms-Client-Principal-Name',
    'SSL-Client-Verify',
    'X-SSL-Client-CN',
    'X-Client-Cert',
    'X-Forwarded-Groups',
    'X-WEBAUTH-USER',
    'REMOTE_USER',
  ]
  for (const name of names) t.equal(received([name, 'mallory'], null)[name.toLowerCase()], undefined, name)
})

t.test('H07 on a route that asks nobody no identity reaches the application, not even a forged one', async (t) => {
  const seen = received(['X-Forwarded-User', 'mallory', 'X-Forwarded-Email', 'm@example.com'], null)
  t.equal(seen['x-forwarded-user'], undefined)
  t.equal(seen['x-forwarded-email'], undefined)
})

t.test('H09 a claim that is missing means no header, never the one that the client sent', async (t) => {
  const seen = received(['X-Forwarded-Email', 'm@x'], { ...alice, email: undefined })
  t.equal(seen['x-forwarded-email'], undefined)
})

t.test('H10 H11 H13 what Connection names is dropped, and naming ours does not remove it', async (t) => {
  const raw = [
    'Connection',
    'close, X-Forwarded-User',
    'connection',
    ',, x-FOO ,\tx-forwarded-email',
    'X-Foo',
    '1',
    'X-Bar',
    '2',
  ]
  const seen = received(raw)
  t.same(seen['x-forwarded-user'], ['sub-alice'])
  t.same(seen['x-forwarded-email'], ['alice@example.com'])
  t.equal(seen['x-foo'], undefined)
  t.same(seen['x-bar'], ['2'])
})

t.test('H14 headers for one hop only are not passed on', async (t) => {
  const names = [
    'Keep-Alive',
    'Proxy-Connection',
    'TE',
    'Trailer',
    'Proxy-Authorization',
    'Proxy-Authenticate',
    'Upgrade',
    'Transfer-Encoding',
    'HTTP2-Settings',
    'Expect',
    'Proxy',
  ]
  for (const name of names) t.equal(received([name, 'x'])[name.toLowerCase()], undefined, name)
})

t.test("H25 H26 a client's own forwarding headers are dropped and made anew", async (t) => {
  const names = [
    'X-Forwarded-For',
    'X-Forwarded-Host',
    'X-Forwarded-Proto',
    'X-Forwarded-Port',
    'X-Forwarded-Prefix',
    'X-Forwarded-Uri',
    'X-Forwarded-Method',
    'Forwarded',
    'X-Real-IP',
    'True-Client-IP',
    'CF-Connecting-IP',
    'X-Client-IP',
    'X-Cluster-Client-IP',
    'Via',
    'X_Forwarded_Proto',
    'X.Real.IP',
  ]
  const seen = received(names.flatMap((name) => [name, '6.6.6.6']))
  t.notOk(Object.values(seen).flat().includes('6.6.6.6'))
  t.same(seen['x-forwarded-for'], ['192.0.2.1'])
})

t.test('P30 headers that make frameworks see another path or method are dropped', async (t) => {
  const names = [
    'X-Original-URL',
    'X-Rewrite-URL',
    'X-Original-Uri',
    'X-Forwarded-Uri',
    'X-Override-URL',
    'X-Envoy-Original-Path',
    'X-Forwarded-Path',
    'X-HTTP-Method-Override',
    'X-HTTP-Method',
    'X-Method-Override',
  ]
  const seen = received(names.flatMap((name) => [name, '/public']))
  t.notOk(Object.values(seen).flat().includes('/public'))
})

t.test('H23 a claim that headers cannot carry is percent-encoded so that decoding gives it back', async (t) => {
  const claims = [
    'a\r\nX-Forwarded-Groups: admins',
    'a\0b',
    '\u010A\u560A',
    '😀',
    '\u202Egnp',
    ' lead',
    'trail ',
    '"quoted"',
    '=?utf-8?q?x?=',
    '100%',
    'ü'.repeat(4096),
  ]
  for (const claim of claims) {
    const [value = ''] = received([], { ...alice, subject: claim })['x-forwarded-user'] ?? []
    t.match(value, /^[\x20-\x7e]*$/, JSON.stringify(claim).slice(0, 40))
    t.equal(decodeURIComponent(value), claim)
  }
})

t.test('H23 the list of groups cannot be split by the name of a group', async (t) => {
  const [value = ''] = received([], { ...alice, groups: new Set(['a,b', 'c', 'd%2Ce']) })['x-forwarded-groups'] ?? []
  t.same(value.split(',').map(decodeURIComponent), ['a,b', 'c', 'd%2Ce'])
})

t.test('other encodings carry what they can and leave out the rest, control bytes always', async (t) => {
  const groups = new Set(['ä', 'a,b', 'c'])
  t.same(received([], { ...alice, groups }, { encoding: 'utf8' })['x-forwarded-groups'], [
    Buffer.from('ä,c').toString('latin1'),
  ])
  t.same(received([], { ...alice, groups: new Set(['ä', '日本']) }, { encoding: 'latin1' })['x-forwarded-groups'], [
    'ä',
  ])
  t.same(received([], { ...alice, subject: 'ä' }, { encoding: 'base64' })['x-forwarded-user'], [
    Buffer.from('ä').toString('base64'),
  ])
  t.equal(received([], { ...alice, subject: 'a\nb' }, { encoding: 'utf8' })['x-forwarded-user'], undefined)
  t.equal(received([], { ...alice, subject: 'a\x85b' }, { encoding: 'latin1' })['x-forwarded-user'], undefined)
})

t.test('the user can be another claim, and groups can be chosen, renamed and counted', async (t) => {
  t.same(received([], alice, { user: 'email' })['x-forwarded-user'], ['alice@example.com'])
  t.same(received([], alice, { user: 'username' })['x-forwarded-user'], ['alice'])
  t.same(received([], alice, { user: 'claim:custom:tenant' })['x-forwarded-user'], ['acme'])
  t.equal(received([], alice, { user: 'claim:custom:none' })['x-forwarded-user'], undefined)
  const groups = { only: ['ops', 'admins'], rename: { ops: 'Operations' }, separator: ';', max: 1 }
  t.same(received([], { ...alice, groups: new Set(['x', 'ops', 'admins']) }, { groups })['x-forwarded-groups'], [
    'Operations',
  ])
})

t.test('T16 a group named like a property of every object is told as it is called', async (t) => {
  const names = ['__proto__', 'constructor', 'toString', 'hasOwnProperty']
  const groups = { only: undefined, rename: { ops: 'Operations' }, separator: ',', max: undefined }
  t.same(received([], { ...alice, groups: new Set([...names, 'ops']) }, { groups })['x-forwarded-groups'], [
    [...names, 'Operations'].join(','),
  ])
})

t.test('each family has its own names, and its own idea of what stands for the person', async (t) => {
  const person = { ...alice, claims: { ...alice.claims, name: 'Alice Ä.' } }
  const seen = received([], person, { headers: ['forwarded', 'authRequest', 'remote', 'alb'], user: undefined })
  const told = Object.fromEntries(
    Object.entries(seen).filter(([name]) => /^(x-forwarded-(user|pre|em|gr)|x-auth|remote|x-amzn)/.test(name)),
  )
  t.same(told, {
    'x-forwarded-user': ['sub-alice'],
    'x-forwarded-preferred-username': ['alice'],
    'x-forwarded-email': ['alice@example.com'],
    'x-forwarded-groups': ['admins,ops'],
    'x-auth-request-user': ['sub-alice'],
    'x-auth-request-preferred-username': ['alice'],
    'x-auth-request-email': ['alice@example.com'],
    'x-auth-request-groups': ['admins,ops'],
    'remote-user': ['alice'],
    'remote-name': ['Alice %C3%84.'],
    'remote-email': ['alice@example.com'],
    'remote-groups': ['admins,ops'],
    'x-amzn-oidc-identity': ['sub-alice'],
  })
  const byEmail = received([], person, { headers: ['forwarded', 'remote'], user: 'email' })
  t.same([byEmail['x-forwarded-user'], byEmail['remote-user']], [['alice@example.com'], ['alice@example.com']])
})

t.test('no family at all tells nothing, and custom headers hold what the settings say', async (t) => {
  t.equal(received([], alice, { headers: [] })['x-forwarded-user'], undefined)
  const custom = {
    'X-WEBAUTH-USER': 'user',
    'X-Tenant': 'claim:custom:tenant',
    'X-Team': 'claim:custom:teams',
    'X-Mail': 'claim:email',
    'X-Roles': 'groups',
  } as const
  const seen = received(['x_tenant', 'evil'], alice, { headers: ['custom'], user: 'username', custom })
  t.same(seen['x-webauth-user'], ['alice'])
  t.same(seen['x-tenant'], ['acme'])
  t.equal(seen['x-team'], undefined, 'a list has no one text')
  t.same(seen['x-mail'], ['alice@example.com'])
  t.same(seen['x-roles'], ['admins,ops'])
  t.equal(received([], { ...alice, email: undefined }, { headers: ['custom'], custom })['x-mail'], undefined)
})

t.test('H23 two people never come out as one: what would be cut or exchanged on the way is left out', async (t) => {
  for (const encoding of ['utf8', 'latin1'] as const) {
    for (const subject of [' admin', 'admin ', 'admin\ud800'])
      t.equal(received([], { ...alice, subject }, { encoding })['x-forwarded-user'], undefined, JSON.stringify(subject))
  }
  t.same(received([], { ...alice, subject: ' admin' })['x-forwarded-user'], ['%20admin'])
  t.equal(received([], { ...alice, subject: 'admin\ud800' })['x-forwarded-user'], undefined)
})

t.test('a machine is named by its client and has no name, address or groups', async (t) => {
  const seen = received([], machine())
  t.same(seen['x-forwarded-user'], ['batch'])
  t.equal(seen['x-forwarded-email'], undefined)
  t.equal(seen['x-forwarded-groups'], undefined)
})

t.test("an application's own Authorization goes on, a token that was ours to read does not", async (t) => {
  t.same(received(['Authorization', 'Basic abc'])['authorization'], ['Basic abc'])
  t.equal(received(['Authorization', 'Bearer x'], alice, {}, { dropAuthorization: true })['authorization'], undefined)
})

t.test('H33 only our cookies are taken out of a Cookie header, and an empty one is left out', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['', ''],
    [';;;', ';;;'],
    ['__Host-gateway=x', ''],
    ['a=1; __Host-gateway=x; b=2', 'a=1; b=2'],
    ['__Host-gateway.1=y; __Host-gateway=x;a=1', 'a=1'],
    ['__Host-gateway-login-AbCd_-12=z; a=1', 'a=1'],
    ['__host-GATEWAY=x; a=1', 'a=1'],
    ['__Host-gateway2=keep; x__Host-gateway=keep', '__Host-gateway2=keep; x__Host-gateway=keep'],
    ['__Host-gateway; a=1', 'a=1'],
    ['q="__Host-gateway=x"; a=1', 'q="__Host-gateway=x"; a=1'],
    ['__Host-gateway =x; a=1', 'a=1'],
  ]
  for (const [given, expected] of cases) t.equal(withoutOwnCookies(given), expected, given)
  t.same(received(['Cookie', 'a=1', 'cookie', '__Host-gateway=x; b=2'])['cookie'], ['a=1; b=2'])
  t.equal(received(['Cookie', '__Host-gateway=x'])['cookie'], undefined)
  const many = Array.from({ length: 1000 }, (_, at) => `c${at}=${at}`).join('; ')
  t.equal(withoutOwnCookies(`${many}; __Host-gateway=x`), many)
})

t.test('our cookies are known by name', async (t) => {
  t.ok(isOwnCookie('__Host-gateway'))
  t.ok(isOwnCookie('__Host-gateway.1'))
  t.ok(isOwnCookie('__Host-gateway-login-abcdefgh'))
  t.notOk(isOwnCookie('__Host-gatewayx'))
  t.notOk(isOwnCookie('JSESSIONID'))
})

t.test('ordinary headers are not reserved', async (t) => {
  for (const name of [
    'Accept',
    'Content-Type',
    'X-Requested-With',
    'X-CSRF-Token',
    'If-None-Match',
    'Origin',
    'Referer',
    'User-Agent',
    'Range',
  ]) {
    t.notOk(isReservedHeader(name), name)
  }
})
