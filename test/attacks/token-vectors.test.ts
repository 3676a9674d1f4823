import {
  createHash,
  createHmac,
  createSign,
  generateKeyPairSync,
  generatePrimeSync,
  sign as signWith,
} from 'node:crypto'
import t from 'tap'
import { soundKeysIn } from '../../src/adapters/jwks.ts'
import { one, other, refused, startBearers } from './bearer-reader.ts'
import { digestInfo, flawedDigestInfos } from './der-flaws.ts'
import { base64url, makeKey, paddedSignature, rawSignature, signed } from './token-forger.ts'

// T30 names two public collections of vectors, json_web_signature and json_web_key. What is wrong in each class of them is made here anew, as a
// token that Cognito could have issued but for this one thing: a foreign vector would be refused for its claims already, and show nothing.

const { token, verdict, claims, clock } = startBearers()
const valid = token()
const [header = '', payload = '', signature = ''] = valid.split('.')
const input = `${header}.${payload}`
const PSS = 6

const headerOf = (alg: string): string => base64url(JSON.stringify({ alg, kid: 'one' }))
const signatureOver = (text: string): string =>
  createSign('sha256').update(text).sign(one.privateKey).toString('base64url')
/** Signed as it stands, so that nothing but its spelling can be wrong. */
const spelt = (start: string): string => `${start}.${signatureOver(start)}`

const PRIMITIVES: Readonly<Record<string, (text: string) => Buffer>> = Object.fromEntries(
  [256, 384, 512].flatMap((bits) => [
    [`RS${bits}`, (text: string) => signWith(`sha${bits}`, Buffer.from(text), one.privateKey)],
    [`PS${bits}`, (text: string) => signWith(`sha${bits}`, Buffer.from(text), { key: one.privateKey, padding: PSS })],
  ]),
)

/** Signatures by each algorithm of RSA, called each algorithm of RSA, but for the one pair that is right. */
function wrongPrimitives(): Readonly<Record<string, string>> {
  const pairs = Object.keys(PRIMITIVES).flatMap((called) =>
    Object.entries(PRIMITIVES)
      .filter(([made]) => called !== 'RS256' || made !== 'RS256')
      .map(([made, primitive]) => {
        const start = `${headerOf(called)}.${payload}`
        return [`${made} called ${called}`, `${start}.${primitive(start).toString('base64url')}`] as const
      }),
  )
  const sha1 = createSign('sha1').update(input).sign(one.privateKey).toString('base64url')
  return { ...Object.fromEntries(pairs), 'RS256 over SHA-1': `${input}.${sha1}` }
}

function algorithmsOfAnotherKind(): Readonly<Record<string, string>> {
  const withMac = (secret: string | Buffer): string => {
    const start = `${headerOf('HS256')}.${payload}`
    return `${start}.${createHmac('sha256', secret).update(start).digest('base64url')}`
  }
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  const start = `${headerOf('ES256')}.${payload}`
  const unsigned = (header: object, end = ''): string => `${base64url(JSON.stringify(header))}.${payload}.${end}`
  return {
    none: unsigned({ alg: 'none', kid: 'one' }),
    'none in capitals': unsigned({ alg: 'NONE' }),
    'none of a key called none': unsigned({ alg: 'none', kid: 'none' }),
    'none without a key': unsigned({ alg: 'none' }),
    'none with a signature': unsigned({ alg: 'none', kid: 'one' }, signature),
    'no algorithm': unsigned({ kid: 'one' }, signature),
    'RS256 in other letters': unsigned({ alg: 'rs256', kid: 'one' }, signature),
    'HS256 with the public key as PEM': withMac(one.publicKey.export({ format: 'pem', type: 'spki' })),
    'HS256 with the public key as DER': withMac(one.publicKey.export({ format: 'der', type: 'spki' })),
    'HS256 with the modulus': withMac(String(one.jwk['n'])),
    'HS256 with nothing': withMac(''),
    ES256: `${start}.${signWith('sha256', Buffer.from(start), { key: ec, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`,
  }
}

