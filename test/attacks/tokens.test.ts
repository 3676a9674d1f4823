import { createHmac, randomBytes } from 'node:crypto'
import t from 'tap'
import { pino } from 'pino'
import { createKeyWatch } from '../../src/adapters/key-watch.ts'
import { valueOf } from '../helpers/gateway-process.ts'
import { heapBytes } from '../helpers/heap.ts'
import { sendRaw } from '../helpers/raw-http.ts'
import { startWorld, type World } from '../helpers/world.ts'
import { ISSUER, one, other, refused, startBearers, UPDATED_ISSUER } from './bearer-reader.ts'
import { base64url, signed } from './token-forger.ts'

t.test(
  'T01 T02 a token that is not signed, or signed in another way than with the key of the pool, is none',
  async (t) => {
    const { token, verdict, claims } = startBearers()
    const [, payload = '', signature = ''] = token().split('.')
    const as = (header: object, end: string): string => `${base64url(JSON.stringify(header))}.${payload}.${end}`
    for (const alg of ['none', 'None', 'nOnE', 'NONE', '', undefined, null, 0, ['RS256'], 'rs256'])
      for (const end of ['', signature])
        t.ok(refused.includes(await verdict(as({ alg, kid: 'one' }, end))), `${JSON.stringify(alg)} ${end === ''}`)
    t.ok(refused.includes(await verdict(as({ alg: 'RS256', kid: 'one' }, ''))), 'no signature')
    t.ok(refused.includes(await verdict(`${base64url('{"alg":"RS256"}')}.${payload}`)), 'two parts')
    const secrets: Readonly<Record<string, string | Buffer>> = {
      'the public key as PEM': one.publicKey.export({ format: 'pem', type: 'spki' }),
      'as PEM without its last line break': String(one.publicKey.export({ format: 'pem', type: 'spki' })).trim(),
      'as PEM of PKCS #1': one.publicKey.export({ format: 'pem', type: 'pkcs1' }),
      'as DER': one.publicKey.export({ format: 'der', type: 'spki' }),
      'as JWK': JSON.stringify(one.jwk),
      'its modulus': String(one.jwk['n']),
      'the bytes of its modulus': Buffer.from(String(one.jwk['n']), 'base64url'),
      nothing: '',
    }
    for (const [what, secret] of Object.entries(secrets))
      for (const bits of [256, 384, 512]) {
        const input = `${base64url(JSON.stringify({ alg: `HS${bits}`, kid: 'one' }))}.${base64url(JSON.stringify(claims))}`
        const mac = createHmac(`sha${bits}`, secret).update(input).digest('base64url')
        t.equal(await verdict(`${input}.${mac}`), 'GW_TOKEN_INVALID', `HS${bits} with ${what}`)
      }
  },
)

t.test(
  'T05 keys that a token brings along or points to are never looked at, and what it calls critical is refused',
  async (t) => {
    const { token, verdict, pool } = startBearers()
    const chain = ['MIIBszCCARygAwIBAgIUB']
    const theirs = { jwk: other.jwk, jku: 'https://evil.example/jwks', x5u: 'https://evil.example/x5u', x5c: chain }
    for (const [name, value] of Object.entries(theirs)) {
      for (const kid of ['one', 'two', undefined])
        t.ok(
          [...refused, 'GW_POOL_UNAVAILABLE'].includes(await verdict(token({ [name]: value, kid }, {}, other))),
          `${name} under ${kid}`,
        )
      t.equal(await verdict(token({ [name]: value })), 'machine', `${name} beside a good signature means nothing`)
    }
    t.ok(
      pool.asked.every((uri) => uri === `${ISSUER}/.well-known/jwks.json`),
      'nobody else is asked for keys',
    )
    for (const header of [
      { crit: ['exp'], exp: 1 },
      { crit: ['b64'], b64: false },
      { crit: [] },
      { crit: 'x' },
      { b64: false },
      { zip: 'DEF' },
    ])
      t.equal(await verdict(token(header)), 'GW_TOKEN_INVALID', JSON.stringify(header))
  },
)

