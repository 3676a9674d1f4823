import { randomBytes } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import t from 'tap'
import { createSeal, deriveKey } from '../../src/adapters/seal.ts'

const master = randomBytes(32)
const seal = createSeal([master], 'session', 'app')
const text = seal.seal(Buffer.from('hello'))

t.test('what is sealed opens again, and only whole', async (t) => {
  t.equal(seal.open(text)?.plain.toString(), 'hello')
  t.equal(seal.open(text)?.oldKey, false)
  t.not(seal.seal(Buffer.from('hello')), text, 'never the same twice')
})

t.test('the format is a standard JWE: another implementation opens ours and ours opens its', async (t) => {
  const key = deriveKey(master, 'session', 'app')
  const { plaintext, protectedHeader } = await compactDecrypt(text, key)
  t.equal(Buffer.from(plaintext).toString(), 'hello')
  t.match(protectedHeader, { alg: 'dir', enc: 'A256GCM', typ: 'gateway-session' })
  const foreign = await new CompactEncrypt(Buffer.from('theirs'))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: String(protectedHeader.kid), typ: 'gateway-session' })
    .encrypt(key)
  t.equal(seal.open(foreign)?.plain.toString(), 'theirs')
})

t.test('C03 a value that lacks any number of characters at its end is no value', async (t) => {
  for (let length = 0; length < text.length; length += 1)
    t.equal(seal.open(text.slice(0, length)), null, `${length} of ${text.length}`)
})

t.test('C33 every changed character is noticed, and all malformed values look alike', async (t) => {
  for (let at = 0; at < text.length; at += 1) {
    const other = text[at] === 'A' ? 'B' : 'A'
    t.equal(seal.open(text.slice(0, at) + other + text.slice(at + 1)), null, `at ${at}`)
  }
  const nasty = [
    '',
    '.',
    '....',
    '.....',
    'a.b.c.d.e',
    text + '.',
    text + '=',
    ` ${text}`,
    text.replace('..', '.x.'),
    `${text}${text}`,
    '\0',
    '%00',
  ]
  for (const value of nasty) t.equal(seal.open(value), null, JSON.stringify(value).slice(0, 30))
})

t.test('C33 a short tag or another spelling of the same bytes does not open', async (t) => {
  const parts = text.split('.')
  const tag = Buffer.from(parts[4] ?? '', 'base64url')
  for (const length of [4, 8, 12, 13, 14, 15]) {
    t.equal(
      seal.open([...parts.slice(0, 4), tag.subarray(0, length).toString('base64url')].join('.')),
      null,
      `${length} bytes`,
    )
  }
  t.equal(seal.open([...parts.slice(0, 4), `${parts[4]}==`].join('.')), null, 'padding')
  t.equal(seal.open([...parts.slice(0, 3), `${parts[3]}!`, parts[4]].join('.')), null, 'junk that decoders skip')
})

t.test('C04 a value for one purpose is nothing for another', async (t) => {
  for (const purpose of ['state', 'attempt', 'csrf'] as const)
    t.equal(createSeal([master], purpose, 'app').open(text), null, purpose)
})

t.test('C05 a value of another gateway, pool or client is nothing here, even under the same master key', async (t) => {
  t.equal(createSeal([master], 'session', 'other').open(text), null)
})

t.test('keys rotate: the first seals, every one opens, a removed one opens no more', async (t) => {
  const next = randomBytes(32)
  const both = createSeal([next, master], 'session', 'app')
  t.equal(both.open(text)?.oldKey, true)
  t.equal(both.open(both.seal(Buffer.from('x')))?.oldKey, false)
  t.equal(createSeal([next], 'session', 'app').open(text), null)
})

t.test('a header that asks for another algorithm is never considered', async (t) => {
  const [, ...rest] = text.split('.')
  for (const header of [{ alg: 'none' }, { alg: 'dir', enc: 'A128CBC-HS256' }, { alg: 'dir', enc: 'A256GCM' }]) {
    t.equal(seal.open([Buffer.from(JSON.stringify(header)).toString('base64url'), ...rest].join('.')), null)
  }
})
