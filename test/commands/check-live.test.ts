import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { createPoolFetch } from '../../src/adapters/pool-fetch.ts'
import { check } from '../../src/commands/check.ts'
import { createAsk } from '../../src/commands/check-live/ask.ts'
import { askDiscovery, askKeys } from '../../src/commands/check-live/discovery.ts'
import { ensureDemoSecrets } from '../../src/commands/demo-secrets.ts'
import { loadSettings } from '../../src/config/load.ts'
import { startLocalPool } from '../../src/local/local-pool.ts'
import type { Fault } from '../../src/local/pool-faults.ts'
import { readPoolFile } from '../../src/local/pool-file.ts'
import { runHere } from '../helpers/command.ts'
import { root } from '../helpers/process.ts'
import { CLIENT_ID, CLIENT_SECRET, freePort, startWorld, type World } from '../helpers/world.ts'

interface Change {
  /** To the app client at the pool. */
  readonly client?: Readonly<Record<string, unknown>>
  /** To the settings of the pool; null takes away. */
  readonly pool?: Readonly<Record<string, unknown>>
  readonly faults?: readonly Fault[]
}

const PROVIDERS = { identityProviders: [{ name: 'ExampleCorp' }, { name: 'Elsewhere' }] }

/** The world as it should be, for all tests that break one thing each. */
const world = await startWorld(t, {
  pool: { ...PROVIDERS, selfSignUp: false },
  client: { identityProviders: ['COGNITO', 'ExampleCorp'] },
  settings: { pools: { local: { identityProviders: ['COGNITO', 'ExampleCorp'] } } },
})
const asItWas = world.pool.setClient(CLIENT_ID, {})

async function checkWith({ client = {}, pool = {}, faults = [] }: Change, args: readonly string[] = []) {
  const file = writeVariant(world, pool)
  world.pool.setClient(CLIENT_ID, client)
  world.pool.faults.push(...faults)
  try {
    return await runHere(check, ['--config', file, '--live', ...args])
  } finally {
    world.pool.setClient(CLIENT_ID, { ...asItWas, secret: CLIENT_SECRET })
    world.pool.faults.length = 0
  }
}

function writeVariant({ settingsFile }: World, changes: Readonly<Record<string, unknown>>): string {
  const settings = JSON.parse(readFileSync(settingsFile, 'utf8'))
  const local = Object.entries({ ...settings.pools.local, ...changes }).filter(([, value]) => value !== null)
  const file = join(dirname(settingsFile), 'variant.yaml')
  writeFileSync(file, JSON.stringify({ ...settings, pools: { local: Object.fromEntries(local) } }))
  return file
}

/** The lines with this verdict: question and what was found. */
const linesOf = (out: string, verdict: string): string[] =>
  [...out.matchAll(new RegExp(`^  ${verdict} +(\\S.*)$`, 'gm'))].map(([, line = '']) => line.replace(/ {2,}/, ': '))

t.test('a pool that fits the settings gets an answer to every question, and the command ends with 0', async (t) => {
  const asked = { ...world.pool.calls }
  const { code, out, err, progress } = await checkWith({})
  t.equal(code, 0, out + err)
  t.same(linesOf(out, 'wrong'), [])
  t.same(linesOf(out, 'ok'), [
    `discovery: the issuer is ${world.pool.issuer}`,
    "clock: within a few seconds of the pool's",
    'keys: 2 RSA keys that can be used',
    `login domain: ${new URL(world.pool.url).host}`,
    `app client: there is a client ${CLIENT_ID}`,
    `callback address: ${world.url}/oauth2/callback`,
    'code flow: allowed, and PKCE with S256 taken',
    'scopes: openid, email, profile',
    'sign-in page: there',
    `sign-out address: ${world.url}/oauth2/signed_out`,
    'client secret: right',
    'token revocation: switched on',
    'bearer client: there is a client orders-batch; its grants take its own secret to ask',
    "identity provider: COGNITO, the pool's own people",
    `identity provider: ExampleCorp is at ${new URL(world.pool.url).host}`,
    'sign-up: only administrators make accounts',
  ])
  t.match(linesOf(out, 'unknown'), [/^refresh token rotation: Cognito tells it only to administrators/])
  t.match(out, `describe-user-pool-client --user-pool-id ${world.pool.userPoolId} --client-id ${CLIENT_ID}`)
  t.ok(progress.includes('asking local: sign-out …') && progress.at(-1) === '', 'progress is shown, and taken away')
  t.notMatch(world.log.join(''), '/oauth2/signed_out', 'where Cognito leads to is not asked')
  const requests = Object.entries(world.pool.calls).map(([name, count]) => count - (asked[name] ?? 0))
  t.ok(requests.reduce((sum, count) => sum + count, 0) < 20, 'a handful of requests')
})

