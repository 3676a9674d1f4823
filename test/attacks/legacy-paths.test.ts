import t from 'tap'
import { PATH_WORDS } from '../../src/domain/path-readings.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const ADMINS = [{ groups: ['admins'] }]
const upstream = '%UPSTREAM%'
const open = { upstream, access: 'public' }
const world = await startWorld(t, {
  settings: {
    applications: {
      main: {
        ...open,
        routes: { admin: { path: '/admin/*', access: ADMINS }, public: { path: '/public/*' } },
        allowInPath: PATH_WORDS,
      },
      strict: { ...open, path: '/strict' },
      jenkins: {
        ...open,
        path: '/jenkins',
        allowInPath: ['encodedSlash', 'encodedPercent'],
        routes: { manage: { path: '/jenkins/manage/*', access: ADMINS } },
      },
      shop: {
        ...open,
        path: '/shop',
        allowInPath: ['matrixParams'],
        routes: { backoffice: { path: '/shop/backoffice/*', access: ADMINS } },
      },
      wiki: {
        ...open,
        path: '/wiki',
        allowInPath: ['encodedReserved', 'rawReserved', 'trailingDots'],
        routes: { special: { path: '/wiki/Special:Block', access: ADMINS } },
      },
      dav: {
        ...open,
        path: '/dav',
        allowInPath: ['encodedReserved', 'encodedPercent', 'emptySegments', 'rawReserved', 'matrixParams'],
        routes: { locked: { path: '/dav/locked/*', access: ADMINS } },
      },
      iis: {
        ...open,
        path: '/iis',
        allowInPath: ['trailingDots', 'emptySegments'],
        routes: { bin: { path: '/iis/bin/*', access: ADMINS } },
      },
      old: {
        ...open,
        path: '/old',
        allowInPath: ['latin1'],
        routes: { protected: { path: '/old/geschützt/*', access: ADMINS } },
      },
      files: { ...open, path: '/files', paths: 'opaque' },
      private: { upstream, path: '/private', access: 'signedIn', paths: 'opaque' },
    },
  },
})
const { application, port, log } = world

