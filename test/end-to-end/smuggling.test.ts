import { connect } from 'node:net'
import t from 'tap'
import { HIDDEN_PATH, smugglingCorpus } from '../attacks/smuggling-corpus.ts'
import { openRawConnection } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { webServers } from '../helpers/web-servers.ts'
import { startWorld } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const USUAL_SUSPECTS = [0x00, 0x01, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x1f, 0x20, 0x2c, 0x7f, 0x85, 0xa0, 0xff]
const runs = process.env['PROPERTY_RUNS']
const codes = runs === undefined ? USUAL_SUSPECTS : Array.from({ length: Math.min(256, Number(runs)) }, (_, nth) => nth)
const MAX_ANSWER_MS = 2_000

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`

interface Outcome {
  readonly text: string
  /** Milliseconds to the first answer or the end of the connection. */
  readonly took: number
}

/** Sends bytes, and as soon as something came back another request over the same connection; reads until that is answered, or the end. */
async function sendThenProbe(t: Teardown, port: number, bytes: string, probe: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    t.teardown(() => socket.destroy())
    const began = performance.now()
    let text = ''
    let took = Number.POSITIVE_INFINITY
    const limit = setTimeout(() => finish(false), MAX_ANSWER_MS * 2)
    const finish = (closed: boolean): void => {
      clearTimeout(limit)
      socket.destroy()
      resolve({ text, took: closed ? Math.min(took, performance.now() - began) : took })
    }
    socket.on('data', (chunk) => {
      if (text === '') {
        took = performance.now() - began
        socket.write(get(probe))
      }
      text += chunk.toString('latin1')
      // What follows a length that is none may itself be a request, which has swallowed the probe.
      if (text.toLowerCase().includes(`x-path: ${probe}\r\n`) || /HTTP\/1\.1 [^]*HTTP\/1\.1 4[^]*"code"/.test(text))
        finish(false)
    })
    socket.on('error', () => undefined)
    socket.on('close', () => finish(true))
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}

for (const { name, skip, start } of webServers) {
  t.test(`F08 F09 ${name} understands no request that the gateway did not decide on`, { skip }, async (t) => {
    const server = await start(t)
    const { port, log } = await startWorld(t, {
      settings: {
        applications: {
          all: {
            upstream: { url: server.url, breaker: 'off' },
            access: 'public',
            routes: { admin: { path: '/admin/*', access: [{ groups: ['admins'] }] } },
          },
        },
      },
    })
    const victim = openRawConnection(t, port)
    const corpus = smugglingCorpus(codes)
    let [refused, passed] = [0, 0]
    for (const [nth, { name: what, bytes }] of corpus.entries()) {
      const probe = `/public/probe/${nth}`
      const { text, took } = await sendThenProbe(t, port, bytes, probe)
      if (took > MAX_ANSWER_MS) t.fail(`${what}: no answer in ${MAX_ANSWER_MS} ms`)
      const expected = [`/public/smuggling/${nth}`, probe]
      for (const answer of text.split(/(?=HTTP\/1\.1 [2-5]\d\d )/)) {
        const path = /^x-path: (.*)\r$/im.exec(answer)?.[1]
        if (path === undefined ? !/^(?:$|HTTP\/1\.1 100 )|x-gateway-code: GW_/i.test(answer) : !expected.includes(path))
          t.fail(`${what}: an answer that nobody asked for: ${answer}`)
      }
      if (/^HTTP\/1\.1 4[^]*x-gateway-code: GW_/i.test(text)) refused += 1
      else passed += 1
      const bystander = await victim.send(get(`/public/victim/${nth}`))
      if (bystander.header('x-path') !== `/public/victim/${nth}`)
        t.fail(`${what}: another person got ${bystander.text}`)
    }
    t.ok(corpus.length > 500, `${corpus.length} requests: ${refused} refused, ${passed} passed`)

    const last = `/public/victim/${corpus.length - 1}`
    await until(() => log.some((line) => line.includes(last)) && server.seen().includes(`GET ${last}`))
    // Each request that was forwarded, whether or not its client waited for the answer.
    const decided = log
      .map((line) => JSON.parse(line) as { event: string; route: string; method: string; path: string; code?: string })
      .filter(({ event, route, code }) => event === 'request' && route === 'all' && code === undefined)
      .map(({ method, path }) => `${method} ${path}`)
    const understood = server.seen()
    const undecided = [...understood]
    for (const request of decided) if (undecided.includes(request)) undecided.splice(undecided.indexOf(request), 1)
    t.same(undecided, [], 'it has seen nothing else')
    t.ok(understood.length > corpus.length)
    t.notOk(understood.some((request) => request.includes(HIDDEN_PATH)))
  })
}