t.test('the demo fits its own pool; that anybody may sign up there is called unwise', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'config'))
  ensureDemoSecrets(folder)
  const copy = (name: string, change = (text: string) => text): string => {
    writeFileSync(join(folder, 'config', name), change(readFileSync(join(root, 'config', name), 'utf8')))
    return join(folder, 'config', name)
  }
  const pool = await startLocalPool({ ...readPoolFile(copy('local-pool.yaml')), port: 0 })
  t.teardown(async () => pool.close())
  const file = copy('demo.yaml', (text) => text.replaceAll('http://127.0.0.1:9229', pool.url))
  const { code, out } = await runHere(check, ['--config', file, '--live'])
  t.equal(code, 0, out)
  t.same(linesOf(out, 'wrong'), [])
  t.match(linesOf(out, 'unwise'), [
    /^sign-up: anybody can make an account, and access: signedIn of sample lets them in$/,
  ])
})

const wrongs: readonly (readonly [string, Change, string, string])[] = [
  [
    'a callback address that is not registered',
    { client: { callbackUrls: ['https://elsewhere.example/callback'] } },
    `callback address: ${world.url}/oauth2/callback is not registered`,
    'Allowed callback URLs (--callback-urls)',
  ],
  [
    'a sign-out address that is not registered',
    { client: { logoutUrls: [] } },
    `sign-out address: ${world.url}/oauth2/signed_out is not registered`,
    'Allowed sign-out URLs (--logout-urls)',
  ],
  [
    'an app client that does not exist',
    { pool: { clientId: 'nobody' } },
    'app client: there is no client nobody',
    'correct clientId',
  ],
  [
    'an app client whose OAuth flows are switched off',
    { client: { oauthEnabled: false } },
    'app client: its OAuth flows are switched off',
    '--allowed-o-auth-flows-user-pool-client',
  ],
  [
    'the code flow not allowed',
    { client: { flows: ['client_credentials'] } },
    'code flow: Cognito sends people back with the error unauthorized_client',
    '--allowed-o-auth-flows code',
  ],
  [
    'a secret that is not that of the client',
    { client: { secret: 'another+secret' } },
    'client secret: file .*client-secret does not hold the secret of this client',
    'describe-user-pool-client',
  ],
  [
    'a secret for a client that has none',
    { client: { secret: undefined } },
    'client secret: the client has no secret',
    'take clientSecret out',
  ],
  [
    'no secret for a client that has one',
    { pool: { clientSecret: null } },
    'client secret: the client has a secret, and the settings have none',
    'write clientSecret',
  ],
  [
    'a scope of the settings that the client may not have, by its name',
    { client: { scopes: ['openid', 'email'] } },
    'scopes: profile is not allowed, so Cognito refuses every sign-in',
    '--allowed-o-auth-scopes',
  ],
  [
    "a scope of an API's own that the client may not have",
    { pool: { scopes: ['openid', 'orders/delete'] } },
    'scopes: orders/delete is not allowed',
    'see that a resource server of the pool offers it',
  ],
  [
    'openid not allowed',
    { client: { scopes: ['email', 'profile'] } },
    'scopes: openid is not allowed',
    'OpenID Connect scopes',
  ],
  [
    'a client without a managed login style',
    { client: { styled: false } },
    'sign-in page: managed login shows none to a client without a style',
    'create-managed-login-branding',
  ],
  [
    'token revocation switched off',
    { client: { tokenRevocation: false } },
    'token revocation: switched off',
    '--enable-token-revocation',
  ],
  [
    'an identity provider that the client does not have',
    { pool: { identityProviders: ['Elsewhere'] } },
    'identity provider: Elsewhere: Cognito shows its error page: Login option is not available',
    '--supported-identity-providers',
  ],
  [
    'a machine whose app client does not exist',
    { pool: { bearerClients: ['nobody'] } },
    'bearer client: there is no client nobody',
    'correct bearerClients',
  ],
  [
    'a clock that is far off',
    { faults: [{ on: 'discovery', times: 'always', headers: { date: new Date(Date.now() - 120_000).toUTCString() } }] },
    'clock: this machine is 1[12]\\d seconds ahead of the pool',
    'NTP',
  ],
  [
    'a login domain where nobody answers',
    { pool: { domain: `https://127.0.0.1:${await freePort()}` } },
    'login domain: the login domain gives no answer \\(ECONNREFUSED\\)',
    'Branding › Domain',
  ],
  [
    'a login domain that is none of Cognito',
    { faults: [{ on: 'authorize', times: 'always', status: 404 }] },
    'login domain: the login domain answers 404 and leads nowhere',
    'create-user-pool-domain',
  ],
  [
    'a pool without a login domain',
    {
      faults: [
        {
          on: 'discovery',
          times: 'always',
          patch: {
            authorization_endpoint: 'https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Local00001/authorize',
          },
        },
      ],
    },
    'discovery: the pool has no login domain',
    'create-user-pool-domain',
  ],
  [
    'a pool that calls itself otherwise than the settings do',
    { faults: [{ on: 'discovery', times: 'always', patch: { issuer: 'https://other.example/pool' } }] },
    'discovery: the pool calls itself https://other.example/pool, so its tokens would be refused',
    'correct userPoolId or issuer',
  ],
  [
    'a pool that does not exist',
    {
      faults: [
        { on: 'discovery', times: 'always', status: 404 },
        { on: 'jwks', times: 'always', status: 404 },
      ],
    },
    'discovery: 127.0.0.1:\\d+ knows no pool us-east-1_Local00001: it answers 404',
    'correct userPoolId',
  ],
  [
    'keys that cannot be used',
    { faults: [{ on: 'jwks', times: 'always', patch: { keys: [{ kty: 'EC', kid: 'x' }] } }] },
    'keys: there is no RSA key of 2,048 bits',
    'correct userPoolId',
  ],
]

