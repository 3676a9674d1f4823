import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { stringify } from 'yaml'
import { explain } from '../../src/commands/explain.ts'
import { UsageError } from '../../src/commands/command.ts'
import { base64url } from '../attacks/token-forger.ts'
import { root, runCommand } from '../helpers/process.ts'

const ISSUER = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI'
const FRIEND = 'https://friend.example'
const alice = { sub: 'u1', username: 'alice', client_id: '4example23456789', scope: 'openid', auth_time: 1 }
const settings = {
  publicUrl: 'https://apps.example.com',
  // Files that nobody made: to explain rules no secret is read.
  pools: {
    staff: {
      userPoolId: 'eu-west-1_AbCdEfGhI',
      clientId: '4example23456789',
      clientSecret: { file: 'no-such-secret' },
      bearerClients: ['batch'],
    },
  },
  session: { keys: [{ file: 'no-such-key' }] },
  applications: {
    wiki: {
      upstream: 'http://wiki.internal:8080',
      access: 'signedIn',
      routes: {
        admin: { path: '/admin/*', access: [{ groups: ['admins'] }, { clients: ['batch'], scopes: ['wiki/admin'] }] },
        pay: { path: '/pay', methods: ['POST'], access: [{ signedInWithinSeconds: 600 }] },
        office: { path: '/office', access: [{ clients: ['batch'], clientAddresses: ['192.0.2.0/24'] }] },
        pilot: {
          path: '/pilot',
          access: [{ groups: ['pilots'] }],
          reportOnly: { until: new Date().toISOString().slice(0, 10) },
        },
        open: { path: '/open', access: 'public' },
        own: { path: '/own', access: [{ clients: ['batch'] }], authorization: 'application' },
        ours: { path: '/ours', access: [{ clients: ['batch'] }], authorization: 'gateway' },
        basic: { path: '/basic', access: [{ clients: ['batch'] }], clientBasic: true },
        scripts: { path: '/scripts', access: 'signedIn', allowedOrigins: [FRIEND], cors: { preflight: 'answer' } },
        doc: { path: '/doc', methods: ['GET', 'POST'], access: 'public', methodOverride: 'both' },
        'doc-write': { path: '/doc', methods: ['DELETE'], access: [{ groups: ['admins'] }] },
        still: { path: '/still', access: 'signedIn', webSocket: { allow: false } },
      },
    },
  },
}

/** The command in this process, in a folder with these files: what it prints and how it ends. */
function inFolder(t: { teardown(fn: () => unknown): unknown }, files: Readonly<Record<string, unknown>> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'explain-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const write = (name: string, content: unknown): string => {
    const file = join(folder, name)
    writeFileSync(file, typeof content === 'string' ? content : stringify(content))
    return file
  }
  const config = write('gateway.yaml', settings)
  for (const [name, content] of Object.entries(files)) write(name, content)
  const run = async (...args: readonly string[]): Promise<{ code: number; out: string; err: string }> => {
    const printed: string[] = []
    const complained: string[] = []
    const code = await explain.run(['--config', config, ...args.map((arg) => arg.replace('@', `${folder}/`))], {
      environment: {},
      version: 'test',
      packageFolder: folder,
      print: (text) => void printed.push(text),
      complain: (text) => void complained.push(text),
      terminal: false,
      ended: new Promise(() => undefined),
      progress: () => undefined,
      onHangup: () => undefined,
    })
    return { code, out: printed.join('\n'), err: complained.join('\n') }
  }
  return { config, run, folder }
}

const jwt = (claims: object): string =>
  [{ alg: 'RS256', kid: 'k' }, claims].map((part) => base64url(JSON.stringify(part))).join('.') + '.c2ln'

const TWICE = '400 GW_REQUEST_REFUSED (duplicate_header)'

