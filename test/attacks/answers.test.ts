import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import t from 'tap'
import { pathOf, startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`
const ok = (body = 'ok'): string => `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`

/** A world whose application answers each path with the bytes that stand here for it. */
async function startSpeaking(t: Teardown, answers: Readonly<Record<string, string>>, more: object = {}) {
  const carriers = new Map<string, Socket>()
  const application = await startRawApplication(t, (socket, request) => {
    carriers.set(pathOf(request), socket)
    socket.write(Buffer.from(answers[pathOf(request)] ?? ok(), 'latin1'))
  })
  const world = await startWorld(t, { upstream: application.url, ...more })
  return { ...world, application, carrier: (path: string) => carriers.get(path) }
}

t.test('S02 what an application says for one hop only ends at the gateway', async (t) => {
  const { port } = await startSpeaking(t, {
    '/public/hop':
      'HTTP/1.1 200 OK\r\nConnection: x-foo, X-Bar\r\nX-Foo: 1\r\nx-bar: 2\r\nX-Kept: 3\r\nKeep-Alive: timeout=9\r\n' +
      'Upgrade: h2c\r\nProxy-Connection: keep-alive\r\nProxy-Authenticate: Basic\r\nProxy-Authorization: Basic eA==\r\n' +
      'TE: trailers\r\nTrailer: X-T\r\nContent-Length: 2\r\n\r\nok',
    '/public/framing':
      'HTTP/1.1 200 OK\r\nConnection: content-length, content-type\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok',
  })
  const hop = await sendRaw(port, get('/public/hop'))
  t.equal(hop.status, 200)
  t.equal(hop.body, 'ok')
  t.equal(hop.header('x-kept'), '3')
  for (const name of ['x-foo', 'x-bar', 'upgrade', 'te', 'trailer']) t.equal(hop.header(name), undefined, name)
  for (const name of ['proxy-connection', 'proxy-authenticate', 'proxy-authorization'])
    t.equal(hop.header(name), undefined, name)
  t.notMatch(hop.header('keep-alive') ?? '', 'timeout=9', "the connection to the client is the gateway's own")
  const framing = await sendRaw(port, get('/public/framing'))
  t.match(framing, { status: 200, body: 'ok' })
  t.equal(framing.header('content-type'), 'text/plain', 'what the answer needs cannot be named away')
})

t.test('S04 Clear-Site-Data of an application does not end the session at the gateway', async (t) => {
  const cases: Readonly<Record<string, string | undefined>> = {
    '"cookies"': undefined,
    '"*"': undefined,
    '"Cookies" , "cache"': '"cache"',
    '"cache", "cookies", "storage"': '"cache", "storage"',
    '"cache"': '"cache"',
  }
  const paths = Object.entries(cases).map(([sent, left], at) => ({ path: `/public/${at}`, sent, left }))
  const { port } = await startSpeaking(
    t,
    Object.fromEntries(
      paths.map(({ path, sent }) => [
        path,
        `HTTP/1.1 200 OK\r\nClear-Site-Data: ${sent}\r\nContent-Length: 2\r\n\r\nok`,
      ]),
    ),
  )
  for (const { path, sent, left } of paths)
    t.equal((await sendRaw(port, get(path))).header('clear-site-data'), left, sent)
})

t.test('S05 an answer that is none is 502 in our words, and its connection is not used again', async (t) => {
  const answers: Readonly<Record<string, string>> = {
    'two framings': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two lengths': 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc',
    'a negative length': 'HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab',
    'a length that is no number': 'HTTP/1.1 200 OK\r\nContent-Length: 2a\r\n\r\nab',
    'a name with a space': 'HTTP/1.1 200 OK\r\nX Secret: internal\r\nContent-Length: 2\r\n\r\nab',
    'an empty name': 'HTTP/1.1 200 OK\r\n: internal\r\nContent-Length: 2\r\n\r\nab',
    'a control byte': 'HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nab',
    'NUL in a value': 'HTTP/1.1 200 OK\r\nX-A: a\0b\r\nContent-Length: 2\r\n\r\nab',
    'a bare carriage return': 'HTTP/1.1 200 OK\r\nX-A: a\rSet-Cookie: b=1\r\nContent-Length: 2\r\n\r\nab',
    'status 99': 'HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nab',
    'status 600': 'HTTP/1.1 600 No\r\nContent-Length: 2\r\n\r\nab',
    'status 999': 'HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nab',
    'status 1000': 'HTTP/1.1 1000 No\r\nContent-Length: 2\r\n\r\nab',
    'an upgrade that nobody asked for':
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nab',
    'another protocol': 'SSH-2.0-internal\r\n',
  }
  const paths = new Map(Object.keys(answers).map((what, at) => [what, `/public/${at}`]))
  const bytes = Object.fromEntries(Object.entries(answers).map(([what, answer]) => [paths.get(what) ?? '', answer]))
  const { port, carrier, log } = await startSpeaking(t, bytes, {
    settings: {
      applications: {
        app: { access: 'public', upstream: { url: '%UPSTREAM%', breaker: 'off', responseSeconds: 1 } },
      },
    },
  })
  for (const [what, path] of paths) {
    const refused = await sendRaw(port, get(path))
    t.equal(refused.status, 502, what)
    const code = what === 'an upgrade that nobody asked for' ? 'GW_UPSTREAM_UNREACHABLE' : 'GW_UPSTREAM_INVALID'
    t.match(JSON.parse(refused.body), { code }, what)
    t.notMatch(refused.text, /internal|HPE_|undici|Error/, `${what}: nothing internal is told`)
    t.equal((await sendRaw(port, get('/public/fine'))).body, 'ok')
    t.not(carrier('/public/fine'), carrier(path), `${what}: the connection is not used again`)
  }
  t.notMatch(log.join(''), '"level":60')
})

t.test('S05 an application that announces its answer for ever is given up in time', async (t) => {
  const application = await startRawApplication(t, (socket) => {
    const hints = setInterval(() => socket.write('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(50)), 20)
    socket.once('close', () => clearInterval(hints))
  })
  const { port } = await startWorld(t, {
    settings: {
      applications: { app: { access: 'public', upstream: { url: application.url, responseSeconds: 1 } } },
    },
  })
  const answer = await sendRaw(port, get('/x'))
  t.equal(answer.status, 504)
})

t.test('S06 an answer that ends early ends the connection to the client too', async (t) => {
  const answers: Readonly<Record<string, string>> = {
    '/public/counted': `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(500)}`,
    '/public/chunked': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    '/public/in-a-chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhello',
    '/public/bad-chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n',
  }
  const application = await startRawApplication(t, (socket, request) => socket.end(answers[pathOf(request)] ?? ''))
  const { port } = await startWorld(t, { upstream: application.url })
  for (const path of Object.keys(answers)) {
    const answer = await sendRaw(port, get(path), { waitForClose: true })
    t.equal(answer.closed, true, path)
    t.notMatch(answer.text, /\r\n0\r\n\r\n$/, `${path} has no proper end`)
  }
})

t.test('S09 answers with many and long headers pass up to the limit, and are 502 beyond it', async (t) => {
  const many = Array.from({ length: 300 }, (_, at) => `X-H-${at}: ${'v'.repeat(20)}\r\n`).join('')
  const answer = (headers: string): string => `HTTP/1.1 200 OK\r\n${headers}Content-Length: 2\r\n\r\nok`
  const { port } = await startSpeaking(t, {
    '/public/many': answer(many),
    '/public/long': answer(`X-Long: ${'v'.repeat(20_000)}\r\n`),
    '/public/most': answer(`X-Long: ${'v'.repeat(60_000)}\r\n`),
    '/public/too-long': answer(`X-Long: ${'v'.repeat(70_000)}\r\n`),
  })
  const head = await sendRaw(port, get('/public/many'))
  t.equal(head.status, 200)
  t.equal(head.text.match(/^X-H-\d+: v{20}\r$/gm)?.length, 300)
  t.equal((await sendRaw(port, get('/public/long'))).header('x-long')?.length, 20_000)
  t.equal((await sendRaw(port, get('/public/most'))).header('x-long')?.length, 60_000)
  const refused = await sendRaw(port, get('/public/too-long'))
  t.equal(refused.status, 502)
  t.equal(refused.header('x-gateway-code'), 'GW_UPSTREAM_INVALID')
})

t.test(
  "S10 a Location that names the application's own address leads to the public one, any other stays",
  async (t) => {
    const locations: Readonly<Record<string, string>> = {
      own: 'OWN/x?y=1',
      scheme: '//OWNHOST/x',
      elsewhere: 'http://elsewhere.example/x',
      sibling: 'OWN.evil.example/x',
      user: 'http://OWNHOST@evil.example/x',
      relative: 'x/y',
      rooted: '/x/y',
      mail: 'mailto:a@b',
      empty: '',
    }
    const application = await startRawApplication(t, (socket, request) => {
      const own = `http://localhost:${socket.localPort}`
      const location = (locations[pathOf(request).slice('/public/'.length)] ?? '')
        .replace('OWNHOST', `localhost:${socket.localPort}`)
        .replace('OWN', own)
      socket.write(`HTTP/1.1 302 Found\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`)
    })
    const own = application.url.replace('127.0.0.1', 'localhost')
    const { url, port } = await startWorld(t, { upstream: own })
    const found = async (name: string): Promise<string | undefined> =>
      (await sendRaw(port, get(`/public/${name}`))).header('location')
    t.equal(await found('own'), `${url}/x?y=1`)
    t.equal(await found('scheme'), `${url}/x`)
    t.equal(await found('elsewhere'), 'http://elsewhere.example/x')
    t.equal(await found('sibling'), `${own}.evil.example/x`)
    t.equal(await found('user'), `http://${new URL(own).host}@evil.example/x`)
    t.equal(await found('relative'), 'x/y')
    t.equal(await found('rooted'), '/x/y')
    t.equal(await found('mail'), 'mailto:a@b')
    t.equal(await found('empty'), '')
  },
)

