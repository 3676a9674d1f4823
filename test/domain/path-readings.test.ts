import t from 'tap'
import { agreedRoute, readingsOf, type LenientPattern, type PathWord } from '../../src/domain/path-readings.ts'
import { parseTarget } from '../../src/domain/request-target.ts'
import { buildRouteTable, matchRoute } from '../../src/domain/route-table.ts'

t.test(
  'a path is read in every way that servers are known to read it, and the words that allow it are named',
  async (t) => {
    const cases: readonly (readonly [string, readonly PathWord[], readonly string[]])[] = [
      ['/job/a%2Fb/', ['encodedSlash'], ['/job/a/b/', '/job/a%2fb/']],
      ['/a%252Fb', ['encodedPercent'], ['/a%2fb', '/a%252fb', '/a/b']],
      ['/a;v=1/b;w', ['matrixParams'], ['/a;v=1/b;w', '/a/b', '/a']],
      ['/a%3Bv/b', ['matrixParams'], ['/a;v/b', '/a%3bv/b', '/a/b', '/a']],
      ['/a%CD%BEv/b', ['matrixParams'], ['/a;v/b', '/a/b', '/a']],
      ['/What%3F', ['encodedReserved'], ['/what?', '/what%3f', '/what']],
      ['/C%23/x', ['encodedReserved'], ['/c#/x', '/c%23/x', '/c']],
      ['//a/b', ['emptySegments'], ['//a/b', '/a/b', '/b']],
      ['/a//b///c', ['emptySegments'], ['/a//b///c', '/a/b/c']],
      ['/a./b%20', ['trailingDots'], ['/a./b ', '/a/b']],
      ['/caf%E9', ['latin1'], ['/café']],
      ['/%C3%A9/%E9', ['latin1'], ['/ã©/é']],
      ['/a|b{c}', ['rawReserved'], ['/a|b{c}']],
      ['/%61%2F%62', ['encodedSlash'], ['/a/b', '/a%2fb']],
      ['/a%C0%AFb', ['latin1'], ['/aà¯b', '/a/b']],
      ['/a%25u002Fb', ['encodedPercent'], ['/a%u002fb', '/a%25u002fb', '/a/b']],
    ]
    for (const [raw, words, paths] of cases) {
      const readings = readingsOf(raw)
      t.ok(readings.ok, raw)
      if (!readings.ok) continue
      t.same(readings.words, words, raw)
      t.same([...readings.paths].toSorted(), [...paths].toSorted(), raw)
      t.equal(readings.paths[0], paths[0], 'the one decoded once comes first')
      t.equal(readings.beyond, null)
    }
  },
)

t.test(
  'dot segments, control bytes and raw delimiters are never allowed, in whatever reading they appear',
  async (t) => {
    for (const raw of [
      '/public/..;/admin',
      '/public/..;x=1/admin',
      '/public/%2e%2e/admin',
      '/public/%252e%252e/admin',
      '/public/%25252e%25252e/admin',
      '/public%2F..%2Fadmin',
      '/public/..%2Fadmin',
      '/public/..%5Cadmin',
      '/public/..%255Cadmin',
      '/public/%C0%AE%C0%AE/admin',
      '/public/%E0%80%AE%E0%80%AE/admin',
      '/public/%25u002e%25u002e/admin',
      '/public/.. /admin'.replace(' ', '%20'),
      '/public/%20../admin',
      '/public/.../admin',
      '/public/..%3Fx/admin',
      '/public/..%23/admin',
      '/public/.;/x',
      '/a;%00',
      '/a%2500',
      '/a%250d%250a',
      '/a\\b',
      '/a#b',
      '/a b',
      '/a\x7f;',
      '/caf\xe9',
    ])
      t.equal(readingsOf(raw).ok, false, raw)
  },
)

t.test('what no word allows is left to opaque paths', async (t) => {
  for (const raw of ['/100%', '/a%zz', '/x::$DATA', '/a%5Cb', '/a%2Eb', '/%C2%85', '/%85', '/a%255Cb%2F::x']) {
    const readings = readingsOf(raw)
    t.ok(readings.ok && readings.beyond !== null, raw)
  }
})

const application = { hosts: ['h'], methods: null, paths: 'strict', allowInPath: [] } as const
const table = buildRouteTable<LenientPattern>([
  { ...application, name: 'main', application: 'main', path: '/*', access: 'signedIn' },
  { ...application, name: 'main/admin', application: 'main', path: '/admin/*', access: [{ groups: ['admins'] }] },
  {
    ...application,
    name: 'ci',
    application: 'ci',
    path: '/ci/*',
    access: 'signedIn',
    allowInPath: ['encodedSlash', 'matrixParams'],
  },
  {
    ...application,
    name: 'ci/read',
    application: 'ci',
    path: '/ci/logs/*',
    methods: ['GET'],
    access: 'public',
    allowInPath: ['encodedSlash', 'matrixParams'],
  },
  { ...application, name: 'files', application: 'files', path: '/files/*', access: 'public', paths: 'opaque' },
  { ...application, name: 'files/new', application: 'files', path: '/files/new', access: 'public', paths: 'opaque' },
])

function verdict(raw: string, method = 'GET'): string {
  const target = parseTarget(raw)
  if (target.ok) return 'strict'
  const agreed = agreedRoute(target, { match: (path) => matchRoute(table, 'h', method, path), ownPrefix: '/oauth2' })
  return agreed.ok ? agreed.route.name : (agreed.detail ?? 'never')
}

t.test('the route is the one to which every reading leads, and its application decides what is allowed', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['/ci/a%2Fb', 'ci'],
    ['/ci/a%2Fb;v=1', 'ci'],
    ['/ci/logs/a%2Fb', 'ci/read'],
    ['/ci/logs%2Fa', 'its readings lead to different routes'],
    ['/ci%2Fa', 'its readings lead to different routes'],
    ['/ci/a%252Fb', 'allowed by allowInPath: [encodedPercent]'],
    ['/ci/a.//b', 'allowed by allowInPath: [emptySegments, trailingDots]'],
    ['/ci/a%zz', 'allowed by paths: opaque only'],
    ['/x/a%2Fb', 'allowed by allowInPath: [encodedSlash]'],
    ['/x%2F..%2Fci/a', 'never'],
    ['/admin;x', 'its readings lead to different routes'],
    ['/admin/x;y', 'allowed by allowInPath: [matrixParams]'],
    ['/files/100%/a%5Cb;c//d./%E9|', 'files'],
    ['/files/new;x', 'files'],
    ['/files/..%5cadmin', 'never'],
    ['/files%2Fa', 'its readings lead to different routes'],
  ]
  for (const [raw, expected] of cases) t.equal(verdict(raw), expected, raw)
  t.equal(
    verdict('/ci/logs/a%2Fb', 'POST'),
    'its readings lead to different routes',
    'no route for that method is no route',
  )
})

t.test('no reading may lie under the own prefix, in any letter case', async (t) => {
  for (const raw of [
    '/oauth2;x',
    '/OAUTH2;x/start',
    '/oauth2%2Fstart',
    '//evil.example/oauth2/start',
    '//oauth2/start',
    '/oauth2./start',
    '/o%2561uth2/start',
    '/oauth2%3Fx',
    '/%5Coauth2/start',
    '/;x/oauth2/start',
  ])
    t.equal(verdict(raw), 'never', raw)
})