/** Parts that are missing, too many, or not those that were signed. */
function wrongParts(): Readonly<Record<string, string>> {
  const changed = (text: string): string => (text.startsWith('A') ? 'B' : 'A') + text.slice(1)
  const embedded = JSON.stringify({ alg: 'RS256', kid: 'one', jwk: { ...other.jwk, kid: 'one' } })
  return {
    'modified signature': `${input}.${changed(signature)}`,
    'missing signature': `${input}.`,
    'missing signature and separator': input,
    'modified payload': `${header}.${base64url(JSON.stringify({ ...claims, sub: 'x' }))}.${signature}`,
    'missing payload': `${header}..${signature}`,
    'missing payload and separator': `${header}.${signature}`,
    'modified header': `${base64url('{"alg":"RS256","kid":"Xne"}')}.${payload}.${signature}`,
    'modified header that names the same key': `${base64url('{"alg":"RS256","kid":"one" }')}.${payload}.${signature}`,
    'missing header': `.${payload}.${signature}`,
    'missing header and separator': `${payload}.${signature}`,
    'missing header and signature': `.${payload}.`,
    'payload alone': payload,
    'empty string': '',
    'nothing but separators': '..',
    'extra empty component': `${valid}.`,
    'extra component': `${valid}.foo`,
    'JSON serialization': JSON.stringify({ payload, signatures: [{ protected: header, signature }] }),
    'flattened JSON serialization': JSON.stringify({ payload, protected: header, signature }),
    'JSON serialization in Base64': base64url(JSON.stringify({ payload, protected: header, signature })),
    'an embedded key': signed(embedded, JSON.stringify(claims), other.privateKey),
    'the key of somebody else': token({ kid: 'one' }, {}, other),
  }
}

/** Spellings that only a lenient reader of Base64 understands; most are signed as they stand. */
function wrongSpellings(): Readonly<Record<string, string>> {
  const loose = (text: string): string => {
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    return text.slice(0, -1) + (alphabet[alphabet.indexOf(text.at(-1) ?? '') ^ 1] ?? '')
  }
  // Ends in a character of which not every bit counts.
  const short = [0, 1, 2]
    .map((more) => base64url(JSON.stringify({ ...claims, more: 'x'.repeat(more) })))
    .find((text) => text.length % 4 === 2)
  return {
    'spaces in the signature': `${input}.    ${signature}`,
    'another character in the signature': `${input}.?${signature}`,
    'another character at the end of the signature': `${input}.${signature}?`,
    'another character for one of the signature': `${input}.?${signature.slice(1)}`,
    'other characters for four of the signature': `${input}.????${signature.slice(4)}`,
    'padding of the signature': `${valid}=`,
    'too much padding of the signature': `${valid}==`,
    'spaces after the header': spelt(`${header}    .${payload}`),
    'other characters after the header': spelt(`${header}####.${payload}`),
    'another character in the header': spelt(`${header.slice(0, 9)}?${header.slice(9)}.${payload}`),
    'padding of the header': spelt(`${header}=.${payload}`),
    'spaces before the payload': spelt(`${header}.    ${payload}`),
    'other characters before the payload': spelt(`${header}.####${payload}`),
    'another character in the payload': spelt(`${header}.${payload.slice(0, 9)}?${payload.slice(9)}`),
    'another character in a payload that was signed without': `${header}.${payload}?.${signature}`,
    'padding of the payload': spelt(`${header}.${payload}=`),
    'padding of a payload that was signed without': `${header}.${payload}=.${signature}`,
    'unused bits in the payload': spelt(`${header}.${loose(short ?? '')}`),
    'unused bits in a payload that was signed without': `${header}.${loose(short ?? '')}.${signatureOver(`${header}.${short}`)}`,
    'unused bits in the signature': `${input}.${loose(signature)}`,
    'the other alphabet': `${input}.${signature.replaceAll('-', '+').replaceAll('_', '/')}`,
  }
}

const bytesOf = (number: bigint, length: number): Buffer =>
  Buffer.from(number.toString(16).padStart(length * 2, '0'), 'hex')
const numberOf = (text: unknown): bigint => BigInt(`0x${Buffer.from(String(text), 'base64url').toString('hex')}`)

/** Signatures that are another number than the one between 0 and the modulus, or that number otherwise written. */
function wrongNumbers(): Readonly<Record<string, string>> {
  const modulus = numberOf(one.jwk['n'])
  const right = numberOf(signature)
  const as = (number: bigint, length = 256): string => `${input}.${bytesOf(number, length).toString('base64url')}`
  return {
    zero: as(0n),
    one: as(1n),
    'the modulus less one': as(modulus - 1n),
    'the modulus': as(modulus),
    'the signature and the modulus': as(right + modulus, 257),
    'the modulus less the signature': as(modulus - right),
    'zeros before it': as(right, 258),
    'zeros after it': as(right << 16n, 258),
    'without its last bytes': `${input}.${Buffer.from(signature, 'base64url').subarray(0, -2).toString('base64url')}`,
    'without its first byte': `${input}.${Buffer.from(signature, 'base64url').subarray(1).toString('base64url')}`,
  }
}

