import { createPublicKey } from 'node:crypto'
import { hasSmallFactor, isPatterned } from '../domain/rsa-modulus.ts'

const LEAST_BITS = 2_048
const LEAST_EXPONENT = 3n
/** Of RSA (RFC 7518 6.3.2): with any one of them published everybody can sign. */
const PRIVATE_PARTS = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth']

interface Key {
  readonly kty: 'RSA'
  readonly alg: 'RS256'
  readonly use: 'sig'
  readonly kid: string
  readonly n: string
  readonly e: string
}

/**
 * The keys of a JWKS document that can check a signature of Cognito: RS256, at least 2,048 bits, made to verify, each with an id of its own.
 * One that is none spoils nothing; of two with one id nobody could say which counts, so neither does. Throws where no key is left.
 */
export function soundKeysIn(document: ArrayBuffer): ArrayBuffer {
  const parsed: unknown = JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(document))
  const listed: readonly unknown[] =
    typeof parsed === 'object' && parsed !== null && 'keys' in parsed && Array.isArray(parsed.keys) ? parsed.keys : []
  const sound = listed.flatMap((key) => soundKey(key) ?? [])
  const alone = sound.filter(({ kid }) => sound.filter((other) => other.kid === kid).length === 1)
  if (alone.length === 0) throw new TypeError('the document holds no key that could be used')
  return new Uint8Array(Buffer.from(JSON.stringify({ keys: alone }))).buffer
}

function soundKey(key: unknown): Key | undefined {
  if (typeof key !== 'object' || key === null) return undefined
  const jwk: Readonly<Record<string, unknown>> = { ...key }
  const { kty, alg = 'RS256', use = 'sig', key_ops: operations = ['verify'], kid, n, e } = jwk
  if (kty !== 'RSA' || alg !== 'RS256' || use !== 'sig') return undefined
  if (!Array.isArray(operations) || !operations.includes('verify')) return undefined
  if (PRIVATE_PARTS.some((part) => Object.hasOwn(jwk, part))) return undefined
  if (typeof kid !== 'string' || kid === '' || typeof n !== 'string' || typeof e !== 'string') return undefined
  try {
    const { modulusLength = 0, publicExponent = 0n } =
      createPublicKey({ key: { kty, n, e }, format: 'jwk' }).asymmetricKeyDetails ?? {}
    const strong = modulusLength >= LEAST_BITS && publicExponent >= LEAST_EXPONENT && publicExponent % 2n === 1n
    const modulus = modulusOf(n)
    return strong && !isPatterned(modulus) && !hasSmallFactor(modulus) ? { kty, alg, use, kid, n, e } : undefined
  } catch {
    return undefined
  }
}

const modulusOf = (n: string): bigint => BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