t.test('explain says the route, what its rule asks, what the identity has, and the verdict', async (t) => {
  const { run } = inFolder(t, {
    'alice.yaml': {
      access: { ...alice, 'cognito:groups': ['ops'] },
      id: { email: 'a@example.com', email_verified: true },
    },
  })
  const denied = await run('GET', 'https://apps.example.com/Admin/x?y', '--claims', '@alice.yaml')
  t.equal(denied.code, 1)
  t.equal(
    denied.out,
    [
      'GET https://apps.example.com/Admin/x?y',
      '  route     wiki/admin (/admin/*, every method)',
      '  asks  1.  groups: [admins]',
      '  or    2.  scopes: [wiki/admin]; clients: [batch]',
      '  identity  person pool: staff; subject: u1; username: alice; email: a@example.com; groups: [ops]; scopes: [openid]; claims: { client_id: 4example23456789 }; authTime: 1 (claims taken as given, and judged as the session of a person)',
      '  verdict   denied: 403 GW_FORBIDDEN (group_missing)',
      '            1. lacks group_missing',
      '            2. lacks scope_missing, client_unknown',
    ].join('\n'),
  )
  const allowed = await run('GET', '/page', '--claims', '@alice.yaml')
  t.equal(allowed.code, 0)
  t.match(allowed.out, /route {5}wiki \(\/\*, every method\)\n {2}asks {6}signedIn\n[\s\S]*verdict {3}allowed$/)
})

t.test('explain has every refusal in the words of log, metric and page', async (t) => {
  const { run } = inFolder(t, {
    'alice.yaml': { access: alice, id: {} },
    'batch.yaml': { access: { sub: 'batch', client_id: 'batch' } },
  })
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['GET', '/'], '401 GW_SIGN_IN_REQUIRED (no_session)'],
    [['GET', '/open'], 'allowed'],
    [['POST', '/pay', '--claims', '@alice.yaml'], '401 GW_SIGN_IN_REQUIRED (sign_in_too_old)'],
    [['GET', '/pay', '--claims', '@alice.yaml'], '405 GW_METHOD_NOT_ALLOWED (method)'],
    [['GET', 'https://other.example/'], '421 GW_HOST_UNKNOWN (host_unknown)'],
    [['GET', '/a/../b'], '400 GW_REQUEST_REFUSED (dot_segment)'],
    [['GET', '/a;b'], '400 GW_REQUEST_REFUSED (matrix_parameter; allowed by allowInPath: [matrixParams])'],
    [['FOO', '/open'], '400 GW_REQUEST_REFUSED (malformed)'],
    [['get', '/oauth2/ping'], '400 GW_REQUEST_REFUSED (malformed)'],
    [['GET', '/open', '--header', 'X-Gateway-Hop: 7'], '508 GW_LOOP (loop)'],
    [['GET', '/pay', '--header', 'X-Gateway-Hop: 7'], '405 GW_METHOD_NOT_ALLOWED (method)'],
    [['GET', '/oauth2/ping', '--header', 'X-Gateway-Hop: 7'], 'allowed'],
    [['GET', '/open', '--header', 'X-Gateway-Hop: 4'], 'allowed'],
    [['GET', '/oauth2/userinfo'], '401 GW_SIGN_IN_REQUIRED (no_session)'],
    [['GET', '/oauth2/userinfo', '--claims', '@alice.yaml'], 'allowed'],
    [['GET', '/oauth2/userinfo', '--claims', '@batch.yaml'], '403 GW_FORBIDDEN (person_required)'],
    [['POST', '/oauth2/userinfo', '--claims', '@alice.yaml'], '405 GW_METHOD_NOT_ALLOWED (method)'],
    [['HEAD', '/oauth2/ping'], 'allowed'],
    [['GET', 'https://other.example/oauth2/ping'], 'allowed'],
    [['POST', 'https://other.example/oauth2/ping'], '421 GW_HOST_UNKNOWN (host_unknown)'],
    [['POST', '/oauth2/sign_out'], 'allowed'],
    [['GET', '/oauth2/callback'], 'allowed'],
    [['GET', '/oauth2/keys/k1'], 'allowed'],
    [['GET', '/oauth2/nowhere'], '404 GW_ROUTE_UNKNOWN (no_rule)'],
    [['GET', '/oauth2/user%69nfo'], '404 GW_ROUTE_UNKNOWN (no_rule)'],
    [['GET', '/OAUTH2/userinfo'], '404 GW_ROUTE_UNKNOWN (no_rule)'],
    [['GET', '/office', '--claims', '@batch.yaml'], '403 GW_FORBIDDEN (address_mismatch)'],
    [['GET', '/office', '--claims', '@batch.yaml', '--address', '::ffff:192.0.2.1'], 'allowed'],
    [['GET', '/', '--claims', '@batch.yaml'], '403 GW_FORBIDDEN (person_required)'],
    [
      ['GET', '/pilot', '--claims', '@alice.yaml'],
      'allowed, because the route only reports: the rule refuses (group_missing)',
    ],
  ]
  for (const [args, expected] of cases) {
    const { code, out } = await run(...args)
    const [, verdict] = /verdict {3}(?:denied: )?(.*)/.exec(out) ?? []
    t.equal(verdict, expected, args.join(' '))
    t.equal(code, expected.startsWith('allowed') ? 0 : 1)
  }
})

