import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose'
import t from 'tap'
import { createIdentityProofs, type ProofRoute, type ProofSource } from '../../src/adapters/identity-proofs.ts'
import { createSigningKeys } from '../../src/adapters/signing-keys.ts'
import { newAssertionKey } from '../../src/commands/keygen.ts'
import { decide } from '../../src/domain/access.ts'
import type { IdentityRule } from '../../src/domain/identity-headers.ts'
import type { Identity } from '../../src/domain/identity.ts'
import { Secret } from '../../src/domain/secret.ts'
import { createClock } from '../helpers/clock.ts'
import { alice, machine } from '../helpers/people.ts'
import { newSession } from '../helpers/sessions.ts'

const publicUrl = 'https://apps.example.com'
const rule: IdentityRule = {
  headers: [],
  user: undefined,
  groups: { only: undefined, rename: {}, separator: ',', max: undefined },
  encoding: 'percent',
  custom: {},
  authorization: 'none',
  password: undefined,
  assertion: false,
  albSigner: undefined,
}
const nobody: ProofSource = { session: null, bearer: null }

function createWorkshop() {
  const clock = createClock()
  const assertionKeys = createSigningKeys([newAssertionKey()], 'thumbprint')
  const proofs = createIdentityProofs({
    assertionKeys,
    albKeys: createSigningKeys([newAssertionKey()], 'uuid'),
    publicUrl,
    pools: [{ name: 'staff', issuer: 'https://cognito.example/staff', clientId: 'client' }],
    now: clock.now,
  })
  const told = (identity: Identity | null, more: Partial<IdentityRule>, source = nobody, application = 'wiki') => {
    const route: ProofRoute = { application, identity: { ...rule, ...more } }
    const pairs = proofs.of(route)?.(permitFor(identity), source) ?? []
    return Object.fromEntries(pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] ?? '']] : [])))
  }
  return { clock, assertionKeys, told }
}

function permitFor(identity: Identity | null) {
  const decision = decide({ access: 'optional', pool: 'staff' }, identity, { address: '', now: 0 })
  if (decision.kind !== 'permit') throw new Error('no permit')
  return decision.permit
}

const ASSERTION = 'x-gateway-jwt-assertion'

t.test('the assertion says who is there to one application, for a minute, under a key that is published', async (t) => {
  const { clock, assertionKeys, told } = createWorkshop()
  const jwks = createLocalJWKSet({ keys: assertionKeys.published.map(({ jwk }) => ({ ...jwk, kty: 'EC' })) })
  const groups = { only: ['ops'], rename: { ops: 'operators' }, separator: ',', max: undefined }
  const person = alice({ claims: { client_id: 'web' } })
  const { payload, protectedHeader } = await jwtVerify(
    told(person, { assertion: true, groups })[ASSERTION] ?? '',
    jwks,
    {
      issuer: publicUrl,
      audience: 'wiki',
      algorithms: ['ES256'],
      currentDate: new Date(clock.now()),
    },
  )
  t.match(protectedHeader, { alg: 'ES256', typ: 'JWT', kid: assertionKeys.first?.kid })
  const iat = Math.floor(clock.now() / 1000)
  const { jti, ...claims } = payload
  t.match(jti, /^[\w-]{36}$/)
  t.same(claims, {
    iss: publicUrl,
    aud: 'wiki',
    sub: 'sub-alice',
    email: 'alice@example.com',
    groups: ['operators'],
    client_id: 'web',
    pool: 'staff',
    scope: 'openid orders/read',
    iat,
    nbf: iat,
    exp: iat + 60,
  })
  t.match(decodeJwt(told(machine(), { assertion: true })[ASSERTION] ?? ''), {
    sub: 'batch',
    client_id: 'batch',
    scope: 'orders/read',
  })
  t.same(told(null, { assertion: true }), {}, 'nobody is nobody')
})

t.test(
  'an assertion is signed once and used while half of its life is left, by one person and one application',
  async (t) => {
    const { clock, assertionKeys, told } = createWorkshop()
    const person = alice()
    const assertion = (one: Identity, application = 'wiki') =>
      told(one, { assertion: true }, nobody, application)[ASSERTION]
    const first = assertion(person)
    clock.advance(29)
    t.equal(assertion(person), first)
    t.not(assertion(alice()), first)
    t.not(assertion(person, 'shop'), first)
    clock.advance(2)
    const second = assertion(person)
    t.not(second, first)
    clock.advance(-40)
    t.not(assertion(person), second, 'one from the future is not used: the clock was set back')
    assertionKeys.replace([newAssertionKey()])
    t.equal(decodeProtectedHeader(assertion(person) ?? '').kid, assertionKeys.first?.kid, 'a new key signs at once')
    assertionKeys.replace([])
    t.equal(assertion(person), undefined)
  },
)

t.test('keys have the same names in every replica, one for each way of naming', async (t) => {
  const pem = newAssertionKey()
  t.equal(createSigningKeys([pem], 'uuid').first?.kid, createSigningKeys([pem], 'uuid').first?.kid)
  t.match(
    createSigningKeys([pem], 'uuid').first?.kid,
    /^[\da-f]{8}-[\da-f]{4}-8[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/,
  )
  t.match(createSigningKeys([pem], 'thumbprint').first?.kid, /^[\w-]{43}$/)
  t.throws(() => createSigningKeys(['nonsense'], 'uuid'))
})

t.test("tokens come from the session, or are the request's own bearer token", async (t) => {
  const { told } = createWorkshop()
  const session = newSession(createClock(), { accessToken: 'access', idToken: 'id' })
  t.same(told(alice(), { authorization: 'accessToken' }, { session, bearer: null }), { authorization: 'Bearer access' })
  t.same(told(alice(), { authorization: 'idToken' }, { session, bearer: null }), { authorization: 'Bearer id' })
  t.same(told(alice(), { authorization: 'accessToken' }, { session: null, bearer: 'b' }), { authorization: 'Bearer b' })
  t.same(told(alice(), { authorization: 'idToken' }, { session: null, bearer: 'b' }), {}, 'programs bring no ID token')
  t.same(told(null, { authorization: 'accessToken' }, { session, bearer: null }), {})
})

t.test('Basic has the user and one password, and refuses a name that would end early', async (t) => {
  const { told } = createWorkshop()
  const basic = { authorization: 'basic', password: new Secret('pa:ss', 'test') } as const
  const pairIn = (header = '') => Buffer.from(header.replace(/^Basic /, ''), 'base64').toString('utf8')
  t.equal(pairIn(told(alice({ username: 'jürgen 日' }), basic)['authorization']), 'jürgen 日:pa:ss')
  t.equal(pairIn(told(alice(), { ...basic, user: 'email' })['authorization']), 'alice@example.com:pa:ss')
  t.same(told(alice({ email: undefined }), { ...basic, user: 'email' }), {}, 'no name, no header')
  for (const username of ['admin:x', 'a\nb', 'a\ud800'])
    t.throws(() => told(alice({ username }), basic), { code: 'GW_FORBIDDEN', reason: 'user_unusable' })
  // U+0141 without its upper byte is an A.
  t.throws(() => told(alice({ username: '\u0141dmin' }), { ...basic, encoding: 'latin1' }), { code: 'GW_FORBIDDEN' })
})
