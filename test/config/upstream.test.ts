import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createAuthority } from '../helpers/certificates.ts'
import { createWorkspace, minimalWith, type Values, type Workspace } from './workspace.ts'

const withUpstream = (upstream: unknown, more: Readonly<Record<string, unknown>> = {}): string =>
  minimalWith({ 'applications.wiki.upstream': upstream, ...more })

const upstreamOf = (workspace: Workspace, text: string, route = 0) =>
  workspace.load(text).settings.applications[0]?.routes[route]?.upstream

t.test('several addresses are a list of their own, and the nearest level says which', async (t) => {
  const workspace = createWorkspace(t)
  const urls = ['http://a.internal', 'http://b.internal:81/x', 'unix:/run/c.sock']
  t.match(upstreamOf(workspace, withUpstream({ urls, stick: 'session', resolve: 'all' })), {
    urls,
    stick: 'session',
    resolve: 'all',
  })
  const routes = { many: { path: '/many', upstream: { urls } }, one: { path: '/one', upstream: 'http://c.internal' } }
  const text = withUpstream('http://a.internal', { 'applications.wiki.routes': routes })
  t.same(upstreamOf(workspace, text, 1)?.urls, urls)
  t.same(upstreamOf(workspace, withUpstream({ urls }, { 'applications.wiki.routes': routes }), 2)?.urls, [
    'http://c.internal',
  ])
})

t.test('health and breaker are off or a map, with every default in place', async (t) => {
  const workspace = createWorkspace(t)
  const url = 'http://wiki.internal'
  t.match(upstreamOf(workspace, withUpstream({ url, health: { path: '/up' }, breaker: { failures: 3 } })), {
    health: { path: '/up', everySeconds: 10, timeoutSeconds: 2 },
    breaker: { failures: 3, openSeconds: 5 },
  })
  t.match(upstreamOf(workspace, withUpstream({ url, health: 'off', breaker: 'off' })), { health: null, breaker: null })
})

t.test('an application without an upstream is told once, and a route alone without one by itself', async (t) => {
  const workspace = createWorkspace(t)
  const routes = { a: { path: '/a', access: 'public' }, b: { path: '/b', access: 'public' } }
  const without = (more: object): string => minimalWith({ 'applications.wiki': { routes: { ...routes, ...more } } })
  t.match(workspace.faults(without({})), [/applications\.wiki: has no upstream/])
  t.match(workspace.faults(without({ a: { ...routes.a, upstream: 'http://a' } })), [
    /applications\.wiki\.routes\.b: has no upstream/,
  ])
})

const refused: readonly (readonly [string, Values, RegExp | readonly RegExp[]])[] = [
  [
    'url and urls at one place',
    { url: 'http://a', urls: ['http://b'] },
    /^\d+:7 .*upstream\.urls: must not be given beside url/,
  ],
  ['neither url nor urls', { responseSeconds: 5 }, /applications\.wiki: has no upstream/],
  ['an empty list of addresses', { urls: [] }, /upstream\.urls: must not be an empty list/],
  [
    'one of urls that is publicUrl',
    { urls: ['http://a', 'https://apps.example.com'] },
    /urls\[1\]: must not be publicUrl/,
  ],
  ['a socket that is named by half its path', { url: 'unix:run/app.sock' }, /must name the socket by its whole path/],
  ['a socket with something else behind it', { url: 'unix:/run/app.sock:wiki' }, /or have : and a path after it/],
  ['a socket with a path that goes up', { url: 'unix:/run/app.sock:/../x' }, /must not contain \. or \.\. segments/],
  ['a socket whose path no system takes', { url: `unix:/${'x'.repeat(110)}` }, /socket path longer than 103 bytes/],
  ['health without a path', { url: 'http://a', health: { everySeconds: 5 } }, /upstream\.health: has no path/],
  [
    'a health path without a slash',
    { url: 'http://a', health: { path: 'up' } },
    /health\.path: must be a path such as/,
  ],
  ['breaker as another word', { url: 'http://a', breaker: 'never' }, /upstream\.breaker: must be off, or a map of/],
  ['TLS for an address without it', { url: 'http://a', serverName: 'b' }, /serverName: does nothing here/],
  ['an IP address as serverName', { url: 'https://a', serverName: '10.0.0.1' }, /serverName: must be a name/],
  [
    'another word for the risk',
    { url: 'https://a', insecureSkipVerify: true },
    /insecureSkipVerify: must be i-accept-the-risk/,
  ],
  [
    'a file that is not there',
    { url: 'https://a', caFile: 'none.pem' },
    /^\d+:\d+ .*caFile: file \/.*none\.pem does not exist/,
  ],
  ['a certificate without its key', { url: 'https://a', certFile: 'gateway.crt' }, /certFile: needs keyFile/],
  ['a key without its certificate', { url: 'https://a', keyFile: 'gateway.key' }, /keyFile: needs certFile/],
  [
    'the key of another certificate',
    { url: 'https://a', certFile: 'gateway.crt', keyFile: 'other.key' },
    /keyFile: file \/.*other\.key is not the private key of certFile/,
  ],
  [
    'files that hold something else',
    { url: 'https://a', caFile: 'session-key', certFile: 'gateway.key', keyFile: 'gateway.crt' },
    [
      /caFile: .* holds no certificate in PEM/,
      /certFile: .* holds no certificate in PEM/,
      /keyFile: .* holds no private key in PEM/,
    ],
  ],
  [
    'caFile beside insecureSkipVerify',
    { url: 'https://a', caFile: 'ca.pem', insecureSkipVerify: 'i-accept-the-risk' },
    /insecureSkipVerify: must not be given beside caFile/,
  ],
]