t.test('explain looks at the headers that decide: whence a request comes, and what else it may mean', async (t) => {
  const { run } = inFolder(t, {
    'alice.yaml': { access: alice, id: {} },
    'batch.yaml': { as: 'basic', access: { sub: 'batch', client_id: 'batch' } },
    'other.yaml': { as: 'basic', access: { sub: 'other', client_id: 'other' } },
    'person.yaml': { as: 'basic', access: { ...alice, client_id: 'batch' } },
  })
  const asAlice = ['--claims', '@alice.yaml']
  const headers = (...lines: readonly string[]): readonly string[] => lines.flatMap((line) => ['--header', line])
  const webSocket = headers('Upgrade: websocket', 'Connection: Upgrade', 'Origin: https://apps.example.com')
  const preflight = (origin: string) => headers(`Origin: ${origin}`, 'Access-Control-Request-Method: PUT')
  const cases: readonly (readonly [readonly string[], string])[] = [
    [['POST', '/x', ...asAlice, ...headers('Origin: https://evil.example')], '403 GW_CROSS_ORIGIN (cross_origin)'],
    [['POST', '/x', ...asAlice, ...headers('Sec-Fetch-Site: cross-site')], '403 GW_CROSS_ORIGIN (cross_origin)'],
    [['POST', '/x', ...asAlice, ...headers('origin:  https://apps.example.com ')], 'allowed'],
    [['POST', '/scripts', ...asAlice, ...headers(`Origin: ${FRIEND}`)], 'allowed'],
    [['GET', '/x', ...asAlice, ...headers('Origin: https://evil.example')], 'allowed'],
    [['OPTIONS', '/scripts', ...preflight(FRIEND)], 'allowed, as a preflight: the gateway answers it'],
    [['OPTIONS', '/scripts', ...preflight('https://evil.example')], '403 GW_CROSS_ORIGIN (cross_origin)'],
    [['OPTIONS', '/scripts', ...asAlice, ...preflight('https://evil.example')], 'allowed'],
    [['OPTIONS', '/x', ...preflight(FRIEND)], '401 GW_SIGN_IN_REQUIRED (no_session)'],
    [['POST', '/doc', ...headers('X-HTTP-Method-Override: DELETE')], '401 GW_SIGN_IN_REQUIRED (no_session)'],
    [['POST', '/doc', ...asAlice, ...headers('X_Method_Override: delete')], '403 GW_FORBIDDEN (group_missing)'],
    [['POST', '/doc', ...headers('X-HTTP-Method: PUT')], '405 GW_METHOD_NOT_ALLOWED (method)'],
    [['POST', '/doc', ...headers('X-HTTP-Method: GET, PUT')], '400 GW_REQUEST_REFUSED (method_override)'],
    [['POST', '/doc', ...headers('X-HTTP-Method: DELETE', 'X-HTTP-Method: PUT')], '405 GW_METHOD_NOT_ALLOWED (method)'],
    [['GET', '/open', ...headers(`Origin: ${FRIEND}`, `origin: ${FRIEND}`)], TWICE],
    [['GET', '/open', ...headers('Content-Type: text/plain', 'Content-Type: text/html')], TWICE],
    [['GET', '/oauth2/nowhere', ...headers('Origin: a', 'Origin: b')], TWICE],
    [['GET', '/a/../b', ...headers('Origin: a', 'Origin: b')], '400 GW_REQUEST_REFUSED (dot_segment)'],
    [['POST', '/open', ...headers('Transfer-Encoding: gzip')], '400 GW_REQUEST_REFUSED (transfer_encoding)'],
    [['GET', '/open', ...headers('Accept: a', 'Accept: b')], 'allowed'],
    [['GET', '/still', ...asAlice, ...webSocket], '501 GW_UPGRADE_UNSUPPORTED (upgrade)'],
    [['GET', '/x', ...asAlice, ...webSocket], 'allowed'],
    [['GET', '/basic', '--claims', '@batch.yaml'], 'allowed'],
    [['GET', '/basic', '--claims', '@other.yaml'], '401 GW_SIGN_IN_REQUIRED (no_session)'],
    [['GET', '/basic', '--claims', '@person.yaml'], '401 GW_TOKEN_INVALID (client_refused)'],
    [['GET', '/ours', '--claims', '@batch.yaml'], '401 GW_TOKEN_INVALID (credentials_unknown)'],
    [['GET', '/own', '--claims', '@batch.yaml'], '401 GW_SIGN_IN_REQUIRED (no_session)'],
  ]
  for (const [args, expected] of cases) {
    const { out } = await run(...args)
    t.equal(/verdict {3}(?:denied: )?(.*)/.exec(out)?.[1], expected, args.join(' '))
  }
  for (const line of ['Authorization: Bearer x', 'Cookie: a=b', 'Host: x', 'X-Forwarded-For: 1.2.3.4', 'constructor'])
    await t.rejects(run('GET', '/', '--header', line), { message: /instead|part of the URL|must look like/ }, line)
})

