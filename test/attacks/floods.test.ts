import { randomBytes } from 'node:crypto'
import { METHODS } from 'node:http'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import t from 'tap'
import { openRawConnection } from '../helpers/raw-http.ts'
import { until } from '../helpers/until.ts'
import { startWorld, type World } from '../helpers/world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const word = (): string => `w${randomBytes(8).toString('hex')}`
const unsigned = (claims: object): string =>
  ['{"alg":"RS256","kid":"x"}', JSON.stringify(claims), word()]
    .map((part) => Buffer.from(part).toString('base64url'))
    .join('.')

/** One request of each kind that a stranger can make up, with words that nobody has seen before. */
function madeUp(world: World): readonly string[] {
  const host = new URL(world.url).host
  const request = (method: string, target: string, headers: readonly string[] = []): string =>
    [`${method} ${target} HTTP/1.1`, `Host: ${host}`, ...headers, '', ''].join('\r\n')
  return [
    // Only its end tells that an answer to HEAD is whole.
    ...METHODS.filter((method) => method !== 'CONNECT').map((method) =>
      request(method, `/${word()}`, ['Connection: close']),
    ),
    `${word().toUpperCase()} / HTTP/1.1\r\nHost: ${host}\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${word()}.example.com\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: ${word()}:${word()}\r\n\r\n`,
    request('GET', `/public/${word()}?${word()}=${word()}`),
    request('GET', `/${word()}%2f..%00${word()}`),
    request('GET', `/oauth2/${word()}`),
    request('GET', `/oauth2/start?rd=/${word()}&idp=${word()}&login_hint=${word()}`),
    request('GET', `/oauth2/callback?code=${word()}&state=${word()}&error=${word()}`),
    request('GET', '/', [`Authorization: Bearer ${word()}`]),
    request('GET', '/', [`Authorization: Bearer ${unsigned({ iss: world.pool.issuer, sub: word() })}`]),
    request('GET', '/', [`Authorization: Bearer ${unsigned({ iss: `https://${word()}.example.com`, sub: word() })}`]),
    request('GET', '/', [`Cookie: __Host-gateway=${word()}; ${word()}=${word()}`]),
    request('GET', '/public/x', [`Origin: https://${word()}.example.com`, `X-${word()}: ${word()}`]),
    request('GET', '/public/x', [`X-Forwarded-Host: ${word()}`, `X-Forwarded-User: ${word()}`, `Upgrade: ${word()}`]),
    request('POST', '/', [`Origin: https://${word()}.example.com`, 'Content-Length: 0']),
  ]
}

t.test('D21 paths, hosts, methods, tokens and people that come and go add no series to the metrics', async (t) => {
  const world = await startWorld(t)
  const connection = openRawConnection(t, world.port)
  const visit = async (name: string): Promise<void> => {
    await world.client().signIn(`${world.url}/${word()}`, name)
    for (const bytes of madeUp(world)) await connection.send(bytes)
  }
  const seriesNow = async (): Promise<string[]> =>
    (await world.metrics())
      .split('\n')
      .filter((line) => line.startsWith('cognito_gateway_'))
      .map((line) => line.slice(0, line.lastIndexOf(' ')))
  for (const name of ['alice', 'bob']) await visit(name)
  const before = await seriesNow()
  world.pool.setUser('carol', { password: 'Passw0rd!', groups: [], attributes: { email: 'carol@example.com' } })
  for (const name of ['carol', 'alice', 'bob']) await visit(name)
  const added = (await seriesNow()).filter((series) => !before.includes(series))
  t.same(added, [])
  t.ok(before.length > 100, 'there was something to look at')
  t.notMatch(before.join('\n'), /w[\da-f]{16}|alice|bob|carol|example\.com/, 'and nothing made up stands in a label')
})

async function openTls(t: Teardown, port: number, options: ConnectionOptions = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => resolve(socket))
    socket.on('error', reject)
    t.teardown(() => socket.destroy())
  })
}

t.test('D25 a client cannot ask for another handshake over the one it had', async (t) => {
  const world = await startWorld(t, { tls: true })
  const socket = await openTls(t, world.port, { maxVersion: 'TLSv1.2' })
  const refused = await new Promise<Error | null>((resolve) => {
    socket.removeAllListeners('error').on('error', (error) => resolve(error))
    socket.renegotiate({ rejectUnauthorized: false }, resolve)
    // The handshake goes out with the next bytes.
    socket.write('GET ')
  })
  t.match(refused?.message, 'no renegotiation')
})

t.test(
  'D25 handshakes that begin and never end are given up, and a flood of them keeps nobody else waiting',
  async (t) => {
    const world = await startWorld(t, { tls: true, listen: { headersTimeoutSeconds: 1 } })
    const other = await openTls(t, world.port)
    const statuses = new Set<string>()
    const served = async (): Promise<number> => {
      const askedAt = performance.now()
      other.write(`GET /public/x HTTP/1.1\r\nHost: ${new URL(world.url).host}\r\n\r\n`)
      const answer = await new Promise<Buffer>((resolve) => other.once('data', resolve))
      statuses.add(answer.toString('latin1', 9, 12))
      return performance.now() - askedAt
    }
    const silent: Socket[] = []
    let ended = 0
    for (let nth = 0; nth < 500; nth += 1) {
      // The first bytes of a record that announces 500 more, or nothing at all.
      const socket = connectPlain(
        world.port,
        '127.0.0.1',
        () => nth % 2 === 0 && socket.write('\x16\x03\x01\x01\xf4\x01'),
      )
      socket.on('error', () => undefined)
      socket.once('close', () => (ended += 1))
      socket.resume()
      t.teardown(() => socket.destroy())
      silent.push(socket)
    }
    const whole = Array.from({ length: 200 }, async () => openTls(t, world.port))
    const waits = []
    while (ended < silent.length) waits.push(await served())
    await Promise.all(whole)
    t.same([...statuses], ['200'])
    t.ok(Math.max(...waits) < 5_000, `the longest wait was ${Math.round(Math.max(...waits))} ms`)
    await until(async () => /connections_refused_total\{reason="tls_handshake"\} [1-9]/.test(await world.metrics()))
  },
)
