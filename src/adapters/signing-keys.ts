import { createHash, createPrivateKey, createPublicKey, sign, type JsonWebKey, type KeyObject } from 'node:crypto'

/** Keys that sign statements for applications (ES256), and their public halves. They change while the gateway runs, all at once. */
export interface SigningKeys {
  /** Undefined where the settings name none. */
  readonly first: SigningKey | undefined
  /** Every key, so that what another replica signs can be verified as well. */
  readonly published: readonly PublishedKey[]
  /** From now on these are the keys, as PEM: the first signs, all are published. */
  replace(pems: readonly string[]): void
}

export interface SigningKey {
  readonly kid: string
  /** A signature in the form of JWS (RFC 7518 3.4), as base64url. */
  readonly sign: (input: string) => string
}

export interface PublishedKey {
  readonly kid: string
  readonly jwk: JsonWebKey
  readonly pem: string
}

/** How keys are called: by their thumbprint (RFC 7638), or by a UUID made of it, which is what a load balancer of AWS does. */
export type KeyNaming = 'thumbprint' | 'uuid'

/** Throws for anything that is no P-256 private key as PEM. */
export function createSigningKeys(pems: readonly string[], naming: KeyNaming): SigningKeys {
  let keys = pems.map((pem) => readKey(pem, naming))
  return {
    get first() {
      return keys[0]?.signing
    },
    get published() {
      return keys.map(({ published }) => published)
    },
    replace(next) {
      keys = next.map((pem) => readKey(pem, naming))
    },
  }
}

function readKey(pem: string, naming: KeyNaming): { readonly signing: SigningKey; readonly published: PublishedKey } {
  const privateKey = createPrivateKey(pem)
  const publicKey = createPublicKey(privateKey)
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' })
  if (kty !== 'EC' || crv !== 'P-256' || x === undefined || y === undefined) throw new TypeError('not a P-256 key')
  // Members in the order of RFC 7638.
  const digest = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest()
  const kid = naming === 'thumbprint' ? digest.toString('base64url') : uuidOf(digest)
  return {
    signing: { kid, sign: (input) => signature(privateKey, input) },
    published: {
      kid,
      jwk: { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' },
      pem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    },
  }
}

function signature(key: KeyObject, input: string): string {
  return sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
}

/** RFC 9562 version 8: the digest decides, so that every replica calls a key by the same name. */
function uuidOf(digest: Buffer): string {
  const bytes = Buffer.from(digest.subarray(0, 16))
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