t.test('S12 an event stream is passed on at once and may be silent longer than any other answer', async (t) => {
  let next: (() => void) | undefined
  const application = await startRawApplication(t, (socket, request) => {
    const type = pathOf(request) === '/events' ? 'text/event-stream; charset=utf-8' : 'text/plain'
    socket.write(`HTTP/1.1 200 OK\r\nContent-Type: ${type}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n`)
    if (pathOf(request) === '/events') next = () => socket.write('3\r\ntwo\r\n')
  })
  const { port } = await startWorld(t, {
    settings: {
      applications: { app: { access: 'public', upstream: { url: application.url, idleSeconds: 1 } } },
    },
  })
  const events: string[] = []
  let arrived: (() => void) | undefined
  const stream = httpRequest({ port, host: '127.0.0.1', path: '/events', headers: { host: 'localhost' } }, (response) =>
    response.on('data', (chunk: Buffer) => {
      events.push(chunk.toString())
      arrived?.()
    }),
  )
  stream.on('error', () => undefined)
  t.teardown(() => stream.destroy())
  const first = new Promise<void>((resolve) => (arrived = resolve))
  stream.end()
  await first
  t.same(events, ['one'], 'before the application wrote anything else')
  const other = await sendRaw(port, get('/other'), { waitForClose: true })
  t.notMatch(other.text, /0\r\n\r\n$/, 'another answer that pauses as long is broken off')
  const second = new Promise<void>((resolve) => (arrived = resolve))
  next?.()
  await second
  t.same(events, ['one', 'two'], 'and the stream goes on')
})

