import t from 'tap'
import { identityFromClaims } from '../../src/domain/identity.ts'

const base = {
  pool: 'staff',
  userPoolId: 'eu-west-1_AbCdEfGhI',
  trustEmailFrom: [] as readonly string[],
  keepClaims: [] as readonly string[],
}
const access = {
  sub: 'u1',
  client_id: 'app',
  username: 'alice',
  scope: 'openid  email',
  auth_time: 7,
  'cognito:groups': ['ops'],
}
const id = { 'cognito:username': 'alice', email: 'a@example.com', email_verified: true }
const personOf = (more: Record<string, unknown> = {}) => {
  const identity = identityFromClaims({ ...base, access, id: { ...id, ...more } })
  if (identity?.kind !== 'person') throw new Error('no person')
  return identity
}

t.test('a person is read out of both tokens', async (t) => {
  const person = personOf()
  t.equal(person.subject, 'u1')
  t.equal(person.email, 'a@example.com')
  t.same([...person.scopes], ['openid', 'email'])
  t.equal(person.authTime, 7)
})

t.test('a token without a username, or whose subject is its client, is a machine', async (t) => {
  const { username: _username, ...withoutName } = access
  t.equal(identityFromClaims({ ...base, access: withoutName, id: undefined })?.kind, 'machine')
  t.equal(identityFromClaims({ ...base, access: { ...access, sub: 'app' }, id: undefined })?.kind, 'machine')
})

t.test('claims that name nobody are no identity', async (t) => {
  t.equal(identityFromClaims({ ...base, access: { client_id: 'app' }, id }), undefined)
  t.equal(identityFromClaims({ ...base, access: { sub: '', client_id: 'app' }, id }), undefined)
})

t.test("the groups that Cognito makes by itself for an identity provider's people never count", async (t) => {
  const groups = ['eu-west-1_AbCdEfGhI_Google', 'admins']
  const identity = identityFromClaims({ ...base, access: { ...access, 'cognito:groups': groups }, id })
  t.same(identity?.kind === 'person' && [...identity.groups], ['admins'])
})

t.test('L29 an e-mail address counts only when it is verified', async (t) => {
  t.equal(personOf({ email_verified: false }).email, undefined)
  t.equal(personOf({ email_verified: undefined }).email, undefined)
  t.equal(personOf({ email_verified: 'true' }).email, 'a@example.com')
  t.equal(personOf({ email_verified: 'false' }).email, undefined)
})

t.test('an unverified address counts where its identity provider is trusted', async (t) => {
  const identities = [{ providerName: 'Okta', primary: 'true' }]
  const federated = { ...id, email_verified: false, identities }
  const trusted = identityFromClaims({ ...base, trustEmailFrom: ['Okta'], access, id: federated })
  t.equal(trusted?.kind === 'person' && trusted.email, 'a@example.com')
  const other = identityFromClaims({ ...base, trustEmailFrom: ['Google'], access, id: federated })
  t.equal(other?.kind === 'person' && other.email, undefined)
})

t.test('only the claims that are needed are kept, and lists stay lists', async (t) => {
  const claims = { 'custom:a': 'x', 'custom:b': ['p', 'q', 3], 'custom:c': { deep: true }, other: 'no' }
  const identity = identityFromClaims({
    ...base,
    keepClaims: ['custom:a', 'custom:b', 'custom:c', 'toString'],
    access,
    id: { ...id, ...claims },
  })
  t.same(identity?.kind === 'person' && identity.claims, { 'custom:a': 'x', 'custom:b': ['p', 'q'] })
})

t.test('the app client and the names of identity providers are kept where a rule needs them', async (t) => {
  const keepClaims = ['client_id', 'identities']
  const claims = (more: Record<string, unknown>, bearer = false): unknown => {
    const identity = identityFromClaims({ ...base, keepClaims, access, id: bearer ? undefined : { ...id, ...more } })
    return identity?.kind === 'person' && identity.claims
  }
  const identities = [{ providerName: 'Okta' }, { providerName: 'Google' }, { userId: 'x' }]
  t.same(claims({ identities, client_id: 'forged' }), { client_id: 'app', identities: ['Okta', 'Google'] })
  t.same(claims({}), { client_id: 'app', identities: ['COGNITO'] }, 'who has no provider is of the pool itself')
  t.same(claims({ identities: 'what nobody can read' }), { client_id: 'app', identities: [] })
  t.same(claims({}, true), { client_id: 'app' }, 'an access token alone does not tell')
})
