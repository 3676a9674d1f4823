import { exportJWK, generateKeyPair, SignJWT, type JWTPayload } from 'jose'
import t from 'tap'
import { createBearers } from '../../src/adapters/bearers.ts'
import { createTokenVerifier } from '../../src/adapters/token-verifier.ts'
import { createClock } from '../helpers/clock.ts'
import { ownRevocations } from '../helpers/revocations.ts'

const USER_POOL = 'eu-west-1_AbCdEfGhI'
const ISSUER = `https://cognito-idp.eu-west-1.amazonaws.com/${USER_POOL}`
const { privateKey, publicKey } = await generateKeyPair('RS256')
const jwk = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }

const STAFF = { name: 'staff', issuer: ISSUER, bearerClients: ['batch'] }

/** Bearers over the real verifier of each pool, how often those were asked, and how often somebody looked whose a token is. */
function startBearers(pools = [STAFF]) {
  const clock = createClock()
  let wrongBy = 0
  const now = (): number => clock.now() + wrongBy
  const keys = { available: true, asked: 0 }
  const revocations = ownRevocations(clock.now)
  let verifications = 0
  let looks = 0
  const poolOf = ({ name, issuer, bearerClients }: typeof STAFF) => {
    const verifier = createTokenVerifier({
      issuers: [issuer],
      clientId: 'web',
      bearerClients,
      now,
      ticks: clock.now,
      fetchJwks: async () => {
        keys.asked += 1
        if (!keys.available) throw new Error('the pool is away')
        return new Uint8Array(Buffer.from(JSON.stringify({ keys: [jwk] }))).buffer
      },
    })
    const verifyBearer = async (token: string) => {
      verifications += 1
      return verifier.verifyBearer(token)
    }
    return {
      name,
      userPoolId: USER_POOL,
      bearerClients,
      verifier: { verifyBearer },
      get acceptedIssuers() {
        looks += 1
        return [issuer]
      },
    }
  }
  const bearers = createBearers({
    pools: pools.map(poolOf),
    revocations,
    keepClaims: [],
    now,
    ticks: clock.now,
  })
  const sign = async (claims: JWTPayload = {}, kid = 'one'): Promise<string> => {
    const now = Math.floor(clock.now() / 1000)
    const sound = { iss: ISSUER, sub: 'batch', client_id: 'batch', token_use: 'access', scope: 'orders/read' }
    return new SignJWT({ ...sound, iat: now, exp: now + 3_600, ...claims })
      .setProtectedHeader({ alg: 'RS256', kid })
      .sign(privateKey)
  }
  const verdict = async (token: string): Promise<string> =>
    Promise.resolve(bearers.identityOf(token)).then(
      ({ kind, pool }) => (pool === 'staff' ? kind : `${kind} of ${pool}`),
      ({ code, reason }: { code: string; reason: string }) => (reason === 'token_revoked' ? reason : code),
    )
  const setBack = (seconds: number): void => {
    wrongBy = -seconds * 1000
  }
  const counted = { verifications: () => verifications, looks: () => looks }
  return { bearers, clock, keys, revocations, sign, verdict, setBack, ...counted }
}

const PARTNERS = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Partners1'
/** The last two are app clients of one user pool. */
const SEVERAL = [
  STAFF,
  { name: 'partners', issuer: PARTNERS, bearerClients: ['shop'] },
  { name: 'machines', issuer: PARTNERS, bearerClients: ['feed'] },
]

/** The same claims under a signature that is none. */
const forged = (token: string): string => `${token.split('.', 2).join('.')}.${'A'.repeat(342)}`

t.test('a token that is valid is verified once a minute, and no longer than it lasts', async (t) => {
  const { clock, sign, verdict, verifications } = startBearers()
  const token = await sign({ exp: Math.floor(clock.now() / 1000) + 80 })
  for (let nth = 0; nth < 3; nth += 1) t.equal(await verdict(token), 'machine')
  t.equal(verifications(), 1)
  clock.advance(61)
  t.equal(await verdict(token), 'machine')
  t.equal(verifications(), 2)
  clock.advance(60)
  t.equal(await verdict(token), 'GW_TOKEN_INVALID')
})