t.test('T04 no key id but that of a published key is worth anything, whatever it looks like', async (t) => {
  const { token, verdict, pool } = startBearers()
  t.equal(await verdict(token()), 'machine')
  const kids = [undefined, null, '', 7, ['one'], { kid: 'one' }, 'x'.repeat(10_000), '../../x', "' or 1=1 --"]
  for (const kid of [...kids, 'https://evil.example/key', 'ONE', 'one ', '__proto__', 'constructor', 'unknown']) {
    const answer = await verdict(token({ kid }))
    t.ok([...refused, 'GW_POOL_UNAVAILABLE'].includes(answer), `${JSON.stringify(kid)?.slice(0, 30)}: ${answer}`)
  }
  t.ok(pool.asked.length <= 2, 'the keys were fetched at the beginning, and once more for all of these at most')
})

t.test('T04 of two published keys with one id neither counts, and the others do', async (t) => {
  const { token, verdict } = startBearers({ published: [one.jwk, { ...other.jwk, kid: 'one' }, other.jwk] })
  t.equal(await verdict(token({}, {}, other)), 'machine')
  t.ok([...refused, 'GW_POOL_UNAVAILABLE'].includes(await verdict(token())))
  t.ok([...refused, 'GW_POOL_UNAVAILABLE'].includes(await verdict(token({ kid: 'one' }, {}, other))))
})

t.test('T12 a difference of thirty seconds between clocks is forgiven, and not a second more', async (t) => {
  const { token, verdict, clock, claims } = startBearers()
  const now = Math.floor(clock.now() / 1000)
  clock.advance(now + 1 - clock.now() / 1000)
  for (const [change, answer] of [
    [{ exp: now + 1 - 29 }, 'machine'],
    [{ exp: now + 1 - 30 }, 'GW_TOKEN_INVALID'],
    [{ exp: now + 1 - 31 }, 'GW_TOKEN_INVALID'],
    [{ iat: now + 1 + 29 }, 'machine'],
    [{ iat: now + 1 + 31 }, 'GW_TOKEN_INVALID'],
    [{ nbf: now + 1 + 29 }, 'machine'],
    [{ nbf: now + 1 + 31 }, 'GW_TOKEN_INVALID'],
  ] as const)
    t.equal(await verdict(token({}, change)), answer, JSON.stringify(change))
  t.equal(await verdict(token({}, { exp: claims.exp })), 'machine')
})

t.test('T13 both issuers of a pool are accepted where none is configured, over one set of keys', async (t) => {
  const both = startBearers({ issuers: [ISSUER, UPDATED_ISSUER] })
  t.equal(await both.verdict(both.token()), 'machine')
  t.equal(await both.verdict(both.token({}, { iss: UPDATED_ISSUER })), 'machine')
  t.same(both.pool.asked, [`${ISSUER}/.well-known/jwks.json`])
  const single = startBearers()
  t.equal(await single.verdict(single.token({}, { iss: UPDATED_ISSUER })), 'not ours')
  const near = [`${ISSUER}/`, ISSUER.toUpperCase(), ISSUER.replace('https', 'http'), `${ISSUER}x`, [ISSUER], undefined]
  for (const iss of [...near, UPDATED_ISSUER.replace('eu-west-1.', 'eu-west-2.')])
    t.equal(await both.verdict(both.token({}, { iss })), 'not ours', JSON.stringify(iss))
})

