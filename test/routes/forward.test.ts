import { createHash, randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import t from 'tap'
import { startRawApplication } from '../helpers/raw-application.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld } from '../helpers/world.ts'

const page = { 'sec-fetch-dest': 'document', accept: 'text/html' }

t.test('every method, status and several cookies pass as they are', async (t) => {
  const { url, port, application, client } = await startWorld(t, {
    answer: (request, response) => {
      response.writeHead(Number(/status=(\d+)/.exec(request.url ?? '')?.[1] ?? 200), [
        'Set-Cookie',
        'a=1',
        'Set-Cookie',
        'b=2',
        'X-Method',
        request.method ?? '',
      ])
      response.end(request.method === 'HEAD' ? undefined : 'body')
    },
  })
  for (const method of ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'REPORT', 'MKCOL']) {
    const answer = await client().ask(`${url}/public/x`, { method })
    t.equal(answer.status, 200, method)
    t.equal(answer.header('x-method'), method)
    t.same(answer.headers['set-cookie'], ['a=1', 'b=2'])
  }
  const head = await sendRaw(port, `HEAD /public/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, {
    waitForClose: true,
  })
  t.equal(head.status, 200)
  t.equal(head.body, '')
  for (const status of [201, 204, 301, 304, 400, 404, 418, 500, 503])
    t.equal((await client().ask(`${url}/public/x?status=${status}`)).status, status)
  t.equal(application.seen.filter((seen) => seen.url.includes('503')).length, 1, 'nothing is ever sent twice')
})

t.test('bodies of every content type arrive byte for byte, counted or chunked', async (t) => {
  const { url, port, application, client } = await startWorld(t)
  const bytes = randomBytes(300_000)
  for (const type of [
    'application/json',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/plain',
    'text/plain; charset=latin1',
    'application/octet-stream',
    'x/unknown',
  ]) {
    const answer = await client().ask(`${url}/public/up`, {
      method: 'POST',
      headers: { 'content-type': type },
      body: bytes,
    })
    t.equal(answer.status, 200, type)
    t.ok(application.last().body.equals(bytes), type)
    t.equal(application.last().headers['content-type'], type)
    t.equal(application.last().headers['content-length'], String(bytes.length))
  }
  const chunked = await sendRaw(
    port,
    'POST /public/up HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;ext=1\r\n\xe4\xf6\xfc\r\n0\r\n\r\n',
  )
  t.equal(chunked.status, 200)
  t.same(application.last().body, Buffer.from('hello\xe4\xf6\xfc', 'latin1'))
  await sendRaw(port, 'POST /public/up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n')
  t.equal(application.last().body.length, 0)
  const expecting = await sendRaw(
    port,
    'POST /public/up HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi',
    { waitForClose: true },
  )
  t.match(expecting.text, /HTTP\/1\.1 200 OK/)
  t.equal(application.last().body.toString(), 'hi')
})

t.test(
  'a large download arrives whole, and a slow reader slows the application down instead of filling the gateway',
  async (t) => {
    const size = 64 * 1024 * 1024
    const chunk = randomBytes(65_536)
    let sent = 0
    const { port } = await startWorld(t, {
      answer: (_request, response) => {
        const more = (): void => {
          while (sent < size) {
            sent += chunk.length
            if (!response.write(chunk)) {
              response.once('drain', more)
              return
            }
          }
          response.end()
        }
        more()
      },
    })
    const hash = createHash('sha256')
    let received = 0
    let sentWhilePaused = 0
    await new Promise<void>((resolve, reject) => {
      httpRequest({ port, host: '127.0.0.1', path: '/public/big', headers: { host: 'localhost' } }, (response) => {
        response.once('data', () => {
          response.pause()
          setTimeout(() => {
            sentWhilePaused = sent
            response.resume()
          }, 400)
        })
        response.on('data', (data: Buffer) => {
          received += data.length
          hash.update(data)
        })
        response.on('end', resolve)
        response.on('error', reject)
      }).end()
    })
    t.equal(received, size)
    t.ok(sentWhilePaused < size / 2, `${sentWhilePaused} bytes were sent while the reader paused`)
  },
)

t.test('a slow application slows the upload down instead of filling the gateway, and gets all of it', async (t) => {
  const size = 64 * 1024 * 1024
  let wake: (() => void) | undefined
  const { url: upstream } = await startRawApplication(t, (socket) => {
    socket.pause()
    wake = () => {
      let received = 0
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length
        // The first data event held the headers and perhaps a little of the body.
        if (received > size - 100_000) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
      socket.resume()
    }
  })
  const { port } = await startWorld(t, { upstream })
  const chunk = Buffer.alloc(65_536)
  let sent = 0
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(
      {
        port,
        host: '127.0.0.1',
        path: '/public/up',
        method: 'POST',
        headers: { host: 'localhost', 'content-length': size },
      },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    )
    request.on('error', reject)
    let stalled: NodeJS.Timeout | undefined
    const more = (): void => {
      clearTimeout(stalled)
      while (sent < size) {
        sent += chunk.length
        if (!request.write(chunk)) {
          request.once('drain', more)
          // Nothing moves any more: every buffer on the way is full.
          stalled = setTimeout(() => {
            t.ok(sent < size / 2, `${sent} bytes were taken while the application did not read`)
            wake?.()
          }, 500)
          return
        }
      }
      request.end()
    }
    more()
  })
  t.equal(status, 200)
  t.equal(sent, size)
})

t.test('server-sent events arrive one by one, and the application learns when the reader leaves', async (t) => {
  let left: (() => void) | undefined
  const gone = new Promise<void>((resolve) => {
    left = resolve
  })
  let next: (() => void) | undefined
  const { port } = await startWorld(t, {
    answer: (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: 1\n\n')
      next = () => response.write('data: 2\n\n')
      response.on('close', () => left?.())
    },
  })
  await new Promise<void>((resolve) => {
    const request = httpRequest(
      { port, host: '127.0.0.1', path: '/public/events', headers: { host: 'localhost' } },
      (response) => {
        response.once('data', (first: Buffer) => {
          t.equal(first.toString(), 'data: 1\n\n', 'before the second was even written')
          response.once('data', (second: Buffer) => {
            t.equal(second.toString(), 'data: 2\n\n')
            request.destroy()
            resolve()
          })
          next?.()
        })
        response.on('error', () => undefined)
      },
    )
    request.on('error', () => undefined)
    request.end()
  })
  await gone
  t.pass('the application was told')
})

t.test('D09 who goes away before the answer frees the connection to the application', async (t) => {
  let closed: (() => void) | undefined
  const gone = new Promise<void>((resolve) => {
    closed = resolve
  })
  let arrived: (() => void) | undefined
  const asked = new Promise<void>((resolve) => {
    arrived = resolve
  })
  const { port } = await startWorld(t, {
    answer: (request) => {
      request.socket.once('close', () => closed?.())
      arrived?.()
    },
  })
  const request = httpRequest({ port, host: '127.0.0.1', path: '/public/slow', headers: { host: 'localhost' } })
  request.on('error', () => undefined)
  request.end()
  await asked
  request.destroy()
  await gone
  t.pass('the exchange with the application ended')
})

t.test('RL03 an application that refuses, resets or speaks nonsense is a 502 in our words', async (t) => {
  const cases: readonly (readonly [string, (socket: Socket) => void, string])[] = [
    ['resets', (socket) => socket.resetAndDestroy(), 'GW_UPSTREAM_UNREACHABLE'],
    ['closes', (socket) => socket.end(), 'GW_UPSTREAM_UNREACHABLE'],
    ['speaks nonsense', (socket) => socket.end('garbage\r\n\r\n'), 'GW_UPSTREAM_INVALID'],
    [
      'sends two lengths',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc'),
      'GW_UPSTREAM_INVALID',
    ],
    [
      'sends bytes that no header may hold',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\nok'),
      '',
    ],
    [
      'sends them before a long body',
      (socket) => socket.end(`HTTP/1.1 200 OK\r\nX-A: a\x7fb\r\n\r\n${'x'.repeat(100_000)}`),
      '',
    ],
    ['sends an impossible status', (socket) => socket.end('HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok'), ''],
    ['sends half of a short answer', (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc'), ''],
  ]
  for (const [what, speak, code] of cases) {
    const { url: upstream } = await startRawApplication(t, speak)
    const { url, client } = await startWorld(t, { upstream })
    const program = await client().ask(`${url}/public/x`)
    t.equal(program.status, 502, what)
    if (code !== '') t.equal(program.json().code, code, what)
    const person = await client().ask(`${url}/public/x`, { headers: page })
    t.equal(person.status, 502)
    t.match(person.header('content-type'), 'text/html')
  }
})

t.test('an application that does not answer in time is a 504', async (t) => {
  const { url: upstream } = await startRawApplication(t, () => undefined)
  const { url, client } = await startWorld(t, {
    settings: { applications: { slow: { upstream: { url: upstream, responseSeconds: 1 }, access: 'public' } } },
  })
  const answer = await client().ask(`${url}/x`)
  t.equal(answer.status, 504)
  t.equal(answer.json().code, 'GW_UPSTREAM_TIMEOUT')
})

t.test('RL01 RL02 S06 an answer that breaks off never looks complete', async (t) => {
  const heads = {
    counted: 'HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n',
    chunked: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000\r\n',
  }
  for (const [what, head] of Object.entries(heads)) {
    const { url: upstream } = await startRawApplication(t, (socket) => {
      socket.write(head)
      socket.write('x'.repeat(1000), () => socket.destroy())
    })
    const { port } = await startWorld(t, { upstream })
    const answer = await sendRaw(port, 'GET /public/x HTTP/1.1\r\nHost: localhost\r\n\r\n', { waitForClose: true })
    t.ok(answer.closed, what)
    t.notMatch(answer.text, /\r\n0\r\n\r\n$/, `${what} has no proper end`)
  }
})

t.test('S01 trailers of an application do not end the gateway', async (t) => {
  for (const answer of [
    'HTTP/1.1 200 OK\r\nTrailer: X-T\r\nContent-Length: 2\r\n\r\nok',
    'HTTP/1.1 304 Not Modified\r\nTrailer: X-T\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTrailer: X-T\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n',
  ]) {
    const { url: upstream } = await startRawApplication(t, (socket) => socket.end(answer))
    const { url, client } = await startWorld(t, { upstream })
    const got = await client().ask(`${url}/public/x`)
    t.ok([200, 304].includes(got.status))
    t.equal(got.header('trailer'), undefined)
    t.equal((await client().ask(`${url}/oauth2/ping`)).status, 200, 'and lives on')
  }
})

t.test('S08 answers that only announce the answer do no harm', async (t) => {
  const { url: upstream } = await startRawApplication(t, (socket) =>
    socket.end('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
  )
  const { url, client } = await startWorld(t, { upstream })
  t.equal((await client().ask(`${url}/public/x`)).text, 'ok')
})

t.test('S14 what a signed-in person gets is not kept by shared caches', async (t) => {
  const { url, client } = await startWorld(t, {
    answer: (request, response) => {
      if (request.url === '/stated') response.setHeader('cache-control', 'max-age=5')
      response.end('ok')
    },
  })
  const browser = client()
  await browser.signIn(`${url}/`)
  t.equal((await browser.ask(`${url}/x`)).header('cache-control'), 'private, no-cache')
  t.equal((await browser.ask(`${url}/stated`)).header('cache-control'), 'max-age=5')
  t.equal((await client().ask(`${url}/public/x`)).header('cache-control'), undefined)
})

t.test("the application sees the browser's Host, or the one that the settings name", async (t) => {
  const { url, application, client } = await startWorld(t, {
    settings: {
      applications: {
        kept: { path: '/kept', upstream: '%UPSTREAM%', access: 'public' },
        own: { path: '/own', upstream: { url: '%UPSTREAM%', host: 'upstream' }, access: 'public' },
        named: { path: '/named', upstream: { url: '%UPSTREAM%', host: 'legacy.internal' }, access: 'public' },
      },
    },
  })
  await client().ask(`${url}/kept/x`)
  t.equal(application.last().headers.host, new URL(url).host)
  await client().ask(`${url}/own/x`)
  t.equal(application.last().headers.host, new URL(application.url).host)
  await client().ask(`${url}/named/x`)
  t.equal(application.last().headers.host, 'legacy.internal')
})

t.test(
  'a method that no route lists is refused with those that are, and never falls through to a wider route',
  async (t) => {
    const { url, application, client } = await startWorld(t, {
      settings: {
        applications: {
          app: {
            upstream: '%UPSTREAM%',
            access: 'public',
            routes: { only: { path: '/only/*', methods: ['GET', 'PUT'], access: 'public' } },
          },
        },
      },
    })
    const refused = await client().ask(`${url}/only/x`, { method: 'DELETE' })
    t.equal(refused.status, 405)
    t.equal(refused.header('allow'), 'GET, HEAD, PUT')
    t.equal(application.seen.length, 0)
    t.equal((await client().ask(`${url}/only/x`, { method: 'HEAD' })).status, 200)
  },
)

t.test('A01 a path without a route is not found, for people and programs alike', async (t) => {
  const { url, client } = await startWorld(t, {
    settings: { applications: { app: { path: '/app', upstream: '%UPSTREAM%', access: 'public' } } },
  })
  t.equal((await client().ask(`${url}/elsewhere`)).json().code, 'GW_ROUTE_UNKNOWN')
  const person = await client().ask(`${url}/elsewhere`, { headers: page })
  t.equal(person.status, 404)
  t.match(person.header('content-type'), 'text/html')
})
