import { spawn } from 'node:child_process'
import { copyFileSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectPlain, type AddressInfo } from 'node:net'
import { dirname, join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import t from 'tap'
import { makeCertificate } from './helpers/certificates.ts'
import { ask, connectHttp2 } from './helpers/http2.ts'
import { root } from './helpers/process.ts'
import { until } from './helpers/until.ts'
import { startWorld, type World } from './helpers/world.ts'

t.test('with a certificate the listener serves https by itself, sign-in included', async (t) => {
  const { url, client, application } = await startWorld(t, { tls: true })
  const browser = client()
  const page = await browser.signIn(`${url}/page`)
  t.equal(page.status, 200)
  t.equal(application.last().headers['x-forwarded-proto'], 'https')
  t.equal(application.last().headers['x-forwarded-email'], 'alice@example.com')
})

t.test('TLS 1.2 and 1.3 are spoken, older versions and weak ciphers are not', async (t) => {
  const { port, metrics } = await startWorld(t, { tls: true })
  const handshake = async (options: object): Promise<string> =>
    new Promise((resolve) => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => {
        resolve(socket.getProtocol() ?? '')
        socket.destroy()
      })
      socket.on('error', () => resolve('refused'))
    })
  t.equal(await handshake({}), 'TLSv1.3')
  t.equal(await handshake({ maxVersion: 'TLSv1.2' }), 'TLSv1.2')
  t.equal(await handshake({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }), 'refused')
  t.equal(await handshake({ maxVersion: 'TLSv1.2', ciphers: 'AES128-SHA' }), 'refused')
  t.match(await metrics(), /connections_refused_total\{reason="tls_handshake"\} 2/)
})

t.test('HTTP/2 is offered beside HTTP/1.1 only where the settings say so', async (t) => {
  const agreed = async (world: World, protocols: string[]): Promise<string | false | null> =>
    new Promise((resolve, reject) => {
      const socket = connectTls(
        { port: world.port, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: protocols },
        () => {
          resolve(socket.alpnProtocol)
          socket.destroy()
        },
      )
      socket.on('error', reject)
    })
  const without = await startWorld(t, { tls: true })
  t.equal(await agreed(without, ['h2', 'http/1.1']), 'http/1.1')
  const with2 = await startWorld(t, { tls: true, listen: { http2: true } })
  t.equal(await agreed(with2, ['h2', 'http/1.1']), 'h2')
  t.equal(await agreed(with2, ['http/1.1']), 'http/1.1')
  t.equal((await with2.client().ask(`${with2.url}/public/x`)).status, 200, 'and HTTP/1.1 works')
})

t.test('the journey over HTTP/2 is the one over HTTP/1.1: sign-in, rules, headers, bodies', async (t) => {
  const world = await startWorld(t, { tls: true, listen: { http2: true } })
  const { url, application } = world
  const browser = world.client()
  await browser.signIn(`${url}/`)
  const cookie = `__Host-gateway=${browser.jarOf(new URL(url).host).get('__Host-gateway')}`
  const session = await connectHttp2(t, url, world.certificate?.cert ?? '')

  const anonymous = await ask(session, { ':path': '/page' })
  t.equal(anonymous.status, 401)
  t.equal(anonymous.headers['x-gateway-code'], 'GW_SIGN_IN_REQUIRED')
  t.equal((await ask(session, { ':path': '/a/../b' })).status, 400)
  t.equal((await ask(session, { ':path': '/page', ':authority': 'other.example' })).status, 421)
  const reached = application.seen.length

  const page = await ask(session, { ':path': '/page?q=1', cookie })
  t.equal(page.status, 200)
  t.equal(page.headers['cache-control'], 'private, no-cache')
  t.equal(application.seen.length, reached + 1)
  const { headers, rawHeaders } = application.last()
  t.equal(application.last().url, '/page?q=1')
  t.equal(headers.host, new URL(url).host)
  t.equal(headers['x-forwarded-email'], 'alice@example.com')
  t.equal(headers['x-forwarded-for'], '127.0.0.1')
  t.notMatch(rawHeaders.filter((_, at) => at % 2 === 0).join(' '), /:|__host/i, 'no pseudo header')

  const sized = await ask(session, { ':path': '/public/x', ':method': 'POST', 'content-length': 3 }, 'abc')
  t.equal(sized.status, 200)
  t.equal(application.last().body.toString(), 'abc')
  await ask(session, { ':path': '/public/x', ':method': 'POST' }, 'of no stated length')
  t.equal(application.last().body.toString(), 'of no stated length')
  t.equal((await ask(session, { ':path': '/public/x', ':method': 'HEAD' })).text, '')
  t.equal((await ask(session, { ':path': '/oauth2/ping', ':authority': 'any.example' })).text, 'ok')
  t.match(world.log.join(''), /"client":"127\.0\.0\.1"/)
  t.notMatch(world.log.filter((line) => line.includes('"request"')).join(''), /"client":""/)
})

t.test('RL01 over HTTP/2 an answer that breaks off is reset, and never looks complete', async (t) => {
  const world = await startWorld(t, {
    tls: true,
    listen: { http2: true },
    answer: (_request, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 })
      response.write('x'.repeat(1_000), () => response.destroy())
    },
  })
  const session = await connectHttp2(t, world.url, world.certificate?.cert ?? '')
  await t.rejects(ask(session, { ':path': '/public/x' }), { code: 'ERR_HTTP2_STREAM_ERROR' })
})

