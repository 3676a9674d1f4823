import fc from 'fast-check'
import t from 'tap'
import type { AccessRule } from '../../src/domain/access.ts'
import { byPrecedence } from '../../src/domain/precedence.ts'
import { buildRouteTable, checkRoutes, matchRoute, parseHost, type RoutePattern } from '../../src/domain/route-table.ts'

const route = (name: string, path: string, more: Partial<RoutePattern> = {}): RoutePattern => ({
  name,
  hosts: ['app.example'],
  path,
  methods: null,
  access: 'signedIn',
  ...more,
})
const answer = (routes: readonly RoutePattern[], path: string, method = 'GET', host = 'app.example'): string => {
  const match = matchRoute(buildRouteTable(routes), host, method, path)
  if (match.kind === 'route') return match.route.name
  return match.kind === 'methodNotAllowed' ? `405 ${match.allow.join(' ')}` : match.kind
}

t.test('A02 the most specific path decides, whatever the order in the file', async (t) => {
  const routes = [
    route('all', '/*'),
    route('api', '/api/*'),
    route('item', '/api/:id'),
    route('new', '/api/new'),
    route('deep', '/api/:id/parts/*'),
  ]
  for (const given of [routes, routes.toReversed()]) {
    t.equal(answer(given, '/'), 'all')
    t.equal(answer(given, '/api'), 'api')
    t.equal(answer(given, '/api/'), 'api')
    t.equal(answer(given, '/api/new'), 'new')
    t.equal(answer(given, '/api/new/'), 'new')
    t.equal(answer(given, '/api/7'), 'item')
    t.equal(answer(given, '/api/7/other'), 'api')
    t.equal(answer(given, '/api/7/parts/x/y'), 'deep')
    t.equal(answer(given, '/api/new/parts'), 'deep', 'a literal that leads nowhere is no obstacle')
  }
})

t.test('P33 P34 a pattern covers whole segments, and a final slash changes nothing', async (t) => {
  const routes = [route('x', '/x/*'), route('exact', '/y'), route('slash', '/z/')]
  for (const path of ['/x', '/x/', '/x/a', '/x/a/b/']) t.equal(answer(routes, path), 'x', path)
  for (const path of ['/xx', '/x-old', '/']) t.equal(answer(routes, path), 'pathUnknown', path)
  for (const path of ['/y', '/y/']) t.equal(answer(routes, path), 'exact')
  t.equal(answer(routes, '/y/a'), 'pathUnknown')
  for (const path of ['/z', '/z/']) t.equal(answer(routes, path), 'slash')
})

t.test('letter case of patterns is folded like that of paths', async (t) => {
  t.equal(answer([route('a', '/Admin/ÄPFEL/*')], '/admin/äpfel/x'), 'a')
})

t.test('a method that no route of the path lists is refused with those that are', async (t) => {
  const routes = [
    route('all', '/*'),
    route('read', '/x/*', { methods: ['GET', 'HEAD'] }),
    route('write', '/x/*', { methods: ['PUT'] }),
  ]
  t.equal(answer(routes, '/x/1', 'GET'), 'read')
  t.equal(answer(routes, '/x/1', 'PUT'), 'write')
  t.equal(answer(routes, '/x/1', 'DELETE'), '405 GET HEAD PUT', 'it never falls through to the wider route')
  const rest = [route('read', '/x/*', { methods: ['GET', 'HEAD'] }), route('rest', '/x/*')]
  t.equal(answer(rest, '/x/1', 'DELETE'), 'rest', 'a route without methods takes the rest')
})

t.test('a host is answered by the routes that name it, and no other host is served', async (t) => {
  const routes = [route('a', '/*', { hosts: ['a.example'] }), route('b', '/*', { hosts: ['b.example'] })]
  t.equal(answer(routes, '/', 'GET', 'a.example'), 'a')
  t.equal(answer(routes, '/', 'GET', 'b.example'), 'b')
  t.equal(answer(routes, '/', 'GET', 'c.example'), 'hostUnknown')
  t.equal(answer(routes, '/', 'GET', '__proto__'), 'hostUnknown')
})

t.test('segments named like properties of every object are ordinary', async (t) => {
  const routes = [route('a', '/constructor/*')]
  t.equal(answer(routes, '/__proto__/x'), 'pathUnknown')
  t.equal(answer(routes, '/constructor/x'), 'a')
})

t.test('P37 a named segment has any length', async (t) => {
  t.equal(answer([route('a', '/t/:id')], `/t/${'x'.repeat(5_000)}`), 'a')
})

t.test('A02 routes that cross are an error that names both and an address that both cover', async (t) => {
  const a = route('a', '/:x/settings', { access: 'public' })
  const b = route('b', '/users/:y')
  const [conflict] = checkRoutes([a, b])
  t.same(conflict?.routes, ['a', 'b'])
  t.match(conflict?.message, '/users/settings')
  t.same(checkRoutes([a, { ...b, access: 'public' }]), [], 'unless both ask the same')
  t.same(checkRoutes([a, b, route('c', '/users/settings')]), [], 'or a third decides')
  t.equal(
    checkRoutes([route('a', '/:x/*', { access: 'public' }), route('b', '/users/:y')]).length,
    0,
    'one contains the other',
  )
  t.equal(checkRoutes([route('a', '/:x/b', { access: 'public' }), route('b', '/a/*')]).length, 1)
  t.equal(checkRoutes([a, { ...b, hosts: ['other.example'] }]).length, 0, 'on other hosts they do not meet')
})

