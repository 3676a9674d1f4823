import { createPublicKey, verify } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { probeUpstream } from '../../src/commands/probe-upstream.ts'
import { runCommand } from '../helpers/process.ts'
import type { Answer } from '../helpers/recording-application.ts'
import { startWorld } from '../helpers/world.ts'
import { runHere } from '../helpers/command.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const identity = { headers: ['remote', 'alb'], assertion: true }
const settings = {
  assertion: { keys: [{ file: 'assertion-key' }], albKeys: [{ file: 'alb-key' }] },
  applications: { sample: { upstream: '%UPSTREAM%', access: 'signedIn', identity } },
}

type Claims = Readonly<Record<string, unknown>>

/** What an application makes of a JWT: who it is about, or null where it does not believe it. */
type Reader = (jwt: string, folder: string) => string | null

const jsonIn = (part = ''): Claims => JSON.parse(Buffer.from(part, 'base64url').toString('utf8'))

const careful: Reader = (jwt, folder) => {
  const [header = '', claims = '', signature = ''] = jwt.split('.')
  const { exp, aud, iss, sub } = jsonIn(claims)
  const key = { key: createPublicKey(readFileSync(join(folder, 'assertion-key'))), dsaEncoding: 'ieee-p1363' } as const
  const sound =
    jsonIn(header)['alg'] === 'ES256' &&
    verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url')) &&
    Number(exp) > Date.now() / 1000
  return sound && aud === 'sample' && String(iss).startsWith('http://localhost:') ? String(sub) : null
}
const forgetsAudience: Reader = (jwt, folder) => {
  const [header = '', claims = '', signature = ''] = jwt.split('.')
  const key = { key: createPublicKey(readFileSync(join(folder, 'assertion-key'))), dsaEncoding: 'ieee-p1363' } as const
  const isOurs = verify('sha256', Buffer.from(`${header}.${claims}`), key, Buffer.from(signature, 'base64url'))
  return isOurs && Number(jsonIn(claims)['exp']) > Date.now() / 1000 ? String(jsonIn(claims)['sub']) : null
}
const neverVerifies: Reader = (jwt) => String(jsonIn(jwt.split('.')[1])['sub'])

async function startProbed(t: Teardown, read: Reader, greet = (user: string) => `Welcome, ${user}`) {
  let folder = ''
  const answer: Answer = (request, response) => {
    const jwt = request.headers['x-gateway-jwt-assertion']
    const user = typeof jwt === 'string' ? read(jwt, folder) : 'guest'
    if (user === null) response.writeHead(401).end('no')
    else response.end(greet(user))
  }
  const world = await startWorld(t, { settings, answer })
  folder = dirname(world.settingsFile)
  return world
}

const probe = async (settingsFile: string, args: readonly string[] = []) =>
  runHere(probeUpstream, ['--config', settingsFile, 'sample', ...args])

const believedIn = (out: string): string[] =>
  [...out.matchAll(/^ {2}believed +(.*?) {2}\(/gm)].map(([, name = '']) => name)

t.test('an application that verifies the assertion believes none of the forgeries', async (t) => {
  const world = await startProbed(t, careful)
  const run = runCommand(t, ['probe-upstream', '--config', world.settingsFile, 'sample'])
  t.equal(await run.ended, 0, run.out())
  t.match(run.out(), /^sample, \/ at http:\/\/127\.0\.0\.1:\d+: an anonymous request gets 200\.$/m)
  t.match(run.out(), /It believed none of them\./)
  t.match(run.out(), /^ {2}refused +assertion with alg none {2}\(401\)$/m)
  t.match(run.out(), /^ {2}ignored +plain headers: remote {2}\(200\)$/m)
  t.ok(world.application.seen.length > 12, 'it asked the application itself')
})

t.test('H29 of a careless application it says which forgeries it believed, and ends with 1', async (t) => {
  const audience = await probe((await startProbed(t, forgetsAudience)).settingsFile)
  t.equal(audience.code, 1)
  t.same(believedIn(audience.out), ['assertion for another application', 'assertion from another issuer'])

  const everything = await startProbed(t, neverVerifies)
  const { code, out } = await probe(everything.settingsFile, ['--json'])
  t.equal(code, 1)
  const report: { findings: { forgery: string; verdict: string }[] } = JSON.parse(out)
  const assertions = report.findings.filter(({ forgery }) => forgery.startsWith('assertion'))
  t.equal(assertions.length, 6)
  t.ok(assertions.every(({ verdict }) => verdict === 'believed'))
})

t.test('H29 plain headers are believed by an application that knows no better', async (t) => {
  const world = await startWorld(t, {
    settings,
    answer: (request, response) => {
      // Each page has a token of its own, so that no two answers are the same.
      response.end(`Welcome, ${request.headers['remote-user'] ?? 'guest'} ${Math.random()}`)
    },
  })
  const { code, out } = await probe(world.settingsFile)
  t.equal(code, 1)
  t.same(believedIn(out), ['plain headers: remote'])
  t.match(out, /Whoever reaches it directly can be anybody/)
})

t.test(
  'answers that repeat whatever they got are called unclear, and so is an application that is not there',
  async (t) => {
    const world = await startWorld(t, { settings })
    const { code, out } = await probe(world.settingsFile)
    t.equal(code, 1)
    t.match(out, /repeat headers that mean nothing/)
    t.same(believedIn(out), [])
    const named = ['--config', world.settingsFile]
    t.match(await runHere(probeUpstream, [...named, 'smaple']), {
      code: 1,
      err: /^There is no application smaple with a route: name one of sample/,
    })
    await t.rejects(runHere(probeUpstream, named), { message: /^Name an application of the settings: sample/ })
    const away = await startWorld(t, { settings, upstream: 'http://127.0.0.1:9' })
    t.match(await probe(away.settingsFile), { code: 1, err: /gave no answer: ECONNREFUSED\.$/m })
  },
)