t.test('answers over HTTP/2 keep every cookie, and have no header of a connection', async (t) => {
  const world = await startWorld(t, {
    tls: true,
    listen: { http2: true },
    answer: (_request, response) => {
      response.writeHead(200, 'Fine', ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Constructor', 'x', 'Keep-Alive', 'x'])
      response.end('ok')
    },
  })
  const session = await connectHttp2(t, world.url, world.certificate?.cert ?? '')
  const answer = await ask(session, { ':path': '/public/x' })
  t.same(answer.headers['set-cookie'], ['a=1', 'b=2'])
  t.ok(Object.hasOwn(answer.headers, 'constructor'))
  t.equal(answer.headers['keep-alive'], undefined)
  t.equal(answer.text, 'ok')
})

t.test('a drain asks clients of HTTP/2 to go elsewhere, and finishes what is under way', async (t) => {
  let finish: (() => void) | undefined
  let arrived: (() => void) | undefined
  const asked = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const world = await startWorld(t, {
    tls: true,
    listen: { http2: true },
    settings: { shutdown: { drainDelaySeconds: 1, shutdownTimeoutSeconds: 5 } },
    answer: (request, response) => {
      if (request.url === '/public/quick') {
        response.end('ok')
        return
      }
      finish = () => response.end('late')
      arrived?.()
    },
  })
  const session = await connectHttp2(t, world.url, world.certificate?.cert ?? '')
  const goaway = new Promise((resolve) => session.once('goaway', resolve))
  const slow = ask(session, { ':path': '/public/slow' })
  await asked
  const drained = world.gateway.drain()
  const quick = await ask(session, { ':path': '/public/quick' })
  t.equal(quick.text, 'ok', 'served while it drains')
  t.equal(await goaway, 0)
  finish?.()
  t.equal((await slow).text, 'late')
  await drained
})

t.test('RL22 a new certificate is used by new connections, a bad one never, without a restart', async (t) => {
  const world = await startWorld(t, { tls: true, listen: { http2: true } })
  const folder = dirname(world.settingsFile)
  const shown = async (): Promise<string> =>
    new Promise((resolve, reject) => {
      const socket = connectTls({ port: world.port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerX509Certificate()?.serialNumber ?? '')
        socket.destroy()
      })
      socket.on('error', reject)
    })
  const logged = async (event: string): Promise<void> => until(() => world.log.some((line) => line.includes(event)))
  const first = await shown()
  t.match(await world.metrics(), /certificate_expiry_timestamp_seconds\{name="listener"\} \d+/)
  const open = await connectHttp2(t, world.url, world.certificate?.cert ?? '')

  const next = makeCertificate(folder, 'next', 30)
  copyFileSync(next.certFile, join(folder, 'tls.crt'))
  await logged('certificate_refused')
  t.equal(await shown(), first, 'a certificate without its key: the old pair goes on')
  // As Kubernetes mounts secrets: a link that is swapped.
  symlinkSync(next.keyFile, join(folder, 'swap'))
  renameSync(join(folder, 'swap'), join(folder, 'tls.key'))
  await logged('certificate_renewed')
  t.not(await shown(), first)
  t.equal((await ask(open, { ':path': '/public/x' })).status, 200, 'connections from before go on')
  const metrics = await world.metrics()
  t.match(metrics, /config_reloads_total\{result="refused"\} 1/)
  t.match(metrics, /config_reloads_total\{result="applied"\} 1/)
  t.notMatch(world.log.join(''), /PRIVATE/)
})

t.test('D01 who connects and says too little is closed, and others are served meanwhile', async (t) => {
  const world = await startWorld(t, { listen: { headersTimeoutSeconds: 1 } })
  const slow = connectPlain(world.port, '127.0.0.1')
  slow.on('error', () => undefined)
  let received = ''
  slow.on('data', (data) => (received += data.toString()))
  const dripping = setInterval(() => slow.write('a'), 200)
  t.teardown(() => clearInterval(dripping))
  slow.write('GET / HTTP/1.1\r\nX-A: ')
  t.equal((await world.client().ask(`${world.url}/public/x`)).status, 200)
  await new Promise((resolve) => slow.once('close', resolve))
  t.match(received, /^HTTP\/1\.1 408/)
})

t.test('RL25 without file descriptors left the gateway loses connections, never its life', async (t) => {
  const world = await startWorld(t)
  await world.gateway.close()
  const application = createServer((_request, response) => response.end('ok'))
  await new Promise<void>((resolve) => application.listen(0, '127.0.0.1', resolve))
  t.teardown(() => application.close())
  const settings = JSON.parse(readFileSync(world.settingsFile, 'utf8'))
  settings.applications.sample.upstream = `http://127.0.0.1:${(application.address() as AddressInfo).port}`
  writeFileSync(world.settingsFile, JSON.stringify(settings))

  const child = spawn('sh', [
    '-c',
    'ulimit -n 256; exec "$0" "$@"',
    process.execPath,
    join(root, 'dist/main.js'),
    'serve',
    '--config',
    world.settingsFile,
  ])
  let out = ''
  t.teardown(() => child.kill('SIGKILL'))
  child.stdout.on('data', (data: Buffer) => (out += data.toString()))
  while (!out.includes('"listening"')) await new Promise((resolve) => child.stdout.once('data', resolve))
  let lost = 0
  const sockets = Array.from({ length: 400 }, () => connectPlain(world.port, '127.0.0.1'))
  await new Promise<void>((resolve) => {
    for (const socket of sockets) {
      socket.on('error', () => undefined)
      socket.on('close', () => (lost += 1) === 100 && resolve())
    }
  })
  t.equal(child.exitCode, null, 'it lives on')
  for (const socket of sockets) socket.destroy()
  let status = 0
  while (status !== 200) {
    status = await fetch(`${world.url}/public/x`).then(
      (answer) => answer.status,
      () => 0,
    )
  }
  t.equal(status, 200, 'and serves again')
})
