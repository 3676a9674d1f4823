import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { installedProxies, type InstalledProxy } from '../helpers/asking-proxies.ts'
import type { Client } from '../helpers/client.ts'
import { namesNobodySays } from '../helpers/reserved-names.ts'
import { startProgram } from '../helpers/program.ts'
import { askedBy, machineToken } from '../helpers/questions.ts'
import { startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { openBytes, openWebSocket, startEchoApplication } from '../helpers/web-socket.ts'
import { freePort, startWorld, type World } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const ALICE = { email: 'alice@example.com', email_verified: 'true' }
/** More than one cookie holds. */
const MANY_GROUPS = Array.from({ length: 90 }, () => randomBytes(18).toString('base64url'))

/** A gateway that the proxy asks, and the proxy at the public address, in front of the application. */
async function startBehind(t: Teardown, proxy: InstalledProxy, application?: number): Promise<World> {
  const person = (groups: string[]) => ({ password: 'Passw0rd!', groups, attributes: ALICE })
  const users = { alice: person(['admins', 'ops']), bob: person([]), carol: person(MANY_GROUPS) }
  const world = await startWorld(t, { settings: askedBy(proxy.name), listen: { port: 0 }, pool: { users } })
  await proxy.start(t, {
    public: world.port,
    gateway: world.gateway.port,
    forwardAuth: world.gateway.forwardAuthPort ?? 0,
    application: application ?? world.application.port,
  })
  return world
}

const FORGED = {
  ...Object.fromEntries(namesNobodySays.map((name) => [name, 'mallory'])),
  'X-Forwarded-User': 'mallory',
  'X-Forwarded-Email': 'mallory@x',
  'X-Forwarded-Groups': 'admins',
  'X-Forwarded-Preferred-Username': 'mallory',
  X_Forwarded_Email: 'mallory@x',
  'Remote-User': 'mallory',
  'X-Auth-Request-User': 'mallory',
  'X-Amzn-Oidc-Data': 'mallory',
  'X-Original-URL': '/public/mallory',
  'X-Gateway-Jwt-Assertion': 'mallory',
}

const cookiesOf = (browser: Client, { url }: World) => browser.jarOf(new URL(url).host)

for (const proxy of installedProxies) {
  t.test(
    `${proxy.name} lets in whom the gateway permits, by our example of its configuration`,
    { skip: proxy.skip },
    async (t) => {
      const world = await startBehind(t, proxy)
      const { url, port, application, clock } = world
      const browser = world.client()

      await t.test('people sign in through it, and the application learns who they are', async (t) => {
        const landed = await browser.signIn(`${url}/page?x=%20y&z=1`)
        t.equal(landed.status, 200)
        t.equal(application.last().url, '/page?x=%20y&z=1')
        t.match(application.last().headers, {
          'x-forwarded-email': 'alice@example.com',
          'x-forwarded-groups': 'admins,ops',
          host: new URL(url).host,
        })
        t.match(application.last().headers['x-forwarded-user'], /^[\w-]{20,}$/)
      })

      await t.test(
        'H01 H03 H15 forged headers and cookies of ours do not get through, on public routes neither',
        async (t) => {
          cookiesOf(browser, world).set('theme', 'dark')
          await browser.ask(`${url}/page`, { headers: FORGED })
          t.notMatch(application.last().rawHeaders.join('\n'), /mallory|__Host-gateway/)
          t.equal(application.last().headers.cookie, 'theme=dark')
          t.equal(application.last().headers['x-forwarded-email'], 'alice@example.com')
          const stranger = await world.client().ask(`${url}/public/x`, { headers: FORGED })
          t.equal(stranger.status, 200)
          t.notMatch(application.last().rawHeaders.join('\n'), /mallory/)
          t.equal(application.last().url, '/public/x')
        },
      )

      await t.test(
        'H10 H11 a client cannot take headers of the gateway away by calling them its connection’s',
        async (t) => {
          const cookie = [...cookiesOf(browser, world)].map(([name, value]) => `${name}=${value}`).join('; ')
          const lines = ['GET /page HTTP/1.1', `Host: localhost:${port}`, `Cookie: ${cookie}`]
          const named = 'Connection: close, X-Forwarded-User, X-Forwarded-Email, X-Forwarded-Groups'
          t.equal((await sendRaw(port, [...lines, named, '', ''].join('\r\n'))).status, 200)
          t.match(application.last().headers, {
            'x-forwarded-email': 'alice@example.com',
            'x-forwarded-groups': 'admins,ops',
          })
          t.notMatch(application.last().headers.connection ?? '', /x-forwarded/i, 'nor at the next hop')
        },
      )

      await t.test('H02 the host that is asked about is the one that the application gets', async (t) => {
        const before = application.seen.length
        const lines = [`GET http://localhost:${port}/public/x HTTP/1.1`, 'Host: evil.example', '', '']
        const { status } = await sendRaw(port, lines.join('\r\n'))
        if (status === 200) t.notMatch(application.last().rawHeaders.join('\n'), /evil/)
        else t.equal(application.seen.length, before)
      })

      await t.test(
        'a method that a header names must be permitted too, because the proxy leaves that header',
        async (t) => {
          const before = application.seen.length
          const named = { 'x-http-method-override': 'POST' }
          t.ok((await world.client().ask(`${url}/api/orders/1`, { headers: named })).status >= 400)
          const authorization = `Bearer ${await machineToken(world)}`
          t.equal(
            (await world.client().ask(`${url}/api/orders/1`, { headers: { authorization, ...named } })).status,
            403,
          )
          t.equal(application.seen.length, before)
        },
      )

      await t.test('who may not pass does not reach the application', async (t) => {
        const before = application.seen.length
        const bob = world.client()
        await bob.signIn(`${url}/oauth2/start?rd=/admin/x`, 'bob')
        t.equal((await bob.ask(`${url}/admin/x`)).status, 403)
        const page = await bob.ask(`${url}/admin/x`, { headers: { accept: 'text/html' } })
        t.equal(page.status, 403)
        t.match(page.header('content-type'), 'text/html')
        t.match(
          page.text,
          /Sign in as someone else|href="\/oauth2\/sign_out".* to sign in as someone else/,
          'a way out',
        )
        t.equal(page.header('x-gateway-code'), 'GW_FORBIDDEN')
        const program = await world.client().ask(`${url}/api/orders/1`)
        t.equal(program.status, 401)
        t.match(program.header('www-authenticate'), 'Bearer')
        const cookie = [...cookiesOf(browser, world)].map(([name, value]) => `${name}=${value}`).join('; ')
        for (const path of ['/public/..%2fadmin/x', '/public/%2e%2e/admin/x', '/public//x', '/public/;/../admin'])
          t.ok((await sendRaw(port, `GET ${path} HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`)).status >= 400, path)
        const evil = { origin: 'https://evil.example' }
        t.equal((await browser.ask(`${url}/form`, { method: 'POST', headers: evil, body: 'a=1' })).status, 403)
        const upgrade = [
          'Connection: Upgrade',
          'Upgrade: websocket',
          'Sec-WebSocket-Version: 13',
          'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        ]
        const lines = [`GET /ws HTTP/1.1`, `Host: localhost:${port}`, `Cookie: ${cookie}`, ...upgrade]
        t.equal((await sendRaw(port, [...lines, 'Origin: https://evil.example', '', ''].join('\r\n'))).status, 403)
        t.equal(application.seen.length, before)
      })

      await t.test('bodies go to the application, and machines pass by their tokens', async (t) => {
        const posted = await browser.ask(`${url}/form`, { method: 'POST', headers: { origin: url }, body: 'a=1&b=2' })
        t.equal(posted.status, 200)
        t.equal(application.last().body.toString(), 'a=1&b=2')
        const authorization = `Bearer ${await machineToken(world)}`
        t.equal((await world.client().ask(`${url}/api/orders/1`, { headers: { authorization } })).status, 200)
        t.equal(application.last().headers['x-forwarded-user'], 'orders-batch')
        t.notOk(application.last().headers.authorization, 'and the token goes no further')
        const broken = await world
          .client()
          .ask(`${url}/api/orders/1`, { headers: { authorization: `${authorization}x` } })
        t.equal(broken.status, 401)
      })

      await t.test('a renewed session reaches the browser, and a sign-out ends it', async (t) => {
        clock.advance(310)
        const before = cookiesOf(browser, world).get('__Host-gateway')
        const renewed = await browser.ask(`${url}/page`)
        t.equal(renewed.status, 200)
        t.match([renewed.headers['set-cookie']].flat().join('\n'), /^__Host-gateway=[^;]+;.*HttpOnly/i)
        t.not(cookiesOf(browser, world).get('__Host-gateway'), before)
        t.equal((await browser.ask(`${url}/page`)).header('set-cookie'), undefined)
        await browser.submit(await browser.visit(`${url}/oauth2/sign_out`), {})
        const gone = await browser.ask(`${url}/page`, { headers: { accept: 'text/html' } })
        t.equal(gone.status, 302)
        t.match(gone.header('location'), `${url}/oauth2/start?rd=%2Fpage`)
      })

      await t.test('a session that fills two cookies comes back in both', async (t) => {
        const carol = world.client()
        t.equal((await carol.signIn(`${url}/page`, 'carol')).status, 200)
        clock.advance(310)
        const renewed = await carol.ask(`${url}/page`)
        t.equal(renewed.status, 200)
        const names = [renewed.headers['set-cookie'] ?? []].flat().map((cookie) => cookie.split('=', 1)[0])
        t.same(names, ['__Host-gateway', '__Host-gateway.1'])
        t.equal((await carol.ask(`${url}/page`)).status, 200)
      })

      await t.test('while the gateway is away nobody is let in', async (t) => {
        const before = application.seen.length
        await world.gateway.close()
        t.ok((await world.client().ask(`${url}/public/x`)).status >= 500)
        t.equal(application.seen.length, before)
      })
    },
  )
}

const KEY = ['Sec-WebSocket-Version: 13', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==']
/** Every way to ask for something else than HTTP/1.1 that is no WebSocket, or none that the gateway would let pass itself. */
const ELSE: Readonly<Record<string, readonly string[]>> = {
  h2c: ['Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA', 'Connection: Upgrade, HTTP2-Settings'],
  'h2c without settings': ['Upgrade: h2c', 'Connection: Upgrade'],
  'a protocol of one’s own': ['Upgrade: tunnel/1', 'Connection: Upgrade'],
  'a WebSocket without a key': ['Upgrade: websocket', 'Connection: Upgrade'],
  'a WebSocket of no version': ['Upgrade: websocket', 'Connection: Upgrade', ...KEY.slice(1)],
  'h2c with a key': ['Upgrade: h2c', 'Connection: Upgrade', ...KEY],
  'either of two': ['Upgrade: websocket, h2c', 'Connection: Upgrade', ...KEY],
  'one and the other': ['Upgrade: h2c', 'Upgrade: websocket', 'Connection: Upgrade', ...KEY],
  'the other and one': ['Upgrade: websocket', 'Upgrade: h2c', 'Connection: Upgrade', ...KEY],
}

for (const proxy of installedProxies) {
  t.test(
    `F24 behind ${proxy.name} nobody leaves HTTP for anything but a WebSocket that the gateway was asked about`,
    { skip: proxy.skip },
    async (t) => {
      // It changes to whatever is asked for.
      const changedTo: string[] = []
      const application = await startRawApplication(t, (socket, request) => {
        const wanted = [...request.matchAll(/^upgrade: *(\S.*)\r$/gim)].map(([, protocol]) => protocol)
        if (wanted.length > 0) changedTo.push(wanted.join(' and '))
        socket.write(
          wanted.length === 0
            ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nplain'
            : `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${wanted[0]}\r\n\r\n`,
        )
      })
      const { port } = await startBehind(t, proxy, Number(new URL(application.url).port))
      for (const [what, headers] of Object.entries(ELSE)) {
        changedTo.length = 0
        const { socket, received } = openBytes(t, port)
        socket.write(['GET /public/x HTTP/1.1', `Host: localhost:${port}`, ...headers, '', ''].join('\r\n'))
        await until(() => received().includes('\r\n\r\n'))
        // Of two protocols the proxy may choose the one that the gateway was asked about.
        const fine = headers.includes('Upgrade: websocket') && headers.includes('Upgrade: h2c') ? ['websocket'] : []
        t.ok(
          changedTo.every((protocol) => fine.includes(protocol)),
          `${what}: ${changedTo.join()}`,
        )
        if (changedTo.length === 0) t.notMatch(received(), /^HTTP\/1.1 101/, what)
      }
    },
  )

  t.test(`a WebSocket passes ${proxy.name}`, { skip: proxy.skip }, async (t) => {
    const application = await startEchoApplication(t)
    const { url } = await startBehind(t, proxy, Number(new URL(application.url).port))
    const socket = await openWebSocket(t, `${url}/public/ws`)
    t.equal((await socket.say('hello')).toString(), 'hello')
  })
}

const APACHE = '/usr/sbin/apache2'

/** An application of old: it lets administrators in by the groups that a header tells, and says in one of its own whom it saw. */
async function startApache(t: Teardown): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'apache-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const port = await freePort()
  const file = join(folder, 'apache.conf')
  // It serves as another user.
  chmodSync(folder, 0o755)
  for (const place of ['.', 'admin', 'public']) {
    mkdirSync(join(folder, 'root', place), { recursive: true })
    writeFileSync(join(folder, 'root', place, 'index.txt'), `this is ${place}\n`)
  }
  const module = (name: string) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`
  writeFileSync(
    file,
    `ServerRoot ${folder}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/pid
ErrorLog ${folder}/error.log
${['mpm_event', 'authz_core', 'headers', 'setenvif'].map(module).join('\n')}
User www-data
Group www-data
DocumentRoot ${folder}/root
SetEnvIf X-Forwarded-Groups "(^|,)admins(,|$)" IS_ADMIN
<Location "/admin">
  Require env IS_ADMIN
</Location>
Header always set X-Legacy-Saw "expr=%{HTTP:X-Forwarded-Email}"
Header always set X-Legacy-Cookies "expr=%{HTTP:Cookie}"
`,
  )
  // -X: one process, which ends when it is told to.
  await startProgram(t, [APACHE, '-X', '-f', file], port)
  return port
}

const [nginx] = installedProxies
const noApache = existsSync(APACHE) ? false : `no ${APACHE} on this machine`

t.test(
  'an old application behind nginx believes the headers that the gateway tells, with its own rules on top',
  { skip: nginx?.skip || noApache },
  async (t) => {
    if (nginx === undefined) throw new Error('no nginx among the proxies')
    const { url, client } = await startBehind(t, nginx, await startApache(t))
    const alice = client()
    const landed = await alice.signIn(`${url}/admin/index.txt`)
    t.equal(landed.status, 200)
    t.equal(landed.text, 'this is admin\n')
    t.equal(landed.header('x-legacy-saw'), 'alice@example.com')
    t.notMatch(landed.header('x-legacy-cookies'), '__Host-gateway')
    const stranger = await client().ask(`${url}/public/index.txt`, { headers: FORGED })
    t.equal(stranger.status, 200)
    t.notMatch(stranger.header('x-legacy-saw'), 'mallory')
  },
)