t.test('explain reads a token as the gateway would, but for its signature', async (t) => {
  const now = Math.floor(Date.now() / 1000)
  const batch = {
    iss: ISSUER,
    sub: 'batch',
    client_id: 'batch',
    token_use: 'access',
    scope: 'wiki/admin',
    iat: now,
    exp: now + 60,
  }
  const { run } = inFolder(t, {
    good: jwt(batch),
    expired: jwt({ ...batch, exp: now - 60 }),
    unlisted: jwt({ ...batch, client_id: 'other' }),
    'nameless.yaml': { access: { sub: 'batch' } },
    id: jwt({ ...batch, token_use: 'id', aud: 'batch' }),
    foreign: jwt({ ...batch, iss: 'https://other.example' }),
    none: 'hello',
  })
  const verdictOf = async (name: string): Promise<string> => {
    const { out } = await run('GET', '/admin/', '--token-file', `@${name}`)
    return /verdict {3}(.*)/.exec(out)?.[1] ?? ''
  }
  t.equal(await verdictOf('good'), 'allowed')
  t.equal(await verdictOf('expired'), 'denied: 401 GW_TOKEN_INVALID (token_expired; JwtExpiredError)')
  const unlisted = "denied: 401 GW_TOKEN_INVALID (token_invalid; client_id other is in no pool's bearerClients)"
  t.equal(await verdictOf('unlisted'), unlisted)
  const claimed = await run('GET', '/admin/', '--claims', '@nameless.yaml')
  t.match(claimed.out, "(token_invalid; there is no client_id, which must be in the pool's bearerClients)")
  t.match(await verdictOf('id'), 'denied: 401 GW_TOKEN_USE')
  t.equal(await verdictOf('foreign'), 'denied: 401 GW_SIGN_IN_REQUIRED (no_session)')
  t.match((await run('GET', '/admin/', '--token-file', '@good')).out, 'signature not checked')
  const at = async (path: string, name: string): Promise<string> =>
    /verdict {3}(.*)/.exec((await run('GET', path, '--token-file', `@${name}`)).out)?.[1] ?? ''
  t.match(await at('/own', 'good'), 'GW_SIGN_IN_REQUIRED', "an application's own token is nobody's")
  t.equal(await at('/ours', 'good'), 'allowed')
  t.match(await at('/ours', 'foreign'), 'GW_TOKEN_INVALID')
  await t.rejects(run('GET', '/', '--token-file', '@none'), { message: /holds no token/ })
})

