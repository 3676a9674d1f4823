import { copyFileSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { createServer, type ServerOptions } from 'node:https'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import t from 'tap'
import { createUpstreams, upstreamFault, type UpstreamsOptions } from '../../src/adapters/upstreams.ts'
import { createAuthority, type Authority, type CertificateFiles } from '../helpers/certificates.ts'
import { createClock } from '../helpers/clock.ts'
import { ask, upstreamTarget } from '../helpers/upstream-visitor.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** An https application; answers with the name that TLS was asked for and the client certificate's common name. */
async function application(t: Teardown, { certFile, keyFile }: CertificateFiles, more: ServerOptions = {}) {
  const server = createServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile), ...more },
    (request, response) => {
      const { servername } = request.socket as TLSSocket & { servername?: string | false }
      const shown = (request.socket as TLSSocket).getPeerCertificate().subject?.CN
      response.end(`${servername} ${shown}`)
    },
  )
  server.on('tlsClientError', () => undefined)
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { port, url: `https://localhost:${port}` }
}

function upstreamsFor(t: Teardown, options: UpstreamsOptions = {}) {
  const upstreams = createUpstreams(options)
  t.teardown(async () => upstreams.destroy())
  return upstreams
}

/** How undici's error for a certificate is told to people: never as anything else, and never with a body. */
async function refused(asked: Promise<unknown>): Promise<unknown> {
  return asked.then(
    () => 'accepted',
    (error: unknown) => upstreamFault(error),
  )
}

const CERTIFICATE_FAULT = { code: 'GW_UPSTREAM_UNREACHABLE', reason: 'certificate' } as const

t.test(
  'an application whose certificate comes from caFile is trusted; the Host header moves neither name nor connection',
  async (t) => {
    const { caFile, issue } = createAuthority(t)
    const { url } = await application(t, issue('app', { names: 'DNS:localhost' }))
    const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], caFile }))
    t.match(await ask(upstream, { headers: ['host', 'apps.example.com'] }), { status: 200, body: /^localhost / })
    t.match(await ask(upstream, { headers: ['host', 'other.example.com'] }), { reused: true, body: /^localhost / })
  },
)

t.test('an authority that nobody named, another name and a certificate that has expired are refused', async (t) => {
  const [authority, stranger] = [createAuthority(t), createAuthority(t)]
  const { caFile } = authority
  const ask1 = async (certificate: CertificateFiles, more: object): Promise<unknown> => {
    const { url } = await application(t, certificate)
    return refused(ask(upstreamsFor(t).of(upstreamTarget({ urls: [url], ...more }))))
  }
  t.same(
    await ask1(authority.issue('own', { names: 'DNS:localhost' }), {}),
    CERTIFICATE_FAULT,
    "not one of the system's",
  )
  t.same(await ask1(stranger.issue('other', { names: 'DNS:localhost' }), { caFile }), CERTIFICATE_FAULT)
  t.same(await ask1(authority.issue('name', { names: 'DNS:wiki.internal' }), { caFile }), CERTIFICATE_FAULT)
  t.same(await ask1(authority.issue('old', { names: 'DNS:localhost', days: -1 }), { caFile }), CERTIFICATE_FAULT)
})

t.test('serverName is the name to ask for and to find', async (t) => {
  const { caFile, issue } = createAuthority(t)
  const { port, url } = await application(t, issue('app', { names: 'DNS:wiki.internal' }))
  const upstreams = upstreamsFor(t)
  const named = upstreams.of(upstreamTarget({ urls: [url], caFile, serverName: 'wiki.internal' }))
  t.match(await ask(named), { body: /^wiki\.internal / })
  const wrong = upstreams.of(upstreamTarget({ urls: [url], caFile, serverName: 'shop.internal' }))
  t.same(await refused(ask(wrong)), CERTIFICATE_FAULT)
  const byAddress = upstreams.of(
    upstreamTarget({ urls: [`https://127.0.0.1:${port}`], caFile, serverName: 'wiki.internal' }),
  )
  t.match(await ask(byAddress), { body: /^wiki\.internal / })
})

t.test('an application known by its IP address is held to it, and no name is asked for', async (t) => {
  const { caFile, issue } = createAuthority(t)
  const upstreams = upstreamsFor(t)
  const { port } = await application(t, issue('app', { names: 'IP:127.0.0.1' }))
  const upstream = upstreams.of(upstreamTarget({ urls: [`https://127.0.0.1:${port}`], caFile }))
  t.match(await ask(upstream, { headers: ['host', 'localhost'] }), { body: /^false / })
  const other = await application(t, issue('other', { names: 'DNS:localhost,IP:127.0.0.2' }))
  const wrong = upstreams.of(upstreamTarget({ urls: [`https://127.0.0.1:${other.port}`], caFile }))
  t.same(await refused(ask(wrong, { headers: ['host', 'localhost'] })), CERTIFICATE_FAULT)
})