/** Blocks of PKCS #1 with the right DigestInfo in the wrong place. */
function wrongBlocks(info: Buffer): Readonly<Record<string, string>> {
  const filled = (length: number, byte = 0xff): Buffer => Buffer.alloc(length, byte)
  const fill = 256 - 3 - info.length
  const block = (...parts: readonly Buffer[]): string =>
    `${input}.${rawSignature(Buffer.concat(parts), one.privateKey)}`
  const start = Buffer.from([0, 1])
  const zero = Buffer.alloc(1)
  return {
    'block type 0': block(Buffer.from([0, 0]), filled(fill), zero, info),
    'block type 2': block(Buffer.from([0, 2]), filled(fill), zero, info),
    'padding of zeros': block(start, filled(fill, 0), zero, info),
    'padding with one other byte': block(start, filled(9), Buffer.from([0xfe]), filled(fill - 10), zero, info),
    'no end of the padding': block(start, filled(fill + 1), info),
    'little padding, and garbage after it': block(start, filled(8), zero, info, filled(fill - 8, 0x41)),
    'no padding, and garbage after it': block(start, zero, info, filled(fill, 0)),
  }
}

t.test('T30 the tools of these tests make what is right', async (t) => {
  const info = digestInfo(createHash('sha256').update(input).digest())
  t.equal(paddedSignature(info, one.privateKey), signature)
  t.equal(await verdict(spelt(input)), 'machine')
  const spaces = base64url('{ "kid" : "one",\n\t"alg" : "RS256" }')
  t.equal(await verdict(spelt(`${spaces}.${payload}`)), 'machine', 'spaces between the words of a header are no flaw')
})

const digest = createHash('sha256').update(input).digest()
const classes: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'whose parts are missing, too many or changed': wrongParts(),
  'in a loose spelling of Base64, whoever signed it': wrongSpellings(),
  'by an algorithm of another kind, or by none': algorithmsOfAnotherKind(),
  'by another algorithm of RSA than it says, or than Cognito has': wrongPrimitives(),
  'whose signature is another number': wrongNumbers(),
  'whose padding is not the one that there is': wrongBlocks(digestInfo(digest)),
  'whose DigestInfo is not the one spelling that there is': Object.fromEntries(
    [...flawedDigestInfos(digest)].map(([what, info]) => [what, `${input}.${paddedSignature(info, one.privateKey)}`]),
  ),
}
for (const [what, tokens] of Object.entries(classes))
  t.test(`T30 a token ${what}, is none`, async (t) => {
    for (const [flaw, text] of Object.entries(tokens)) {
      t.not(text, valid, `${flaw} is another token`)
      // Whether there is a key of an unknown id can be said again.
      clock.advance(11)
      t.ok(refused.includes(await verdict(text)), flaw)
    }
  })