t.test(
  'A12 explain knows several hosts and pools: whose session a host holds, and whose tokens a rule takes',
  async (t) => {
    const issuer = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Partners1'
    const partner = { ...alice, iss: issuer, client_id: 'partners' }
    const shop = { upstream: 'http://shop.internal', pool: 'partners', hosts: ['shop.example.com'] }
    const { run } = inFolder(t, {
      'several.yaml': {
        ...settings,
        pools: {
          ...settings.pools,
          partners: { userPoolId: 'eu-west-1_Partners1', clientId: 'partners', bearerClients: ['partners'] },
        },
        applications: {
          ...settings.applications,
          shop: {
            ...shop,
            access: 'signedIn',
            routes: { both: { path: '/both', access: [{ pools: ['staff', 'partners'] }] } },
          },
        },
      },
      'alice.yaml': { access: { ...alice, iss: ISSUER }, id: {} },
      'partner.yaml': { access: partner, id: {} },
      'partner-token.txt': jwt({ ...partner, token_use: 'access', exp: 4_000_000_000, iat: 1 }),
      'batch-token.txt': jwt({
        ...alice,
        iss: ISSUER,
        client_id: 'batch',
        token_use: 'access',
        exp: 4_000_000_000,
        iat: 1,
      }),
    })
    const at = async (url: string, ...who: readonly string[]) => {
      const { out } = await run('--config', '@several.yaml', 'GET', url, ...who, '--json')
      const { verdict, code, reason } = JSON.parse(out) as {
        verdict: string
        code: string | null
        reason: string | null
      }
      return verdict === 'allowed' ? verdict : `${code} ${reason}`
    }
    const session = (name: string) => ['--claims', `@${name}.yaml`]
    t.equal(await at('https://shop.example.com/', ...session('partner')), 'allowed')
    t.equal(await at('https://shop.example.com/both', ...session('partner')), 'allowed')
    t.equal(await at('https://shop.example.com/both', ...session('alice')), 'GW_SIGN_IN_REQUIRED no_session')
    t.equal(await at('https://apps.example.com/', ...session('partner')), 'GW_SIGN_IN_REQUIRED no_session')
    t.equal(await at('https://shop.example.com/both', '--token-file', '@batch-token.txt'), 'allowed')
    t.equal(await at('https://shop.example.com/', '--token-file', '@batch-token.txt'), 'GW_FORBIDDEN foreign_pool')
    t.equal(await at('https://apps.example.com/', '--token-file', '@partner-token.txt'), 'GW_FORBIDDEN foreign_pool')
    t.equal(await at('https://shop.example.com/oauth2/start'), 'allowed', 'own addresses answer on every host')
    t.equal(await at('https://other.example.com/oauth2/start'), 'GW_HOST_UNKNOWN host_unknown')
  },
)

t.test('a file of cases is a test of rules: it says what is not as expected, and where', async (t) => {
  const cases = {
    identities: {
      alice: { access: { ...alice, 'cognito:groups': ['admins'] }, id: {} },
      batch: { access: { sub: 'batch', client_id: 'batch' } },
    },
    cases: [
      { request: 'GET /admin/', identity: 'alice', expect: 'allowed wiki/admin' },
      { request: 'GET /admin/', expect: 'GW_SIGN_IN_REQUIRED' },
      { request: 'GET /office', identity: 'batch', address: '192.0.2.9', expect: 'allowed' },
      { request: 'GET /pilot', identity: 'alice', expect: 'allowed would_deny group_missing' },
      { request: 'POST /x', identity: 'alice', headers: { Origin: 'https://evil.example' }, expect: 'cross_origin' },
      { request: 'GET /x', identity: 'alice', headers: { Origin: ['a', 'b'] }, expect: 'duplicate_header' },
      { request: 'GET /oauth2/userinfo', identity: 'alice', expect: 'allowed gateway' },
      { request: 'GET /admin/', identity: 'batch', expect: 'allowed' },
    ],
  }
  const { run, folder } = inFolder(t, {
    'cases.yaml': cases,
    'good.yaml': { ...cases, cases: cases.cases.slice(0, 7) },
  })
  const { code, out } = await run('--cases', '@cases.yaml')
  t.equal(code, 1)
  t.match(
    out,
    new RegExp(
      `^${folder}/cases\\.yaml:\\d+: GET /admin/ as batch: expected allowed, got denied GW_FORBIDDEN person_required wiki/admin\n7 as expected, 1 not$`,
    ),
  )
  t.same(await run('--cases', '@good.yaml'), { code: 0, out: '7 as expected, 0 not', err: '' })
  const json = JSON.parse((await run('--cases', '@cases.yaml', '--json')).out)
  t.match(json, { ok: false, cases: [{ passed: true }, {}, {}, {}, {}, {}, {}, { passed: false, who: 'batch' }] })
})

