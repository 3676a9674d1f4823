import t from 'tap'
import { fromElsewhere, parseReturnTo } from '../../src/domain/return-to.ts'
import { callbackOrigins, createSites, type SitesOptions } from '../../src/domain/site.ts'

const sitesOf = (more: Partial<SitesOptions> = {}) =>
  createSites({
    publicUrl: 'https://apps.example.com:8443',
    hosts: [
      { host: 'wiki.example.com', pool: 'staff' },
      { host: 'shop.example.com', pool: 'partners' },
      { host: 'stock.example.com', pool: 'partners' },
    ],
    defaultPool: 'staff',
    callbackOn: 'publicUrl',
    ...more,
  })

t.test('every host has the scheme and port of publicUrl', async (t) => {
  const { main, byHost, origins } = sitesOf()
  t.equal(main.origin, 'https://apps.example.com:8443')
  t.match(byHost.get('wiki.example.com'), {
    authority: 'wiki.example.com:8443',
    origin: 'https://wiki.example.com:8443',
  })
  t.equal(
    sitesOf({ publicUrl: 'https://apps.example.com' }).byHost.get('wiki.example.com')?.authority,
    'wiki.example.com',
  )
  t.equal(origins.size, 4)
})

t.test('people sign in on the host of publicUrl, or on the first host of their pool, or everywhere', async (t) => {
  const where = (sites = sitesOf()) =>
    [...sites.byHost.values()].filter(({ signsIn }) => signsIn).map(({ host }) => host)
  t.same(where(), ['apps.example.com', 'shop.example.com'])
  t.equal(sitesOf().byHost.get('stock.example.com')?.signInOrigin, 'https://shop.example.com:8443')
  t.equal(sitesOf().byHost.get('wiki.example.com')?.signInOrigin, 'https://apps.example.com:8443')
  t.equal(where(sitesOf({ callbackOn: 'eachHost' })).length, 4)
  const taken = sitesOf({
    hosts: [
      { host: 'apps.example.com', pool: 'partners' },
      { host: 'wiki.example.com', pool: 'staff' },
    ],
  })
  t.equal(taken.main.pool, 'partners')
  const { byHost, main } = sitesOf()
  t.same(new Set([...byHost.values()].map(({ callbackOrigin }) => callbackOrigin)), new Set([main.origin]))
  const own = [...sitesOf({ callbackOn: 'eachHost' }).byHost.values()]
  t.ok(own.every(({ callbackOrigin, origin }) => callbackOrigin === origin))
  t.same(callbackOrigins(sitesOf(), 'partners'), [main.origin], "which is what is registered at that pool's app client")
  t.equal(callbackOrigins(sitesOf({ callbackOn: 'eachHost' }), 'partners').length, 2)
  t.same(callbackOrigins(sitesOf(), 'machines'), [], 'nobody of a pool without applications signs in')
  t.same(where(taken), ['apps.example.com', 'wiki.example.com'])
})

t.test('a redirect leads to a path here, or to an address on another host that is served', async (t) => {
  const { main, origins } = sitesOf()
  const self = { publicUrl: main.origin, origins, ownPrefix: '/oauth2', lenientPaths: false }
  const wiki = 'https://wiki.example.com:8443'
  const cases: readonly (readonly [string, string])[] = [
    ['/page?a=1#b', '/page?a=1#b'],
    [`${main.origin}/page`, '/page'],
    [`${wiki}/page?a=1#b`, `${wiki}/page?a=1#b`],
    [wiki, `${wiki}/`],
    ['https://wiki.example.com/page', '/'],
    ['http://wiki.example.com:8443/page', '/'],
    [`${wiki}.evil.example/page`, '/'],
    [`https://user@wiki.example.com:8443/page`, '/'],
    [`${wiki}@evil.example/page`, '/'],
    [`${wiki}/oauth2/start`, '/'],
    [`${wiki}//evil.example`, '/'],
    [`${wiki}/a/../oauth2/sign_out`, '/'],
    [`${wiki}?page`, '/'],
    ['https://WIKI.example.com:8443/page', '/'],
  ]
  for (const [raw, place] of cases) t.equal(parseReturnTo(raw, self), place, raw)
  t.equal(parseReturnTo(`${wiki}/page`, self, wiki), '/page', 'on that very host it is a path')
  t.equal(parseReturnTo(`${main.origin}/page`, self, wiki), `${main.origin}/page`)
  t.equal(parseReturnTo(`${main.origin}/page`, self, null), `${main.origin}/page`, 'what was parsed stays as it is')
  t.equal(fromElsewhere(parseReturnTo('/page', self), wiki), `${wiki}/page`)
  t.equal(fromElsewhere(parseReturnTo(`${wiki}/page`, self), main.origin), `${wiki}/page`)
})