t.test('A02 the same access is the same in any order of its members', async (t) => {
  const one: AccessRule = [{ groups: ['a', 'b'] }, { scopes: ['s'] }]
  const other: AccessRule = [{ scopes: ['s'] }, { groups: ['b', 'a'] }]
  t.same(checkRoutes([route('a', '/:x/settings', { access: one }), route('b', '/users/:y', { access: other })]), [])
})

t.test('two routes for the same path and method are an error', async (t) => {
  t.equal(checkRoutes([route('a', '/x/*'), route('b', '/X/*')]).length, 1)
  t.equal(
    checkRoutes([route('a', '/x/:id', { methods: ['GET'] }), route('b', '/x/:name', { methods: ['GET', 'PUT'] })])
      .length,
    1,
  )
  t.equal(checkRoutes([route('a', '/x', { methods: ['GET'] }), route('b', '/x/', { methods: ['PUT'] })]).length, 0)
})

t.test('P29 a host is read in one way or not at all', async (t) => {
  const cases: readonly (readonly [string | undefined, string | null])[] = [
    ['App.Example', 'app.example'],
    ['app.example.', 'app.example'],
    ['app.example:8443', 'app.example'],
    ['app.example.:80', 'app.example'],
    ['[::1]:80', '[::1]'],
    ['127.0.0.1', '127.0.0.1'],
    [undefined, null],
    ['', null],
    ['a@b', null],
    ['a/b', null],
    ['a#b', null],
    ['a b', null],
    ['a,b', null],
    ['a..b', null],
    ['.a', null],
    ['a..', null],
    ['[::1%25eth0]', null],
    ['a:999999', null],
    ['a:b', null],
    ['x'.repeat(256), null],
  ]
  for (const [raw, expected] of cases) t.equal(parseHost(raw), expected, String(raw).slice(0, 30))
})

/** What the table should say, without any cleverness: all patterns that cover the path, compared segment by segment. */
function naive(routes: readonly RoutePattern[], path: string): string {
  const wanted = path.replace(/\/$/, '').split('/').slice(1)
  const rank = (pattern: string): string | null => {
    const below = pattern.endsWith('/*')
    const parts = (below ? pattern.slice(0, -2) : pattern.replace(/\/$/, '')).split('/').slice(1)
    if (below ? wanted.length < parts.length : wanted.length !== parts.length) return null
    if (!parts.every((part, at) => part.startsWith(':') || part === wanted[at])) return null
    // Literal before named before below; exact before below at the end.
    return parts.map((part) => (part.startsWith(':') ? 'b' : 'a')).join('') + (below ? 'z' : '')
  }
  const ranked = routes.flatMap(({ name, path: pattern }) => {
    const key = rank(pattern)
    return key === null ? [] : [{ name, key }]
  })
  return ranked.toSorted((one, other) => (one.key < other.key ? -1 : 1))[0]?.name ?? 'pathUnknown'
}

const segment = fc.constantFrom('a', 'b', ':x')
const pattern = fc
  .tuple(fc.array(segment, { maxLength: 3 }), fc.boolean())
  .map(([parts, below]) => (parts.length === 0 && !below ? '/' : `/${[...parts, ...(below ? ['*'] : [])].join('/')}`))
const path = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }).map((parts) => `/${parts.join('/')}`)

t.test('the table answers as a naive search through all patterns does', async (t) => {
  fc.assert(
    fc.property(fc.uniqueArray(pattern, { minLength: 1, maxLength: 6 }), path, (patterns, wanted) => {
      const routes = patterns.map((one) => route(one, one))
      if (checkRoutes(routes.map((one, at) => ({ ...one, access: [{ groups: [String(at)] }] }))).length > 0) return true
      return answer(routes, wanted) === naive(routes, wanted)
    }),
    { numRuns: 2_000 },
  )
  t.pass('2,000 sets of patterns')
})

t.test('A08 a path is no expression: what looks like one stands for itself', async (t) => {
  const routes = [route('a', '/(x+)+$'), route('b', '/[ab]'), route('c', '/a|b')]
  t.equal(answer(routes, `/${'x'.repeat(10_000)}!`), 'pathUnknown')
  t.equal(answer(routes, '/(x+)+$'), 'a')
  t.equal(answer(routes, '/a'), 'pathUnknown')
  t.equal(answer(routes, '/a|b'), 'c')
})

t.test(
  'routes are listed in the order in which they win: the first that covers a path is the one that decides',
  async (t) => {
    const segment = fc.constantFrom('a', 'b', ':x')
    const pattern = fc
      .tuple(fc.array(segment, { maxLength: 3 }), fc.boolean())
      .map(([segments, below]) => `/${segments.join('/')}${below ? (segments.length === 0 ? '*' : '/*') : ''}`)
    const path = fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 4 }).map((segments) => `/${segments.join('/')}`)
    const patterns = fc.uniqueArray(pattern, {
      minLength: 1,
      maxLength: 12,
      selector: (one) => one.replace(/:x/g, ':'),
    })
    fc.assert(
      fc.property(patterns, fc.array(path, { minLength: 5, maxLength: 10 }), (given, paths) => {
        const routes = given.map((one) => route(one, one))
        for (const asked of paths) {
          const first = byPrecedence(routes).find((one) => answer([one], asked) === one.name)
          t.equal(answer(routes, asked), first?.name ?? 'pathUnknown', `${asked} of ${given.join(' ')}`)
        }
      }),
      { numRuns: 60 },
    )
    const read = route('read', '/x', { methods: ['GET'] })
    t.same(
      byPrecedence([route('rest', '/x'), read]).map(({ name }) => name),
      ['read', 'rest'],
    )
  },
)
