/** One element of DER: its tag and what is in it. */
interface Element {
  readonly tag: number
  readonly content: Buffer
}

/** What takes the place of an element, by what is wrong about it. */
export type Flaws = ReadonlyMap<string, Buffer>

const hex = (text: string): Buffer => Buffer.from(text, 'hex')
const NULL = hex('0500')
const ZEROS = hex('0000')
const GARBAGE = hex('0004deadbeef')
const CONSTRUCTED = 0x20

/** With its length in the one form that DER has for it. */
export function der(tag: number, ...contents: readonly Buffer[]): Buffer {
  const content = Buffer.concat(contents)
  return Buffer.concat([Buffer.from([tag, content.length]), content])
}

const OID = hex('608648016503040201')
const SHA_256 = { oid: der(0x06, OID), null: NULL }
/** The DigestInfo of PKCS #1 for SHA-256, each part of which a test can exchange. */
export function digestInfo(
  digest: Buffer,
  { algorithm = der(0x30, SHA_256.oid, SHA_256.null), octets = der(0x04, digest) } = {},
): Buffer {
  return der(0x30, algorithm, octets)
}

/** Every DigestInfo that is not the right one, and that a lenient reader could take for it. */
export function flawedDigestInfos(digest: Buffer): ReadonlyMap<string, Buffer> {
  const algorithmOf = (oid: Buffer, parameters: Buffer): Buffer =>
    digestInfo(digest, { algorithm: der(0x30, oid, parameters) })
  const algorithm = { tag: 0x30, content: Buffer.concat([SHA_256.oid, SHA_256.null]) }
  const octets = { tag: 0x04, content: digest }
  const whole = { tag: 0x30, content: digestInfo(digest).subarray(2) }
  const places: readonly (readonly [string, Flaws, (flawed: Buffer) => Buffer])[] = [
    ['DigestInfo', sequenceFlaws(whole, der(0x04, digest)), (flawed) => flawed],
    ['algorithm', sequenceFlaws(algorithm, SHA_256.null), (flawed) => digestInfo(digest, { algorithm: flawed })],
    ['identifier', oidFlaws(), (flawed) => algorithmOf(flawed, SHA_256.null)],
    ['parameters', nullFlaws(), (flawed) => algorithmOf(SHA_256.oid, flawed)],
    ['digest', octetFlaws(octets), (flawed) => digestInfo(digest, { octets: flawed })],
  ]
  const right = digestInfo(digest)
  return new Map(
    places.flatMap(([place, flaws, put]) =>
      [...flaws]
        .map(([what, flawed]) => [`${place}: ${what}`, put(flawed)] as const)
        .filter(([, info]) => !info.equals(right)),
    ),
  )
}

/** What can be wrong about any element: its length, its tag, its form, and what stands before and after it. */
function elementFlaws({ tag, content }: Element): Flaws {
  const right = der(tag, content)
  const withLength = (length: string): Buffer => Buffer.concat([Buffer.from([tag]), hex(length), content])
  const within = (...parts: readonly Buffer[]): Buffer => der(tag | CONSTRUCTED, ...parts)
  const retagged = (by: number): Buffer => Buffer.concat([Buffer.from([(tag + by) & 0xff]), right.subarray(1)])
  const endless = (inner: Buffer): Buffer => Buffer.concat([Buffer.from([tag | CONSTRUCTED, 0x80]), inner, ZEROS])
  const length = (digits: number, more = 0): string => (content.length + more).toString(16).padStart(digits, '0')
  const lengths = {
    'length in long form': `81${length(2)}`,
    'length with a leading zero': `8200${length(2)}`,
    'length one too large': length(2, 1),
    'length one too small': length(2, content.length === 0 ? 0 : -1),
    'length that is right in 32 bits': `8501${length(8)}`,
    'length that is right in 64 bits': `8901${length(16)}`,
    'length 2^31 - 1': '847fffffff',
    'length 2^31': '8480000000',
    'length 2^32 - 1': '84ffffffff',
    'length 2^40 - 1': '85ffffffffff',
    'length 2^64 - 1': '88ffffffffffffffff',
    'length 255 in one byte': 'ff',
    'length without an end': '80',
  }
  return new Map([
    ...Object.entries(lengths).map(([what, text]) => [what, withLength(text)] as const),
    ['missing', Buffer.alloc(0)],
    ['tag alone', right.subarray(0, 1)],
    ['tag with the beginning of a length', Buffer.concat([right.subarray(0, 1), hex('81')])],
    ['zeros at its end', der(tag, content, ZEROS)],
    ['zeros at its beginning', der(tag, ZEROS, content)],
    ['zeros after it', Buffer.concat([right, ZEROS])],
    ['NULL at its end', der(tag, content, NULL)],
    ['garbage before it', within(hex('498177'), right)],
    ['an empty element before it', within(hex('2500'), right)],
    ['garbage after it', within(right, GARBAGE)],
    ['unknown tags before it', within(hex('aa00bb00cd00'), right)],
    ['an unknown tag around nothing', within(hex('aa02aabb'), right)],
    ['composed without a length', endless(right)],
    ['composed of another tag', endless(retagged(1))],
    ['NULL instead of it', NULL],
    ...[-2, -1, 1, 2].map((by) => [`tag changed by ${by}`, retagged(by)] as const),
    ['tag 255', Buffer.concat([hex('ff'), right.subarray(1)])],
    ['empty', der(tag)],
    ['composed of two', within(der(tag, content.subarray(0, 1)), der(tag, content.subarray(1)))],
    ['without its last byte', der(tag, content.subarray(0, -1))],
    ['without its first byte', der(tag, content.subarray(1))],
  ])
}