t.test('the settings and the cases that README shows fit each other', async (t) => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [config = '', cases = ''] = ['# gateway', '# cases'].map(
    (start) => new RegExp(`\`\`\`yaml\\n(${start}\\.yaml\\n[\\s\\S]*?)\`\`\``).exec(readme)?.[1],
  )
  const { run } = inFolder(t, { 'gateway.yaml': config, 'cases.yaml': cases })
  t.same(await run('--cases', '@cases.yaml'), { code: 0, out: '4 as expected, 0 not', err: '' })
})

t.test('what explain cannot read is said with its place, and ends with 2', async (t) => {
  const { run } = inFolder(t, {
    'bad-claims.yaml': { acess: {} },
    'bad-cases.yaml': { cases: [{ request: 'GET /', identity: 'nobody-knows', expect: 'allowed' }] },
    'no-cases.yaml': { cases: [] },
    'wrong-cases.yaml': [
      'identities: { x: { pool: nowhere, access: {} } }',
      'cases:',
      '  - { request: GET, expect: allowed }',
      '  - { request: GET ftp://x/, expect: allowed, address: here }',
      '  - { request: GET /, expect: allowed, identity: y, headers: { Cookie: a=b } }',
    ].join('\n'),
  })
  const wrong = await run('--cases', '@wrong-cases.yaml')
  t.equal(wrong.code, 2)
  t.same(
    wrong.err.split('\n').map((line) => /\.yaml:(\S+ .*)$/.exec(line)?.[1]),
    [
      '1:26 identities.x.pool: must be one of the pools: staff',
      '3:16 cases[0].request: must be a method and an address, such as GET /admin/ or GET https://app.example.com/admin/',
      '4:16 cases[1].request: must be a method and an address, such as GET /admin/ or GET https://app.example.com/admin/',
      '4:56 cases[1].address: must be an address of IPv4 or IPv6',
      '5:50 cases[2].identity: must be one of identities: x',
      '5:64 cases[2].headers.Cookie: Cookie is no name here: it is given elsewhere: write identity instead',
    ],
    'all of them at once',
  )
  const claims = await run('GET', '/', '--claims', '@bad-claims.yaml')
  t.equal(claims.code, 2)
  t.match(claims.err, /bad-claims\.yaml:1:1 acess: unknown key; did you mean access\?/)
  t.match((await run('--cases', '@bad-cases.yaml')).err, /cases\[0\]\.identity: must be one of identities/)
  t.equal((await run('--cases', '@no-cases.yaml')).code, 2)
  for (const args of [
    ['GET'],
    [],
    ['--cases', 'x', 'GET', '/'],
    ['GET', 'ftp://x/'],
    ['GET', '/', '--address', 'here'],
    ['GET', '/', '--token-file', 'x', '--claims', 'y'],
  ])
    t.ok((await run(...args).catch((error: unknown) => error)) instanceof UsageError, args.join(' '))
})

t.test('explain is a command, and its answer can be read by programs', async (t) => {
  const { config } = inFolder(t)
  const process = runCommand(t, ['explain', '--config', config, 'GET', '/admin/', '--json'])
  t.equal(await process.ended, 1)
  t.match(JSON.parse(process.out()), {
    route: { name: 'wiki/admin' },
    identity: null,
    verdict: 'denied',
    code: 'GW_SIGN_IN_REQUIRED',
    status: 401,
    reason: 'no_session',
  })
})