t.test('of several pools the one that a token comes from reads it, by its app client where two are one', async (t) => {
  const { bearers, sign, verdict, verifications, looks } = startBearers(SEVERAL)
  const tokens = [
    [await sign(), 'machine'],
    [await sign({ iss: PARTNERS, sub: 'shop', client_id: 'shop' }), 'machine of partners'],
    [await sign({ iss: PARTNERS, sub: 'feed', client_id: 'feed' }), 'machine of machines'],
    [await sign({ iss: PARTNERS, sub: 'batch' }), 'GW_TOKEN_INVALID'],
    [await sign({ client_id: 'feed' }), 'GW_TOKEN_INVALID'],
    [await sign({ iss: PARTNERS, client_id: 'feed', token_use: 'id' }), 'GW_TOKEN_USE'],
  ] as const
  for (const [token, expected] of tokens) {
    t.equal(bearers.ownTokenIn(`Bearer ${token}`), token)
    t.equal(await verdict(token), expected)
  }
  t.equal(verifications(), tokens.length, 'no pool checks the token of another')
  const before = looks()
  for (const [token, expected] of tokens.slice(0, 3)) {
    t.equal(bearers.ownTokenIn(`Bearer ${token}`), token)
    t.equal(await verdict(token), expected)
  }
  t.equal(looks(), before, 'whose a remembered token is, is remembered with it')
})

t.test('C07 a token that is revoked in the pool that reads it is none of another pool either', async (t) => {
  const both = SEVERAL.map((pool) => ({ ...pool, bearerClients: ['batch'] }))
  const { clock, revocations, sign, verdict } = startBearers(both)
  const token = await sign({ iss: PARTNERS })
  t.equal(await verdict(token), 'machine of partners')
  revocations.learn({ kind: 'person', pool: 'machines', subject: 'batch', before: clock.now() })
  t.equal(await verdict(token), 'machine of partners')
  revocations.learn({ kind: 'person', pool: 'partners', subject: 'batch', before: clock.now() })
  t.equal(await verdict(token), 'token_revoked')
})

t.test('D19 a token that was refused costs no second verification for ten seconds', async (t) => {
  const { clock, sign, verdict, verifications } = startBearers()
  const now = Math.floor(clock.now() / 1000)
  const refusals = [
    [forged(await sign()), 'GW_TOKEN_INVALID'],
    [await sign({ exp: now - 60 }), 'GW_TOKEN_INVALID'],
    [await sign({ client_id: 'another' }), 'GW_TOKEN_INVALID'],
    [await sign({ token_use: 'id' }), 'GW_TOKEN_USE'],
  ] as const
  for (const [token, code] of refusals) {
    const before = verifications()
    for (let nth = 0; nth < 5; nth += 1) t.equal(await verdict(token), code)
    t.equal(verifications() - before, 1, code)
  }
  clock.advance(10)
  const [[token]] = refusals
  const before = verifications()
  t.equal(await verdict(token), 'GW_TOKEN_INVALID')
  t.equal(verifications() - before, 1)
})

t.test('D19 a refusal that may be over soon is not remembered', async (t) => {
  const { clock, keys, sign, verdict } = startBearers()
  keys.available = false
  const token = await sign()
  t.equal(await verdict(token), 'GW_POOL_UNAVAILABLE')
  keys.available = true
  clock.advance(3)
  t.equal(await verdict(token), 'machine')
  const rotated = await sign({}, 'two')
  t.equal(await verdict(rotated), 'GW_POOL_UNAVAILABLE', 'an unknown key is looked for')
  clock.advance(11)
  jwk.kid = 'two'
  t.equal(await verdict(rotated), 'machine')
  jwk.kid = 'one'
})