for (const [what, change, found, remedy] of wrongs) {
  t.test(`check --live finds ${what}, says what to change, and ends with 1`, async (t) => {
    const { code, out } = await checkWith(change)
    t.equal(code, 1)
    t.match(
      linesOf(out, 'wrong').find((line) => new RegExp(`^${found}`).test(line)),
      new RegExp(`^${found}`),
      out,
    )
    t.match(
      out
        .split('\n')
        .filter((line) => line.includes('→'))
        .join('\n'),
      remedy,
    )
    t.notMatch(out, CLIENT_SECRET, 'never a secret')
  })
}

t.test('one thing that is wrong does not hide the others', async (t) => {
  const { out } = await checkWith({
    client: { scopes: ['openid'], styled: false, logoutUrls: [], tokenRevocation: false },
    pool: { identityProviders: ['Elsewhere'], bearerClients: ['nobody'] },
  })
  const questions = linesOf(out, 'wrong').map((line) => line.split(':')[0])
  t.same(questions, [
    'scopes',
    'scopes',
    'sign-in page',
    'sign-out address',
    'token revocation',
    'bearer client',
    'identity provider',
  ])
})

t.test('a public app client without a secret in the settings is right', async (t) => {
  const { code, out } = await checkWith({ client: { secret: undefined }, pool: { clientSecret: null } })
  t.equal(code, 0, out)
  t.ok(linesOf(out, 'ok').includes('client secret: the client has none, as in the settings'))
})

