import { createHash } from 'node:crypto'
import { once } from 'node:events'
import t from 'tap'
import { WebSocket } from 'ws'
import { startSampleApplication } from '../../src/local/sample-application.ts'

const app = await startSampleApplication()
t.teardown(async () => app.close())
const ask = async (path: string, init?: RequestInit): Promise<Response> => fetch(`${app.url}${path}`, init)

t.test('the first page shows the headers of the request, escaped, and greets whoever they name', async (t) => {
  const headers = {
    'x-forwarded-user': '4711',
    'x-forwarded-email': 'alice@example.com',
    'x-forwarded-groups': 'admins,ops',
    'x-odd': '<script>"&',
  }
  const text = await (await ask('/', { headers })).text()
  t.match(text, '<h1>Welcome, alice@example.com</h1>')
  t.match(text, 'Your groups: admins,ops')
  t.match(text, '&lt;script&gt;&quot;&amp;')
  t.notMatch(text, '<script>"')
  t.match(await (await ask('/')).text(), 'Nobody is named')
})

t.test('every linked page is there, and others are not', async (t) => {
  const links = [...(await (await ask('/')).text()).matchAll(/href="(\/[^"]*)"/g)].map((match) => match[1] ?? '')
  t.ok(links.length > 9)
  for (const link of [...links, '/admin']) t.equal((await ask(link)).status, 200, link)
  t.equal((await ask('/nowhere')).status, 404)
  t.equal((await ask('/form', { method: 'DELETE' })).status, 404)
})

t.test('a form comes back as it was posted', async (t) => {
  const body = new URLSearchParams({ subject: 'Milk & <b>', text: 'two litres' })
  const text = await (await ask('/form', { method: 'POST', body })).text()
  t.match(text, /subject.*Milk &amp; &lt;b&gt;.*text.*two litres/s)
})

t.test('orders are JSON, and changes to them are told back', async (t) => {
  t.match(await (await ask('/api/orders/7')).json(), { id: '7' })
  for (const [method, status] of [
    ['PUT', 200],
    ['POST', 201],
    ['DELETE', 200],
  ] as const) {
    const response = await ask('/api/orders/7', { method, body: method === 'DELETE' ? null : '{"a":1}' })
    t.equal(response.status, status)
    t.match(await response.json(), { id: '7', method, received: method === 'DELETE' ? '' : '{"a":1}' })
  }
  t.equal((await ask('/api/orders/')).status, 404)
  t.equal((await ask('/api/orders/7', { method: 'PATCH' })).status, 405)
})

t.test('uploads are measured and downloads are streamed', async (t) => {
  const body = Buffer.alloc(3_000_000, 'x')
  const answer = await (await ask('/upload', { method: 'POST', body })).json()
  t.match(answer, { bytes: body.length, sha256: createHash('sha256').update(body).digest('hex') })
  const download = await ask('/download?bytes=200001')
  t.equal(download.headers.get('content-length'), '200001')
  t.equal((await download.arrayBuffer()).byteLength, 200_001)
  t.equal((await ask('/download?bytes=-1')).status, 400)
})

t.test('the small endpoints do what they say', async (t) => {
  t.match(await (await ask('/api/time')).json(), { time: /^\d{4}-/ })
  t.equal((await ask('/status?code=418')).status, 418)
  t.equal((await ask('/status?code=204')).status, 204)
  t.equal((await ask('/status?code=abc')).status, 400)
  t.equal(await (await ask('/slow?ms=5')).text(), 'Waited 5 ms.\n')
  t.equal((await ask('/set-cookie')).headers.getSetCookie().length, 2)
})

t.test('events come as a stream', async (t) => {
  const stop = new AbortController()
  const response = await ask('/events', { signal: stop.signal })
  t.equal(response.headers.get('content-type'), 'text/event-stream')
  const { value } = (await response.body?.getReader().read()) ?? {}
  t.match(Buffer.from(value ?? '').toString(), /^id: 1\nevent: tick\ndata: \{"id":1,"time":".*"\}\n\n$/)
  stop.abort()
})

t.test('a WebSocket hears what it said, and only at its own path', async (t) => {
  const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`)
  await once(socket, 'open')
  socket.send('hello')
  t.equal(String((await once(socket, 'message'))[0]), 'hello')
  socket.close()
  const refused = new WebSocket(`${app.url.replace('http', 'ws')}/other`)
  const [error] = (await once(refused, 'error')) as [Error]
  t.match(error.message, '404')
})

t.test('it closes promptly with streams and sockets open, and tells of a port in use', async (t) => {
  const other = await startSampleApplication()
  const port = Number(new URL(other.url).port)
  const taken = await startSampleApplication({ port }).catch((error: unknown) => error)
  t.match(taken, { code: 'EADDRINUSE' })
  const stream = await fetch(`${other.url}/events`)
  const socket = new WebSocket(`${other.url.replace('http', 'ws')}/ws`)
  await once(socket, 'open')
  const closed = once(socket, 'close')
  const start = performance.now()
  await other.close()
  await closed
  t.ok(performance.now() - start < 1000)
  await t.rejects(stream.text())
})