t.test('S13 an answer that its client does not read stays with the application', async (t) => {
  const megabyte = Buffer.alloc(1_048_576, 'x')
  let taken = 0
  let full: (() => void) | undefined
  const stalled = new Promise<void>((resolve) => (full = resolve))
  const application = await startRawApplication(t, (socket) => {
    socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${10 * 1024 * 1_048_576}\r\n\r\n`)
    const more = (): void => {
      let moved = true
      while (moved && taken < 2_048) {
        taken += 1
        moved = socket.write(megabyte)
      }
      // Nothing moves any more once a whole second goes by without a drain.
      const rest = setTimeout(() => full?.(), 1_000)
      socket.once('drain', () => {
        clearTimeout(rest)
        more()
      })
      socket.once('close', () => clearTimeout(rest))
    }
    more()
  })
  const { port } = await startWorld(t, { upstream: application.url })
  const before = process.memoryUsage().rss
  const client = httpRequest(
    { port, host: '127.0.0.1', path: '/public/big', headers: { host: 'localhost' } },
    (response) => response.pause(),
  )
  client.on('error', () => undefined)
  client.end()
  await stalled
  client.destroy()
  t.ok(taken < 64, `${taken} MB of 10 GB left the application`)
  t.ok(process.memoryUsage().rss - before < 128 * 1_048_576, 'memory stays flat')
})

t.test('S16 the error page of an application passes as it is, and nobody else is asked for another one', async (t) => {
  const { url, client, application } = await startWorld(t, {
    answer: (_request, response) => response.writeHead(500).end('internal: secret of the application'),
  })
  const browser = client()
  await browser.signIn(`${url}/`)
  const before = application.seen.length
  const answer = await browser.ask(`${url}/x`)
  t.match(
    answer,
    { status: 500, text: 'internal: secret of the application' },
    'what the application says passes as it is',
  )
  t.equal(application.seen.length, before + 1)
})

t.test('S17 F28 bytes behind an answer never reach another person', async (t) => {
  const secret = 'HTTP/1.1 200 OK\r\nX-Secret: alice\r\nContent-Length: 6\r\n\r\nsecret'
  const { port, application } = await startSpeaking(t, {
    '/public/glued': ok() + secret,
    '/public/surplus': `${ok()}${'surplus'.repeat(100)}`,
    '/public/304': `HTTP/1.1 304 Not Modified\r\n\r\n${secret}`,
    '/public/204': `HTTP/1.1 204 No Content\r\n\r\n${secret}`,
  })
  for (const path of ['/public/glued', '/public/surplus', '/public/304', '/public/204']) {
    await sendRaw(port, get(path))
    for (let round = 0; round < 5; round += 1) {
      const next = await sendRaw(port, get('/public/fine'))
      t.match(next, { status: 200, body: 'ok' }, `${path}, then another`)
      t.equal(next.header('x-secret'), undefined)
    }
  }
  t.ok(application.connections.length > 1, 'such a connection is not used again')
})

t.test(
  'an application below a path gets no scripts of its own between people and what else is on its host',
  async (t) => {
    const { url, client } = await startWorld(t, {
      answer: (_request, response) => response.writeHead(200, { 'service-worker-allowed': '/' }).end('script'),
      settings: {
        applications: {
          home: { upstream: '%UPSTREAM%', access: 'public' },
          wiki: { path: '/wiki', upstream: '%UPSTREAM%', access: 'public' },
        },
      },
    })
    const scope = async (path: string) => (await client().ask(url + path)).header('service-worker-allowed')
    t.equal(await scope('/sw.js'), '/', 'that which has the whole host may')
    t.equal(await scope('/wiki/sw.js'), undefined)
  },
)