t.test('what cannot be is refused in its place', async (t) => {
  const workspace = withCertificates(t)
  for (const [title, upstream, messages] of refused) {
    const expected = Array.isArray(messages) ? messages : [messages]
    t.match(workspace.faults(withUpstream(upstream)), expected, title)
    t.equal(workspace.faults(withUpstream(upstream)).length, expected.length, title)
  }
})

function withCertificates(t: { teardown(fn: () => unknown): unknown }): Workspace {
  const workspace = createWorkspace(t)
  const { ca, issue } = createAuthority(t)
  const [own, other] = [issue('gateway', { names: 'DNS:gateway' }), issue('other', { names: 'DNS:other' })]
  workspace.write('ca.pem', ca)
  workspace.write('gateway.crt', readFileSync(own.certFile, 'utf8'))
  workspace.write('gateway.key', readFileSync(own.keyFile, 'utf8'))
  workspace.write('other.key', readFileSync(other.keyFile, 'utf8'))
  return workspace
}

t.test('TLS files are named from the folder of the settings', async (t) => {
  const workspace = withCertificates(t)
  const upstream = { url: 'https://wiki.internal', caFile: 'ca.pem', certFile: 'gateway.crt', keyFile: 'gateway.key' }
  t.match(upstreamOf(workspace, withUpstream(upstream)), {
    caFile: join(workspace.folder, 'ca.pem'),
    certFile: join(workspace.folder, 'gateway.crt'),
    keyFile: join(workspace.folder, 'gateway.key'),
    insecureSkipVerify: false,
  })
  t.same(workspace.warnings(withUpstream(upstream)), [])
  chmodSync(join(workspace.folder, 'gateway.key'), 0o644)
  t.match(workspace.warnings(withUpstream(upstream)), [/keyFile: file .* can be read by everybody/])
  chmodSync(join(workspace.folder, 'gateway.key'), 0o666)
  t.match(workspace.faults(withUpstream(upstream)), [/keyFile: file .* can be written by its group or by everybody/])
})

t.test('TLS settings in defaults are for the applications that they fit', async (t) => {
  const text = withUpstream('http://a.internal', { 'defaults.upstream': { caFile: 'ca.pem' } })
  t.same(withCertificates(t).faults(text), [])
})

t.test('whoever verifies nothing is warned', async (t) => {
  const upstream = { url: 'https://wiki.internal', insecureSkipVerify: 'i-accept-the-risk' }
  const workspace = createWorkspace(t)
  t.match(workspace.warnings(withUpstream(upstream)), [/insecureSkipVerify: lets anybody between/])
  t.equal(upstreamOf(workspace, withUpstream(upstream))?.insecureSkipVerify, true)
})