t.test('T18 tokens of any size and shape cost next to nothing', async (t) => {
  const { token, verdict, bearers } = startBearers()
  const [header = '', , signature = ''] = token().split('.')
  const deep = `{"iss":"${ISSUER}","x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const texts: readonly (readonly [string, string])[] = [
    ['7 kB', token({}, { padding: 'x'.repeat(5_000) })],
    ['64 kB', `${token({}, { padding: 'x'.repeat(48_000) })}x`],
    ['dots', '.'.repeat(100_000)],
    ['a megabyte of dots', '.'.repeat(1_000_000)],
    ['a megabyte of spaces', `${' '.repeat(1_000_000)}x`],
    ['dots between', `${'a.'.repeat(100_000)}a`],
    ['equals', '='.repeat(1_000_000)],
    ['equals at the end', `a.b.c${'='.repeat(1_000_000)}`],
    ['equals before another letter', `a${'='.repeat(1_000_000)}b`],
    ['deep JSON', `${header}.${base64url(deep)}.${signature}`],
    ['deep header', `${base64url(deep)}.${base64url(`{"iss":"${ISSUER}"}`)}.${signature}`],
  ]
  for (const [what, text] of texts) {
    const startedAt = performance.now()
    const answer = bearers.ownTokenIn(`Bearer ${text}`) === null ? 'not ours' : await verdict(text)
    t.ok([...refused, 'machine'].includes(answer), `${what}: ${answer}`)
    t.ok(performance.now() - startedAt < 500, `${what} took ${performance.now() - startedAt} ms`)
  }
})

t.test('T20 of a claim that stands twice the one counts that is verified, and nothing else is told', async (t) => {
  const { claims, bearers, verdict } = startBearers()
  const text = (more: string): string => `${JSON.stringify(claims).slice(0, -1)},${more}}`
  const header = JSON.stringify({ alg: 'RS256', kid: 'one' })
  const twice = signed(header, text('"sub":"somebody","username":"somebody"'), one.privateKey)
  const person = await bearers.identityOf(twice)
  t.match(person, { kind: 'person', subject: 'somebody', username: 'somebody' })
  t.equal(await verdict(signed(header, text('"token_use":"id"'), one.privateKey)), 'GW_TOKEN_USE')
  t.equal(await verdict(signed(header, text('"iss":"https://evil.example"'), one.privateKey)), 'not ours')
  t.equal(await verdict(signed(header, text('"exp":1'), one.privateKey)), 'GW_TOKEN_INVALID')
  for (const algorithms of ['"alg":"none","alg":"RS256"', '"alg":"HS256","alg":"RS256"'])
    t.equal(await verdict(signed(`{${algorithms},"kid":"one"}`, JSON.stringify(claims), one.privateKey)), 'machine')
  t.equal(
    await verdict(signed('{"alg":"RS256","alg":"none","kid":"one"}', JSON.stringify(claims), one.privateKey)),
    'GW_TOKEN_INVALID',
  )
})

t.test('T21 a token counts in the one spelling that it was issued in', async (t) => {
  const { token, verdict } = startBearers()
  const valid = token()
  t.equal(await verdict(valid), 'machine', 'and stays remembered in that one')
  const [header = '', payload = '', signature = ''] = valid.split('.')
  const last = signature.at(-1) ?? ''
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
  const sameBytes = alphabet[alphabet.indexOf(last) ^ 1] ?? ''
  const spellings = [
    `${valid}=`,
    `${valid}==`,
    `${header}.${payload}.${signature.slice(0, -1)}${sameBytes}`,
    `${header}==.${payload}.${signature}`,
    `${header}.${payload}=.${signature}`,
    `${header}.${payload}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`,
    `${header}.${payload}.${signature} `,
    ` ${valid}`,
    `${header}.${payload}.${signature.slice(0, 9)} ${signature.slice(9)}`,
    `${header}.${payload}.${signature}\n`,
    `${valid}.`,
    `${header}.${payload}.${base64url(Buffer.concat([Buffer.from([0]), Buffer.from(signature, 'base64url')]))}`,
  ]
  for (const text of spellings) if (text !== valid) t.ok(refused.includes(await verdict(text)), text.slice(-20))
})

t.test('T25 whatever the pool answers for its keys, those that are known go on', async (t) => {
  const { token, verdict, pool, publish, clock } = startBearers()
  t.equal(await verdict(token()), 'machine')
  const documents = ['', '<html>', '{}', '{"keys":[]}', '{"keys":{}}', '[]', 'null', '{"keys":[null,1,"x"]}', '\xff']
  for (const document of documents) {
    pool.document = document
    clock.advance(61)
    t.equal(await verdict(token({}, { nonce: document })), 'machine', document)
    t.equal(await verdict(token({}, {}, other)), 'GW_POOL_UNAVAILABLE', 'a key that may be new is our trouble')
  }
  publish(null as never, { kty: 7 }, { ...one.jwk, n: '!' }, other.jwk)
  clock.advance(61)
  t.equal(await verdict(token({}, {}, other)), 'machine', 'one bad key among good ones spoils nothing')
})

t.test('T26 a removed key stops being trusted with the next renewal, and an exchanged one is seen', async (t) => {
  const { verifier, token, verdict, publish, clock } = startBearers()
  t.equal(await verdict(token()), 'machine')
  publish(other.jwk)
  clock.advance(61)
  t.equal(await verdict(token()), 'machine', 'nobody has said so yet')
  await verifier.renewKeys()
  clock.advance(61)
  t.not(await verdict(token()), 'machine')
  t.equal(await verdict(token({}, {}, other)), 'machine')
  publish({ ...one.jwk, kid: other.kid })
  await verifier.renewKeys()
  clock.advance(61)
  t.not(await verdict(token({}, {}, other)), 'machine')
  t.equal(await verdict(token({ kid: other.kid })), 'machine')
})

t.test('T26 a new key counts ten seconds after it is there, even if it was asked for too early', async (t) => {
  const { token, verdict, publish, clock } = startBearers()
  t.equal(await verdict(token()), 'machine')
  clock.advance(11)
  t.equal(await verdict(token({}, {}, other)), 'GW_TOKEN_INVALID')
  publish(one.jwk, other.jwk)
  clock.advance(10)
  t.equal(await verdict(token({}, {}, other)), 'machine')
})

t.test('T28 a thousand unknown key ids a second ask an unreachable pool once in ten seconds', async (t) => {
  const { token, verdict, pool, clock, publish } = startBearers()
  t.equal(await verdict(token()), 'machine')
  const forged = forgeriesOf(token())
  pool.away = true
  pool.asked.length = 0
  for (let second = 0; second < 15; second += 1) {
    clock.advance(1)
    const answers = await Promise.all(Array.from({ length: 1_000 }, async () => verdict(forged())))
    t.same([...new Set(answers)], ['GW_POOL_UNAVAILABLE'], 'nobody can say that there is no such key')
  }
  t.ok(pool.asked.length >= 1 && pool.asked.length <= 2, `${pool.asked.length} fetches in fifteen seconds`)
  t.equal(await verdict(token({}, { nonce: 'new' })), 'machine', 'what is known goes on')
  pool.away = false
  publish(one.jwk, other.jwk)
  for (let second = 0; second < 11; second += 1) {
    clock.advance(1)
    await verdict(forged())
  }
  t.equal(await verdict(token({}, {}, other)), 'machine', 'the flood fetches the fresh key for whoever has it')
})

t.test('T28 of refused tokens and unknown key ids so many are remembered, and no more', async (t) => {
  const { token, verdict, clock } = startBearers()
  const valid = token({}, { padding: 'x'.repeat(2_000) })
  t.equal(await verdict(valid), 'machine')
  const [header = '', payload = ''] = valid.split('.')
  const kinds: Readonly<Record<string, () => string>> = {
    'unknown key ids': forgeriesOf(token(), 120),
    'wrong signatures': () => `${header}.${payload}.${randomBytes(256).toString('base64url')}`,
  }
  for (const [what, forged] of Object.entries(kinds)) {
    const sizes: number[] = []
    for (let nth = 0; nth < 8; nth += 1) {
      clock.advance(10)
      await Promise.all(Array.from({ length: 1_000 }, async () => verdict(forged())))
      sizes.push(heapBytes())
    }
    const [, before = 0] = sizes
    const grown = (sizes.at(-1) ?? 0) - before
    t.ok(grown < 400_000, `${grown} bytes more after six thousand more ${what}`)
  }
})

/** Tokens of ours but for the id of their key, each of another one, and that so long. */
function forgeriesOf(valid: string, length = 20): () => string {
  const [, payload = '', signature = ''] = valid.split('.')
  let nth = 0
  return () => {
    nth += 1
    const kid = `forged-${nth}`.padEnd(length, 'x')
    return `${base64url(JSON.stringify({ alg: 'RS256', kid }))}.${payload}.${signature}`
  }
}

t.test('T29 keys are renewed hourly, kept when that fails, and a day without success is told once', async (t) => {
  const lines: string[] = []
  const log = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const { verifier, token, verdict, pool, clock } = startBearers()
  const calls: { call: () => void; ms: number }[] = []
  const watch = createKeyWatch({
    verifier,
    log,
    later: (call, ms) => {
      calls.push({ call, ms })
      return () => undefined
    },
  })
  const next = async (): Promise<number> => {
    const { call, ms } = calls.pop() ?? { call: () => undefined, ms: 0 }
    clock.advance(ms / 1000)
    call()
    while (calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
    return ms
  }
  await watch.start()
  while (calls.length === 0) await new Promise((resolve) => setImmediate(resolve))
  t.equal(await next(), 3_600_000)
  pool.away = true
  await next()
  t.same([await next(), await next(), await next(), await next(), await next()], [1_000, 2_000, 4_000, 8_000, 10_000])
  const stale = (): number => lines.filter((line) => line.includes('keys_stale')).length
  t.equal(stale(), 0)
  clock.advance(86_400)
  await next()
  await next()
  t.equal(stale(), 1)
  t.ok((verifier.keysAgeSeconds ?? 0) > 86_400, 'what the metric shows')
  t.equal(await verdict(token({}, { exp: Math.floor(clock.now() / 1000) + 60 })), 'machine', 'and they are still used')
  pool.away = false
  await next()
  t.ok((verifier.keysAgeSeconds ?? 1) < 1)
  watch.stop()
})

/** An access token of the machine client, straight from the pool. */
async function machineToken(world: World): Promise<string> {
  const answer = await world.client().ask(`${world.pool.url}/oauth2/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: 'grant_type=client_credentials&client_id=orders-batch&client_secret=orders-batch-secret',
  })
  return answer.json().access_token
}