t.test('with resolve: all the name is asked for and found at each of its addresses', async (t) => {
  const { caFile, issue } = createAuthority(t)
  const { port } = await application(t, issue('app', { names: 'DNS:wiki.internal' }))
  const upstreams = upstreamsFor(t, {
    lookup: (_hostname, _options, callback) => callback(null, [{ address: '127.0.0.1', family: 4 }]),
  })
  const upstream = upstreams.of(upstreamTarget({ urls: [`https://wiki.internal:${port}`], caFile, resolve: 'all' }))
  t.match(await ask(upstream), { body: /^wiki\.internal / })
})

t.test('insecureSkipVerify trusts any certificate', async (t) => {
  const { url } = await application(t, createAuthority(t).issue('app', { names: 'DNS:elsewhere', days: -1 }))
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], insecureSkipVerify: true }))
  t.match(await ask(upstream), { status: 200 })
})

t.test('an application that wants a certificate of the gateway gets it', async (t) => {
  const { caFile, ca, issue } = createAuthority(t)
  const mutual = { requestCert: true, rejectUnauthorized: true, ca }
  const { url } = await application(t, issue('app', { names: 'DNS:localhost' }), mutual)
  const upstreams = upstreamsFor(t)
  const shown = issue('gateway', { names: 'DNS:gateway.internal' })
  t.match(await ask(upstreams.of(upstreamTarget({ urls: [url], caFile, ...shown }))), { body: 'localhost gateway' })
  await t.rejects(ask(upstreams.of(upstreamTarget({ urls: [url], caFile }))))
})

function rotate({ folder }: Authority, to: CertificateFiles, at: CertificateFiles): void {
  copyFileSync(to.certFile, at.certFile)
  copyFileSync(to.keyFile, at.keyFile)
  utimesSync(join(folder, 'gateway.crt'), new Date(), new Date())
}

t.test(
  'files that change are read again for new connections; while they cannot be used, the old ones stay',
  async (t) => {
    const authority = createAuthority(t)
    const { caFile, ca, issue } = authority
    const mutual = { requestCert: true, rejectUnauthorized: true, ca }
    const { url } = await application(t, issue('app', { names: 'DNS:localhost' }), mutual)
    const shown = issue('gateway', { names: 'DNS:gateway.internal' })
    const clock = createClock()
    const events: unknown[] = []
    const upstream = upstreamsFor(t, { now: clock.now, onEvent: (event) => events.push(event) }).of(
      upstreamTarget({ urls: [url], caFile, ...shown }),
    )
    const askAnew = async (): Promise<string> => {
      clock.advance(300)
      const { body, reused } = await ask(upstream, { reset: true })
      t.equal(reused, false)
      return body
    }
    t.equal(await askAnew(), 'localhost gateway')
    writeFileSync(shown.certFile, 'half written')
    t.equal(await askAnew(), 'localhost gateway')
    t.match(events, [{ kind: 'tls_files_unusable', upstream: url.slice('https://'.length) }])
    await askAnew()
    t.equal(events.length, 1, 'said once for each change')
    rotate(authority, issue('renewed', { names: 'DNS:gateway.internal' }), shown)
    t.equal(await askAnew(), 'localhost renewed')
    t.equal(events.length, 1)
  },
)

t.test('RL29 connecting takes no longer than connectSeconds, TLS included', async (t) => {
  const server = createTcpServer((socket) => socket.on('error', () => undefined))
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => server.close())
  const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
  const upstream = upstreamsFor(t).of(upstreamTarget({ urls: [url], connectSeconds: 0.05 }))
  t.same(await refused(ask(upstream)), { code: 'GW_UPSTREAM_TIMEOUT', reason: 'timeout' })
})

t.test('files that cannot be used at the start stop it', async (t) => {
  const { folder } = createAuthority(t)
  const target = upstreamTarget({ urls: ['https://localhost'], caFile: join(folder, 'none.pem') })
  t.throws(() => createUpstreams({ targets: [target] }), { code: 'ENOENT' })
})

t.test('health checks verify the certificate too', async (t) => {
  const { caFile, issue } = createAuthority(t)
  const { url } = await application(t, issue('app', { names: 'DNS:elsewhere' }))
  const health = { path: '/', everySeconds: 0.02, timeoutSeconds: 1 }
  const unhealthy = await new Promise((resolve) => {
    upstreamsFor(t, {
      targets: [upstreamTarget({ urls: [url], caFile, health })],
      onEvent: resolve,
    })
  })
  t.match(unhealthy, { kind: 'address_unhealthy' })
})