/** What can be wrong about a sequence besides; `last` is its last element. */
function sequenceFlaws(sequence: Element, last: Buffer): Flaws {
  const { tag, content } = sequence
  const endless = (...parts: readonly string[]): Buffer =>
    Buffer.concat([Buffer.from([tag, 0x80]), content, ...parts.map(hex)])
  return new Map([
    ...elementFlaws(sequence),
    ['without a length', endless('0000')],
    ['without a length and with half an end', endless('00')],
    ['without a length and with one more element', endless('0500', '0000')],
    ['without a length and with the half of an element', endless('060811220000')],
    ['without a length and with garbage at its end', endless('0000', 'fe02beef')],
    ['without a length and with an end that is not empty', endless('0002beef')],
    ['an empty sequence first', der(tag, hex('3000'), content)],
    ['an empty sequence last', der(tag, content, hex('3000'))],
    ['a number last', der(tag, content, hex('020100'))],
    ['a long tag last', der(tag, content, hex('bf7f00'))],
    ['NULL with a tag around it last', der(tag, content, hex('a0020500'))],
    ['NULL with another tag last', der(tag, content, hex('a000'))],
    ['a sequence around it', der(tag, der(tag, content))],
    ['without its last element', der(tag, content.subarray(0, -last.length))],
    ['its last element twice', der(tag, content, last)],
  ])
}

function oidFlaws(): Flaws {
  const otherwise = (text: string): Buffer => der(0x06, hex(text))
  return new Map([
    ...elementFlaws({ tag: 0x06, content: OID }),
    ['another first byte', otherwise('628648016503040201')],
    ['another last byte', otherwise('608648016503040281')],
    ['that of SHA-1', otherwise('2b0e03021a')],
    ['that of SHA-384', otherwise('608648016503040202')],
    ['that of SHA-512', otherwise('608648016503040203')],
    ['one more number', otherwise('60864801650304020101')],
    ['another last number', otherwise('608648016503040211')],
    ['a last number that is right in 32 bits', otherwise('60864801650304028880808001')],
    ['a last number that is right in 64 bits', otherwise('608648016503040282808080808080808001')],
    ['a number without an end', otherwise('608648016503040201e0')],
    ['a number with a leading zero', otherwise('60808648016503040201')],
  ])
}

function nullFlaws(): Flaws {
  return new Map([
    ...elementFlaws({ tag: 0x05, content: Buffer.alloc(0) }),
    ['composed of unknown tags', hex('2580aa00bb000000')],
    ['a long tag', hex('1f0500')],
    ['the octets of a digest', der(0x04, Buffer.alloc(32))],
  ])
}

function octetFlaws(octets: Element): Flaws {
  const { content } = octets
  const flipped = (at: number): Buffer => {
    const copy = Buffer.from(content)
    copy[at] = (copy[at] ?? 0) ^ 2
    return der(0x04, copy)
  }
  return new Map([
    ...elementFlaws(octets),
    ['another first byte', flipped(0)],
    ['another last byte', flipped(content.length - 1)],
    ['the digest of nothing', der(0x04, Buffer.alloc(32))],
  ])
}