async function send(target: string) {
  const before = application.seen.length
  const answer = await sendRaw(port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  const line = log.findLast((one) => one.includes('"event":"request"')) ?? '{}'
  const { route, reason } = JSON.parse(line) as { route?: string; reason?: string }
  return { answer, status: answer.status, route, reason, reached: application.seen.slice(before).map(({ url }) => url) }
}

const passing: Readonly<Record<string, readonly string[]>> = {
  jenkins: [
    '/jenkins/job/team%2Fproject/job/feature%2Flogin/1/console',
    '/jenkins/job/project/job/feature%252Flogin/',
    '/jenkins/blue/organizations/jenkins/team%2Fproject/detail/feature%252Flogin/7/pipeline',
    '/jenkins/job/100%25/',
  ],
  shop: [
    '/shop/cart;jsessionid=ABC',
    '/shop/cart;jsessionid=0123456789ABCDEF.node1?step=2',
    '/shop/cars;color=red;year=2012/list',
    '/shop/;jsessionid=ABC',
    '/shop/cart%3Bjsessionid=ABC',
  ],
  wiki: [
    '/wiki/Who_is_it%3F',
    '/wiki/C%23',
    '/wiki/C%23_(language)?action=edit',
    '/wiki/Foo_Inc.',
    '/wiki/Foo|Bar',
    '/wiki/"Heroes"',
  ],
  dav: ['/dav/docs//Annual%20report.doc', '/dav/100%25%20sure%3F.txt', '/dav/issue%20%2342/{draft}.txt', '/dav/a;b/c'],
  iis: ['/iis/report./x.aspx', '/iis/a%20/x', '/iis//default.aspx', '/iis/etc.', '/iis/v1../x'],
  old: ['/old/caf%E9', '/old/stra%DFe/%E4%F6%FC.html?q=x'],
  files: [
    '/files/100%/x',
    '/files/a%2Fb%252Fc;v=1//d./e%20/%E9|"{}',
    '/files/a%5Cb',
    '/files/x::y',
    '/files/%23%3F',
    '/files/%80%85',
    '/files/a%2Eb',
  ],
  main: ['/x;y', '/a//b', '/a%2Fb'],
  'main/public': ['/public/x;y', '/public/a//b', '/public/a%2Fb.', '/PUBLIC/caf%E9'],
}
for (const [route, targets] of Object.entries(passing)) {
  t.test(`addresses of old applications reach ${route} byte for byte`, async (t) => {
    for (const target of targets) {
      const sent = await send(target)
      t.equal(sent.status, 200, JSON.stringify(target))
      t.same(sent.reached, [target])
      t.equal(sent.route, route)
    }
  })
}

t.test('the rule of the route holds for every reading of a path', async (t) => {
  for (const target of [
    '/jenkins/manage/a%2Fb',
    '/shop/backoffice/orders;jsessionid=ABC',
    '/shop/BackOffice/x;y',
    '/dav/locked//x',
    '/iis/bin/x.',
    '/old/gesch%C3%BCtzt/x',
    '/old/gesch%FCtzt/x',
    '/old/GESCH%DCTZT/x',
    '/admin/x;y',
    '/admin/a%2Fb',
  ]) {
    const { status, reached } = await send(target)
    t.equal(status, 401, JSON.stringify(target))
    t.same(reached, [])
  }
})

t.test('a path is refused where two readings lead to different routes, whatever is allowed', async (t) => {
  for (const target of [
    '/public/x;/../admin',
    '/public/..;/admin',
    '/public%2F..%2Fadmin',
    '/public%2Fadmin',
    '/public/..%2Fadmin',
    '/public/%252e%252e/admin',
    '/public/..%C0%AFadmin',
    '/admin;x',
    '/admin;/x',
    '/;/admin',
    '/admin%3Bx',
    '/admin%2Fx',
    '/admin%252Fx',
    '/%2561dmin/x',
    '/admin%3Fx',
    '/admin%23x',
    '//admin/x',
    '//evil.example/admin/x',
    '/%2Fx/admin',
    '/x//../admin',
    '/admin.',
    '/admin./x',
    '/admin%20/x',
    '/admin.;x/y',
    '/jenkins%2Fmanage/x',
    '/jenkins%2F..%2Fadmin',
    '/jenkins/manage%2Fx',
    '/jenkins/%6danage%252Fx',
    '/shop/backoffice;jsessionid=ABC/orders',
    '/shop;x/backoffice',
    '/wiki/Special:Block%3F',
    '/wiki/Special:Block.',
    '/dav//locked/x',
    '/iis//bin/x',
    '/iis/bin./x',
    '/strict;x',
    '/files;x/y',
    '/files%2Fx',
    '//files/x',
  ]) {
    const { status, reached } = await send(target)
    t.equal(status, 400, target)
    t.same(reached, [], target)
  }
})

t.test('opaque paths still hold no control bytes, space, backslash, fragment or dot segment', async (t) => {
  for (const target of [
    '/files/a\\b',
    '/files/a#b',
    '/files/a\x7fb',
    '/files/a%00b',
    '/files/a%0d%0ab',
    '/files/a%2500b',
    '/files/../admin',
    '/files/..%2Fadmin',
    '/files/..%5Cadmin',
    '/files/%2e%2e/admin',
    '/files/%252e%252e%252fadmin',
    '/files/%25252e%25252e%25252fadmin',
    '/files/..;/admin',
    '/files/%c0%ae%c0%ae/admin',
    '/files/%u002e%u002e/admin',
    '/files/.',
  ]) {
    const { status, reached } = await send(target)
    t.equal(status, 400, target)
    t.same(reached, [], target)
  }
})

t.test('no reading of a path reaches the own endpoints, or an application in their place', async (t) => {
  for (const target of [
    '/oauth2;x/start',
    '/oauth2//start',
    '/OAUTH2%2Fstart',
    '/o%2561uth2/start',
    '/oauth2./callback',
    '//oauth2/sign_out',
    '/;x/oauth2/userinfo',
    '/oauth2%3Fx',
    '/oauth2/start;x',
  ]) {
    const { status, reached } = await send(target)
    t.equal(status, 400, target)
    t.same(reached, [], target)
  }
})

t.test("raw bytes beyond ASCII are refused by Node's parser already, whatever is allowed", async (t) => {
  for (const target of ['/old/caf\xe9', '/old/caf\xc3\xa9', '/files/caf\xe9']) {
    const { status, reached } = await send(target)
    t.equal(status, 400, JSON.stringify(target))
    t.same(reached, [])
  }
})

t.test('the log of a refusal names the word that would allow it, and the answer does not', async (t) => {
  const cases: readonly (readonly [string, string])[] = [
    ['/strict/cart;jsessionid=ABC', 'allowInPath: [matrixParams]'],
    ['/strict/a%2Fb', 'allowInPath: [encodedSlash]'],
    ['/strict/a%252Fb', 'allowInPath: [encodedPercent]'],
    ['/strict/C%23', 'allowInPath: [encodedReserved]'],
    ['/strict/a//b', 'allowInPath: [emptySegments]'],
    ['/strict/Inc.', 'allowInPath: [trailingDots]'],
    ['/strict/caf%E9', 'allowInPath: [latin1]'],
    ['/strict/a|b', 'allowInPath: [rawReserved]'],
    ['/jenkins/a%2Fb;v=1', 'allowInPath: [matrixParams]'],
    ['/strict/100%', 'paths: opaque'],
    ['/jenkins%2Fmanage/x', 'its readings lead to different routes'],
  ]
  for (const [target, says] of cases) {
    const before = log.length
    const { answer } = await send(target)
    t.equal(answer.status, 400, target)
    const fault = log.slice(before).find((line) => line.includes('"event":"fault"')) ?? ''
    t.match(fault, says, target)
    t.notMatch(answer.text, /allow|opaque|readings|jsessionid/)
  }
  const before = log.length
  await send('/strict/..;/x')
  t.notOk(
    log.slice(before).some((line) => line.includes('allowed by')),
    'nothing is named where nothing would help',
  )
})

t.test('people come back from a sign-in to the very address that they asked for', async (t) => {
  for (const target of [
    '/private/job/a%2Fb/?x=1',
    '/private/job/a%252Fb/',
    '/private/cart;jsessionid=ABC',
    '/private/C%23',
    '/private/a//b',
    '/private/caf%E9',
    '/private/A|B',
  ]) {
    const landed = await world.client().signIn(world.url + target)
    t.equal(landed.url, world.url + target)
    t.equal(landed.json().url, target)
  }
})

t.test('no address that has several readings leads elsewhere after a sign-in', async (t) => {
  const browser = world.client()
  await browser.signIn(`${world.url}/oauth2/start`)
  for (const target of [
    '/%2Fevil.example',
    '/%252Fevil.example',
    '/%5Cevil.example',
    '/;//evil.example',
    '/.;/evil.example',
    '/private/..;/x',
    '/oauth2;x/sign_out',
    '/oauth2%2Fsign_out',
    '/%2e/oauth2/sign_out',
    '/;x/oauth2/start',
  ]) {
    // So many sign-ins a minute would be a circle.
    browser.jarOf(new URL(world.url).host).delete('__Host-gateway-rounds')
    const landed = await browser.visit(`${world.url}/oauth2/start?rd=${encodeURIComponent(target)}`)
    t.equal(landed.url, `${world.url}/`, target)
  }
})
