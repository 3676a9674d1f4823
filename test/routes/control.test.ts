import t from 'tap'
import { sendRaw, type RawAnswer } from '../helpers/raw-http.ts'
import { CONTROL_TOKEN, startWorld } from '../helpers/world.ts'

const world = await startWorld(t, { settings: { control: { port: 0, token: { file: 'control-token' } } } })
const { controlPort = 0 } = world.gateway
const bearer = { authorization: `Bearer ${CONTROL_TOKEN}` }

interface Question {
  readonly method?: string
  readonly path?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** One request to the control port, byte for byte. */
async function ask({ method = 'PUT', path = '/log-level', headers = {}, body = '' }: Question): Promise<RawAnswer> {
  const all = { host: 'localhost', connection: 'close', 'content-length': String(body.length), ...headers }
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return sendRaw(controlPort, `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n${body}`)
}
const change = (level: unknown, headers: Readonly<Record<string, string>> = {}): Question => ({
  headers: { ...bearer, 'content-type': 'application/json', ...headers },
  body: JSON.stringify({ level }),
})
const lines = (): readonly Readonly<Record<string, unknown>>[] => world.log.map((line) => JSON.parse(line))

t.test('the control port changes the log level at once, and writes down that it was asked to', async (t) => {
  const requests = (): number => lines().filter(({ event }) => event === 'request').length
  const before = requests()
  const changed = await ask(change('error'))
  t.equal(changed.status, 200)
  t.same(JSON.parse(changed.body), { level: 'error' })
  await world.client().ask(`${world.url}/public/x`)
  t.equal(requests(), before, 'no request is logged now')
  t.equal((await ask(change('debug'))).status, 200)
  const audit = lines().filter(({ event }) => event === 'log_level_changed')
  t.match(audit, [{ to: 'error' }, { to: 'debug' }], 'both stand in the log, whatever its level')
  t.match(world.log.join(''), /"event":"log_level_changed","requestId":"[\da-f-]{36}","client":"127\.0\.0\.1"/)
  await world.client().ask(`${world.url}/public/x`)
  t.equal(requests(), before + 1)
})

t.test('the control port asks for its token, and tells nobody what it is', async (t) => {
  for (const authorization of [
    undefined,
    'Bearer wrong',
    `Basic ${CONTROL_TOKEN}`,
    CONTROL_TOKEN,
    'Bearer',
    'Bearer  ',
  ]) {
    const refused = await ask({
      body: '{"level":"debug"}',
      headers: { 'content-type': 'application/json', ...(authorization === undefined ? {} : { authorization }) },
    })
    t.equal(refused.status, 401, authorization ?? 'nothing')
    t.equal(refused.header('www-authenticate'), 'Bearer')
    t.equal(JSON.parse(refused.body).code, 'GW_TOKEN_INVALID')
  }
  t.match(lines().at(-1), { event: 'control_refused', client: '127.0.0.1', reason: 'control_token' })
  t.notMatch(world.log.join(''), CONTROL_TOKEN)
})

t.test('G07 the control port refuses every page of a browser, its own host name or not, token or not', async (t) => {
  for (const origin of ['https://evil.example', `http://localhost:${controlPort}`, 'null', '']) {
    const refused = await ask(change('debug', { origin }))
    t.equal(refused.status, 403, origin)
    t.equal(JSON.parse(refused.body).code, 'GW_CROSS_ORIGIN')
    t.equal(refused.header('access-control-allow-origin'), undefined)
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example'])
    t.equal((await ask(change('debug', { host }))).status, 421, host)
  for (const site of ['cross-site', 'same-site', 'whatever'])
    t.equal((await ask(change('debug', { 'sec-fetch-site': site }))).status, 403, site)
  const preflight = { origin: 'https://evil.example', 'access-control-request-method': 'PUT' }
  t.equal((await ask({ method: 'OPTIONS', headers: preflight })).status, 403)
})

t.test('what the control port cannot take is refused with what to send instead', async (t) => {
  const wrong = await ask({ method: 'POST', headers: bearer })
  t.equal(wrong.status, 405)
  t.equal(wrong.header('allow'), 'PUT')
  t.equal((await ask({ path: '/log-levels', headers: bearer })).status, 404)
  for (const level of ['trace', 'silent', 7, null]) {
    const refused = await ask(change(level))
    t.equal(refused.status, 400, String(level))
    t.match(
      JSON.parse(refused.body).message,
      'send { "level": "debug" | "info" | "warn" | "error" } as application/json',
    )
  }
  t.equal((await ask({ headers: bearer })).status, 400, 'no body')
  t.equal((await ask({ ...change('info'), headers: { ...bearer, 'content-type': 'text/plain' } })).status, 400)
  t.equal((await ask({ ...change('info'), body: '{"level":' })).status, 400)
  t.equal((await ask({ ...change('x'.repeat(17_000)) })).status, 413)
})

t.test('without the setting there is no control port', async (t) => {
  const { gateway } = await startWorld(t)
  t.equal(gateway.controlPort, undefined)
})