t.test('D19 a refusal is of one token, not of others that end alike, and drives out none that is valid', async (t) => {
  const { sign, verdict, verifications } = startBearers()
  const valid = await sign()
  t.equal(await verdict(valid), 'machine')
  const [header = '', , signature = ''] = valid.split('.')
  const others = Array.from({ length: 600 }, (_, nth) => {
    const claims = Buffer.from(JSON.stringify({ iss: ISSUER, nth })).toString('base64url')
    return `${header}.${claims}.${nth % 2 === 0 ? signature : 'A'.repeat(300) + nth}`
  })
  for (const other of others) t.equal(await verdict(other), 'GW_TOKEN_INVALID')
  const before = verifications()
  t.equal(await verdict(valid), 'machine')
  t.equal(verifications(), before)
})

t.test('a token is found in a header alike whether it was verified before or not', async (t) => {
  const { bearers, sign, verdict } = startBearers()
  const token = await sign()
  const other = await sign({ iss: 'https://elsewhere.example.com' })
  const headers = [
    [`Bearer ${token}`, token],
    [`bEARER ${token}`, token],
    [`Bearer  ${token}`, ` ${token}`],
    [`Bearer\t${token}`, `\t${token}`],
    [`\u00a0Bearer ${token}`, ` ${token}`],
    [`Bearer ${token},`, `${token},`],
    [`Basic ${token}`, null],
    [`Bearer x${token.slice(1)}`, `x${token.slice(1)}`],
    [`BearerX${token}`, null],
    [token, null],
    [token.slice(-32), null],
    [`Bearer ${other}`, null],
    ['', null],
  ] as const
  for (const known of [false, true]) {
    if (known) t.equal(await verdict(token), 'machine')
    for (const [header, found] of headers)
      t.equal(bearers.ownTokenIn(header), found, `${known ? 'verified' : 'new'}: ${header.slice(0, 9)}`)
  }
})

t.test(
  'C07 a token is refused once its sign-in, its owner or everything before was revoked, remembered or not',
  async (t) => {
    const { clock, revocations, sign, verdict } = startBearers()
    const now = Math.floor(clock.now() / 1000)
    const token = async (sub: string, originJti: string): Promise<string> =>
      sign({ sub, username: sub, client_id: 'batch', origin_jti: originJti, auth_time: now - 60 })
    const tokens = [await token('alice', 'first'), await token('alice', 'second'), await token('bob', 'third')]
    const machine = await sign()
    const verdicts = async (): Promise<readonly string[]> => Promise.all([...tokens, machine].map(verdict))
    t.same(await verdicts(), ['person', 'person', 'person', 'machine'])

    revocations.learn({ kind: 'session', id: 'any', originJti: 'first' })
    t.same(await verdicts(), ['token_revoked', 'person', 'person', 'machine'])
    revocations.learn({ kind: 'person', pool: 'another', subject: 'bob', before: clock.now() })
    revocations.learn({ kind: 'person', pool: 'staff', subject: 'alice', before: clock.now() })
    t.same(await verdicts(), ['token_revoked', 'token_revoked', 'person', 'machine'])
    t.equal(await verdict(await token('alice', 'fourth')), 'token_revoked', 'one that was never seen')
    revocations.learn({ kind: 'everything', before: (now - 30) * 1000 })
    t.same(await verdicts(), ['token_revoked', 'token_revoked', 'token_revoked', 'machine'], 'made after that')
    revocations.learn({ kind: 'person', pool: 'staff', subject: 'batch', before: clock.now() })
    t.equal(await verdict(machine), 'token_revoked')
    clock.advance(1)
    t.equal(await verdict(await sign()), 'machine', 'a machine simply gets a new one')
  },
)

t.test(
  'RL23 a clock that is set back stretches neither what is remembered of tokens nor the pause between fetches',
  async (t) => {
    const { clock, sign, verdict, verifications, setBack } = startBearers()
    const token = await sign()
    t.equal(await verdict(token), 'machine')
    const rotated = await sign({}, 'two')
    t.equal(await verdict(rotated), 'GW_POOL_UNAVAILABLE')
    setBack(25)
    clock.advance(10)
    jwk.kid = 'two'
    t.equal(await verdict(rotated), 'machine')
    jwk.kid = 'one'
    const before = verifications()
    clock.advance(50)
    await verdict(token)
    t.equal(verifications() - before, 1)
  },
)