t.test('T30 a published key that is weak, secret, broken or for something else is none', async (t) => {
  const weak = makeKey('weak', 1024)
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { x, y, ...curve } = ec.publicKey.export({ format: 'jwk' })
  const point = { ...curve, x, y, alg: 'ES256', use: 'sig' }
  const secret = { kty: 'oct', use: 'sig', alg: 'HS256' }
  const { alg: _alg, use: _use, ...plain } = other.jwk
  const keys: Readonly<Record<string, object>> = {
    'of 1,024 bits': weak.jwk,
    'with an exponent of one': { ...other.jwk, e: 'AQ' },
    'with an even exponent': { ...other.jwk, e: 'AQAA' },
    'whose primes follow a pattern': { ...other.jwk, n: patternedModulus() },
    'for encryption, by its use': { ...plain, use: 'enc' },
    'for encryption, by its algorithm': { ...plain, alg: 'RSA1_5', use: 'enc' },
    'for encryption, by its operations': { ...plain, key_ops: ['encrypt'] },
    'for signing, by its operations': { ...plain, key_ops: ['sign'] },
    'for no operation': { ...plain, key_ops: [] },
    'with operations that are no list': { ...plain, key_ops: 'verify' },
    'for another algorithm': { ...other.jwk, alg: 'RS512' },
    'with its private parts': { ...other.privateKey.export({ format: 'jwk' }), alg: 'RS256', use: 'sig' },
    ...Object.fromEntries(
      ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth'].map((part) => [`with ${part} alone`, { ...other.jwk, [part]: 'AQAB' }]),
    ),
    'with an empty private part': { ...other.jwk, d: null },
    'with an even modulus': { ...other.jwk, n: modulusTimes(2n) },
    'with a modulus that 3 divides': { ...other.jwk, n: modulusTimes(3n) },
    'with a modulus that 167 divides': { ...other.jwk, n: modulusTimes(167n) },
    'without a modulus': { ...other.jwk, n: undefined },
    'of a curve': point,
    'of a curve, called RSA': { ...point, kty: 'RSA', alg: 'RS256' },
    'of a curve, for an algorithm that there is not': { ...point, alg: 'ES224' },
    'of a curve, for one of another curve': { ...point, alg: 'ES521' },
    'of a curve, for encryption': { ...point, use: 'enc' },
    'of another curve than its point': { ...point, crv: 'P-384' },
    'with a point that is not on its curve': { ...point, y: x },
    'that is a secret': { ...secret, k: base64url('k'.repeat(32)) },
    'that is a short secret': { ...secret, k: base64url('k'.repeat(31)) },
    'that is an empty secret': { ...secret, k: '' },
    'that is a secret of AES-GCM': { ...secret, alg: 'A256GCM', k: base64url('k'.repeat(32)) },
    'that is a secret of AES-KW': { ...secret, alg: 'A256KW', k: base64url('k'.repeat(32)) },
  }
  const published = Object.entries(keys).map(([kid, key]) => ({ ...key, kid }))
  const reader = startBearers({ published: [...published, { ...other.jwk, kid: 7 }, one.jwk] })
  t.equal(await reader.verdict(reader.token()), 'machine', 'beside all of them the one that is sound counts')
  for (const { kid } of published) {
    t.same(kidsIn(kid, published), ['one'], kid)
    for (const key of [other, weak])
      t.ok([...refused, 'GW_POOL_UNAVAILABLE'].includes(await reader.verdict(reader.token({ kid }, {}, key))), kid)
  }
  reader.clock.advance(11)
  const start = `${base64url('{"alg":"HS256","kid":"that is a secret"}')}.${base64url(JSON.stringify(claims))}`
  const mac = createHmac('sha256', 'k'.repeat(32)).update(start).digest('base64url')
  t.ok(refused.includes(await reader.verdict(`${start}.${mac}`)), 'nothing that a published secret has signed')
  const usable = [
    { ...plain, kid: 'x' },
    { ...plain, kid: 'y', key_ops: ['verify'] },
  ]
  t.same(kidsIn('y', usable), ['y', 'one'], 'a key that says what it is for, and is for this')
  t.same(kidsIn('x', usable), ['x', 'one'], 'a key that says nothing')
})

/** The ids of what is sound of two keys: the one that is asked about, and one that always is. */
function kidsIn(kid: string, keys: readonly { readonly kid: string }[]): readonly string[] {
  const asked = keys.filter((key) => key.kid === kid)
  const document = new Uint8Array(Buffer.from(JSON.stringify({ keys: [...asked, one.jwk] }))).buffer
  return JSON.parse(Buffer.from(soundKeysIn(document)).toString()).keys.map((key: { kid: string }) => key.kid)
}

/** A sound modulus, and this factor beside its primes. */
function modulusTimes(factor: bigint): string {
  const sound = BigInt(`0x${Buffer.from(String(other.jwk['n']), 'base64url').toString('hex')}`)
  return bytesOf(sound * factor, 257).toString('base64url')
}

/** A modulus of 2,048 bits whose primes are powers of 65537 modulo every small prime, as CVE-2017-15361 made them. */
function patternedModulus(): string {
  const small = Array.from({ length: 166 }, (_, at) => at + 2).filter(
    (n) => ![2, 3, 5, 7, 11].some((p) => n > p && n % p === 0),
  )
  const step = small.reduce((product, prime) => product * BigInt(prime), 1n)
  const [p = 1n, q = 1n] = [65_537n, 65_537n ** 5n].map((power) =>
    generatePrimeSync(1_024, { add: step, rem: power % step, bigint: true }),
  )
  const modulus = p * q
  return modulus < 1n << 2_047n ? patternedModulus() : bytesOf(modulus, 256).toString('base64url')
}
