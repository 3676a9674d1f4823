import { createServer, type AddressInfo, type Socket } from 'node:net'
import t from 'tap'
import { openRawConnection } from '../helpers/raw-http.ts'
import { startWorld, type World } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** An application that signs in the TCP connection, as NTLM and Negotiate do: once a name was shown, every request on it is that person's. */
async function startConnectionSignIn(t: Teardown): Promise<{ url: string; sockets: Set<Socket> }> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    let person = 'nobody'
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      const shown = /^authorization: negotiate (\w+)/im.exec(chunk.toString('latin1'))?.[1]
      person = shown ?? person
      const challenge =
        person === 'nobody'
          ? 'WWW-Authenticate: Negotiate\r\nWWW-Authenticate: NTLM\r\nWWW-Authenticate: Basic realm="x"\r\n'
          : ''
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${person.length}\r\n${challenge}\r\n${person}`)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  t.teardown(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, sockets }
}

async function world(t: Teardown, connectionAuth: 'refuse' | 'pin') {
  const application = await startConnectionSignIn(t)
  const started = await startWorld(t, {
    settings: {
      applications: {
        sample: {
          access: 'signedIn',
          upstream: { url: application.url, connectionAuth },
          routes: { public: { path: '/public/*', access: 'public' } },
        },
      },
    },
  })
  return { ...started, signIns: application }
}

async function cookieOf({ client, url, port }: World, name: string): Promise<string> {
  const browser = client()
  await browser.signIn(`${url}/`, name)
  return `__Host-gateway=${browser.jarOf(`localhost:${port}`).get('__Host-gateway')}`
}

const get = (path: string, cookie: string, authorization = ''): string =>
  `GET ${path} HTTP/1.1\r\nHost: localhost\r\nCookie: ${cookie}\r\n${authorization === '' ? '' : `Authorization: ${authorization}\r\n`}\r\n`

t.test('NTLM and Negotiate are neither offered nor passed on over shared connections', async (t) => {
  const place = await world(t, 'refuse')
  const cookie = await cookieOf(place, 'alice')
  const connection = openRawConnection(t, place.port)
  const first = await connection.send(get('/', cookie))
  t.match(first.text, /^www-authenticate: Basic realm="x"/im)
  t.notMatch(first.text, /negotiate|ntlm/i)
  for (const scheme of ['Negotiate alice', 'negotiate alice', 'NTLM alice', 'Kerberos alice'])
    t.equal((await connection.send(get('/', cookie, scheme))).body, 'nobody', scheme)
})

t.test(
  'with pin, a connection that was signed in is never used for another person, nor for another client',
  async (t) => {
    const place = await world(t, 'pin')
    const [alice, bob] = [await cookieOf(place, 'alice'), await cookieOf(place, 'bob')]
    const shared = openRawConnection(t, place.port)
    t.match((await shared.send(get('/', alice))).text, /^www-authenticate: Negotiate/im)
    t.equal((await shared.send(get('/', alice, 'Negotiate alice'))).body, 'alice')
    t.equal((await shared.send(get('/', alice))).body, 'alice', 'her own connection goes on')
    t.equal((await shared.send(get('/', bob))).body, 'nobody', 'another person behind the same proxy')
    t.equal((await openRawConnection(t, place.port).send(get('/', alice))).body, 'nobody', 'another client')
    t.equal((await shared.send(get('/public/', ''))).body, 'nobody', 'nobody at all')
    t.notMatch((await shared.send(get('/public/', ''))).text, /negotiate/i, 'who is not signed in is not asked either')
  },
)

t.test('a pinned connection ends with the client connection that it belongs to', async (t) => {
  const place = await world(t, 'pin')
  const cookie = await cookieOf(place, 'alice')
  const before = new Set(place.signIns.sockets)
  const connection = openRawConnection(t, place.port)
  t.equal((await connection.send(get('/', cookie, 'Negotiate alice'))).body, 'alice')
  const [pinned] = [...place.signIns.sockets].filter((socket) => !before.has(socket))
  if (pinned === undefined) throw new Error('the request came over a connection that was there before')
  const ended = new Promise((resolve) => pinned.once('close', resolve))
  connection.end()
  await ended
  t.pass()
})
