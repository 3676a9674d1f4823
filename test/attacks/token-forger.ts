import { constants, createSign, generateKeyPairSync, privateEncrypt, type KeyObject } from 'node:crypto'

/** Signs by hand, so that nothing repairs what a test breaks. */
export const base64url = (text: string | Buffer): string => Buffer.from(text).toString('base64url')

export interface SigningKey {
  readonly kid: string
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  readonly jwk: Readonly<Record<string, unknown>>
}

export function makeKey(kid: string, modulusLength = 2048): SigningKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength })
  return { kid, privateKey, publicKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'RS256', use: 'sig' } }
}

/** A compact JWS over these very texts. */
export function signed(header: string, payload: string, key: KeyObject): string {
  const input = `${base64url(header)}.${base64url(payload)}`
  return `${input}.${createSign('sha256').update(input).sign(key).toString('base64url')}`
}

/** A signature whose inside is this instead of the DigestInfo of PKCS #1, under the key that it should be under. */
export function paddedSignature(inside: Buffer, key: KeyObject): string {
  return rawSignature(
    Buffer.concat([Buffer.from([0, 1]), Buffer.alloc(256 - 3 - inside.length, 0xff), Buffer.from([0]), inside]),
    key,
  )
}

/** A signature that is this block of 256 bytes under the key. */
export function rawSignature(block: Buffer, key: KeyObject): string {
  return privateEncrypt({ key, padding: constants.RSA_NO_PADDING }, block).toString('base64url')
}