t.test('tokens as they come in requests', async (t) => {
  const world = await startWorld(t)
  const { url, port, pool, application } = world
  const token = await machineToken(world)
  const ask = async (bearer: string, path = '/api/orders/1', method = 'GET') =>
    world.client().ask(url + path, { method, headers: { authorization: `Bearer ${bearer}` } })

  await t.test('T06 a token of another pool is none here, by its own signature or by ours', async (t) => {
    const elsewhere = await startWorld(t)
    const foreign = await machineToken(elsewhere)
    t.equal((await ask(foreign)).status, 401)
    elsewhere.pool.tamper = (_kind, claims) => ({ claims: { ...claims, iss: pool.issuer } })
    t.ok([401, 503].includes((await ask(await machineToken(elsewhere))).status))
    pool.tamper = (_kind, claims) => ({ claims: { ...claims, iss: elsewhere.pool.issuer } })
    t.equal((await ask(await machineToken(world))).status, 401)
    pool.tamper = undefined
  })

  const tokenWith = async (changes: object): Promise<string> => {
    pool.tamper = (_kind, claims) => ({ claims: { ...claims, ...changes } })
    const text = await machineToken(world)
    pool.tamper = undefined
    return text
  }

  await t.test('T14 every scope that a route asks for must be there, letter for letter', async (t) => {
    const cases: readonly (readonly [unknown, number])[] = [
      ['orders/read', 200],
      ['orders/read orders/read', 200],
      ['orders/write orders/read', 200],
      [' orders/write  orders/read ', 200],
      [undefined, 403],
      ['', 403],
      ['orders/readwrite', 403],
      ['orders/rea', 403],
      ['xorders/read', 403],
      ['orders/READ', 403],
      ['orders/write,orders/read', 403],
      ['orders/read,orders/write', 403],
      ['orders/write\torders/read', 403],
      ['orders/write\norders/read', 403],
      ['orders/write\u00a0orders/read', 403],
      [['orders/read'], 401],
      [['orders/write', 'orders/read'], 401],
      [{ 'orders/read': true }, 401],
      [7, 401],
    ]
    for (const [scope, status] of cases)
      for (const scp of [undefined, 'orders/read', ['orders/read']])
        t.equal((await ask(await tokenWith({ scope, scp }))).status, status, `${JSON.stringify(scope)} ${String(scp)}`)
  })

  await t.test(
    'T14 of five thousand scopes each counts, as far as a token with them fits into a request',
    async (t) => {
      const many = Array.from({ length: 4_999 }, (_, nth) => `a/${nth}`)
      const near = Array.from({ length: 4_999 }, (_, nth) => `orders/read${nth}`)
      for (const at of [0, 2_500, 4_999])
        t.equal((await ask(await tokenWith({ scope: many.toSpliced(at, 0, 'orders/read').join(' ') }))).status, 200)
      t.equal((await ask(await tokenWith({ scope: many.join(' ') }))).status, 403)
      const large = await tokenWith({ scope: [...near, 'orders/read'].join(' ') })
      const reached = application.seen.length
      const answer = await sendRaw(
        port,
        `GET /api/orders/1 HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${large}\r\n\r\n`,
      )
      t.equal(answer.status, 431, `${large.length} bytes`)
      t.equal(application.seen.length, reached)
    },
  )

  await t.test('T24 a token that let in on one route is judged anew on another', async (t) => {
    t.equal((await ask(token)).status, 200)
    t.equal((await ask(token, '/api/orders/1', 'POST')).status, 403)
    t.equal((await ask(token, '/admin/x')).status, 403)
    t.equal((await ask(token)).status, 200)
  })

  await t.test('T32 a machine is no person', async (t) => {
    const answer = await ask(token, '/page')
    t.equal(answer.status, 403)
    t.equal(answer.json().code, 'GW_FORBIDDEN')
  })

  await t.test('T22 a token counts in one header of one form, and anywhere else is never logged', async (t) => {
    const host = new URL(url).host
    const send = async (lines: string, target = '/api/orders/1', body = '') =>
      sendRaw(port, `${body === '' ? 'GET' : 'POST'} ${target} HTTP/1.1\r\nHost: ${host}\r\n${lines}\r\n${body}`)
    const status = async (lines: string, target?: string) => (await send(lines, target)).status
    const form = `access_token=${token}`
    t.equal(await status(`Authorization: Bearer ${token}\r\n`), 200)
    t.equal(await status(`Authorization: bearer ${token}\r\n`), 200)
    t.equal(await status('', `/api/orders/1?${form}`), 401)
    t.equal(await status(`Cookie: access_token=${token}; Authorization=Bearer ${token}\r\n`), 401)
    t.equal(await status(`Authorization: Bearer  ${token}\r\n`), 401)
    t.equal(await status(`Authorization: ${token}\r\n`), 401)
    t.equal(await status(`Authorization: Basic eA==, Bearer ${token}\r\n`), 401)
    t.equal(await status(`Authorization: Bearer ${token}, Bearer ${token}\r\n`), 401)
    t.equal(await status(`Authorization: Bearer ${token}\r\nAuthorization: Bearer ${token}\r\n`), 400)
    const posted = await send(
      `Content-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n`,
      '/api/orders/1',
      form,
    )
    t.equal(posted.status, 401)
    t.notOk(world.log.join('').includes(token.slice(-40)))
  })

  await t.test('T22 a token of ours in any other spelling is refused, beside a session too', async (t) => {
    const host = new URL(url).host
    const bob = world.client()
    await bob.signIn(`${url}/`, 'bob')
    const cookie = [...bob.jarOf(host)].map(([name, value]) => `${name}=${value}`).join('; ')
    const send = async (target: string, authorization: string) =>
      sendRaw(
        port,
        Buffer.from(
          `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nCookie: ${cookie}\r\nAuthorization: ${authorization}\r\n\r\n`,
          'latin1',
        ),
      )
    t.equal((await send('/page', 'Bearer of-the-application')).status, 200)
    t.equal(application.seen.pop()?.headers['authorization'], 'Bearer of-the-application')
    const [header = '', payload = '', signature = ''] = token.split('.')
    const padded = (part: string): string => `${part}${'='.repeat((4 - (part.length % 4)) % 4 || 4)}`
    const spellings = [
      `Bearer  ${token}`,
      `bearer\t${token}`,
      `Bearer \t ${token}`,
      `Bearer\u00a0${token}`,
      `\u00a0Bearer ${token}`,
      `Bearer ${padded(header)}.${padded(payload)}.${padded(signature)}`,
      `Bearer ${header}.${padded(payload)}.${signature}`,
      `Bearer ${token},`,
      `Bearer ${token};a=b`,
      `Bearer ${token}.`,
      `Bearer ${token}.${signature}`,
      `Bearer ${token} ${token}`,
      `Bearer ${token}, Basic eA==`,
      `Bearer "${token}"`,
      `Bearer ${header}.${payload}`,
    ]
    for (const spelling of spellings) {
      const answer = await send('/page', spelling)
      t.equal(answer.status, 401, spelling.replaceAll(/[\w-]{20,}/g, '…'))
      t.equal(answer.header('x-gateway-code'), 'GW_TOKEN_INVALID')
      // Nobody is asked here, so it is only taken out; that no application has seen it, the end of this test says.
      t.equal((await send('/public/x', spelling)).status, 200)
    }
  })

  await t.test('T18 a token that is larger than all headers may be never becomes a request', async (t) => {
    const answer = await sendRaw(
      port,
      `GET /page HTTP/1.1\r\nHost: ${new URL(url).host}\r\nAuthorization: Bearer ${'a'.repeat(70_000)}\r\n\r\n`,
    )
    t.equal(answer.status, 431)
  })

  await t.test('T33 a refusal does not say why, and the log does', async (t) => {
    const old = Math.floor(world.clock.now() / 1000) - 60
    pool.tamper = (_kind, claims) => ({ claims: { ...claims, exp: old } })
    const expired = await ask(await machineToken(world))
    pool.tamper = undefined
    const forged = await ask(`${token.slice(0, -8)}AAAAAAAA`)
    for (const answer of [expired, forged]) {
      t.equal(answer.status, 401)
      t.equal(answer.header('www-authenticate'), 'Bearer error="invalid_token"')
      t.notMatch(answer.text, /expire|signature/i)
    }
    const said = expired.json()
    t.same({ ...forged.json(), requestId: '' }, { ...said, requestId: '' })
    const reasons = world.log.map((line) => JSON.parse(line)).filter(({ event }) => event === 'request')
    t.same(
      reasons.slice(-2).map(({ reason }) => reason),
      ['token_expired', 'token_invalid'],
    )
  })

  await t.test('T29 the age of the keys is a metric', async (t) => {
    world.clock.advance(90_000)
    t.ok(valueOf(await world.metrics(), 'cognito_gateway_jwks_age_seconds') >= 90_000)
  })

  await t.test(
    'T25 a pool that answers for its keys with too much, a redirect or an error is not believed',
    async (t) => {
      const faults: readonly (readonly [string, object])[] = [
        ['an error', { status: 500, body: {} }],
        ['a page', { status: 200, rawBody: '<html>' }],
        ['10 MB', { status: 200, rawBody: `{"keys":[],"x":"${'x'.repeat(10_000_000)}"}` }],
        ['a redirect', { status: 302, headers: { location: `${pool.issuer}/.well-known/jwks.json` }, body: '' }],
        ['a reset', { reset: true }],
      ]
      await pool.rotateKeys({ keep: true })
      for (const [what, fault] of faults) {
        world.clock.advance(11)
        pool.faults.length = 0
        pool.faults.push({ on: 'jwks', times: 5, ...fault })
        const answer = await ask(await machineToken(world))
        t.equal(answer.status, 503, what)
        t.ok(answer.header('retry-after'), what)
      }
      pool.faults.length = 0
      world.clock.advance(11)
      t.equal((await ask(await machineToken(world))).status, 200)
    },
  )

  t.ok(
    application.seen.every(({ headers }) => headers['authorization'] === undefined),
    'no token ever reached the application',
  )
})