t.test('what an answer does not prove is called unknown, and is no reason to end with 1', async (t) => {
  const cases: readonly (readonly [string, readonly Fault[]])[] = [
    // Codes that are looked at before clients tell nothing of the secret.
    ['client secret', [{ on: 'token', times: 'always', status: 400, body: { error: 'invalid_grant' } }]],
    ['client secret', [{ on: 'token', times: 'always', status: 429 }]],
    ['token revocation', [{ on: 'revoke', status: 400, body: { error: 'unsupported_token_type' } }]],
    ['sign-out address', [{ on: 'logout', times: 'always', status: 503 }]],
    ['login domain', [{ on: 'authorize', times: 'always', status: 503 }]],
    ['login domain', [{ on: 'authorize', times: 'always', status: 403, rawBody: 'Request blocked' }]],
  ]
  for (const [question, faults] of cases) {
    const { code, out } = await checkWith({ faults })
    t.equal(code, 0, out)
    t.match(linesOf(out, 'unknown').join('\n'), new RegExp(`^${question}: `, 'm'))
  }
})

t.test('an answer out of a cache is as old as it says, and the clock is right all the same', async (t) => {
  const headers = { date: new Date(Date.now() - 120_000).toUTCString(), age: '120' }
  const { out } = await checkWith({ faults: [{ on: 'discovery', times: 'always', headers }] })
  t.match(linesOf(out, 'ok').join('\n'), /^clock: /m)
})

t.test('where any address is taken, it says nothing that ours are', async (t) => {
  const anywhere = { headers: { location: `${world.pool.url}/login` }, status: 302, times: 'always' as const }
  const { out } = await checkWith({ faults: [{ on: 'authorize', ...anywhere }] })
  t.match(
    linesOf(out, 'unknown').join('\n'),
    /^login domain: it takes a callback address that nobody can have registered/m,
  )
  t.notMatch(linesOf(out, 'ok').join('\n'), /^(?:login domain|app client|callback address): /m)
})

t.test('check --live --json says the same to programs', async (t) => {
  const { code, out } = await checkWith({ client: { logoutUrls: [] } }, ['--json'])
  t.equal(code, 1)
  t.notMatch(out, CLIENT_SECRET)
  const { ok, live } = JSON.parse(out)
  t.equal(ok, false)
  t.match(live, [{ pool: 'local', userPoolId: world.pool.userPoolId, clientId: CLIENT_ID }])
  const [finding] = live[0].findings.filter(({ verdict }: { verdict: string }) => verdict === 'wrong')
  t.match(finding, { question: 'sign-out address', found: /is not registered$/, remedy: /--logout-urls/ })
})

t.test('a question waits five seconds at most, and never reads more than it needs', async (t) => {
  const fetch = createPoolFetch(() => undefined, { bytes: 1000, beyond: 'is cut' })
  const address = `${world.pool.url}/logout`
  world.pool.faults.push({ on: 'logout', hang: true }, { on: 'logout', rawBody: 'x'.repeat(1_000_000) })
  t.match(await createAsk(fetch, 0.1)(address), { kind: 'nothing', reason: 'none within 0.1 seconds' })
  t.match(await createAsk(fetch)(address), { kind: 'answer', status: 200, body: /^x{1000}$/ })
})

t.test(
  'either of the two issuers that Cognito has is found; the newer one must stand in the settings, or the domain',
  async (t) => {
    const { settings } = loadSettings({ file: world.settingsFile, environment: {} })
    const [local] = settings.pools
    if (local === undefined) throw new Error('there is a pool')
    const ask = createAsk(createPoolFetch(() => undefined))
    for (const issuerType of ['ORIGINAL', 'UPDATED'] as const) {
      const { url, userPoolId, issuer, close } = await startLocalPool({ issuerType })
      t.teardown(close)
      const issuers = [`${url}/${userPoolId}`, `${url}/issuer-cognito-idp/${userPoolId}`]
      const pool = { ...local, issuer: issuers[0] ?? '', acceptedIssuers: issuers }
      const found = async (domain: string | undefined) =>
        (await askDiscovery({ pool: { ...pool, domain }, ask, now: Date.now }))[0]
      t.match(await found('https://auth.example.com'), { verdict: 'ok', found: `the issuer is ${issuer}` })
      t.match(
        await found(undefined),
        issuerType === 'ORIGINAL' ? { verdict: 'ok' } : { verdict: 'wrong', remedy: `write issuer: ${issuer}` },
      )
      t.match(await askKeys({ pool: { ...pool, issuer: `${url}/nowhere` }, ask, now: Date.now }), [{ verdict: 'ok' }])
    }
  },
)
