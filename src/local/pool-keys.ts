import { randomBytes } from 'node:crypto'
import { exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose'

export interface SigningKey {
  /** 44 characters of base64 that end with `=`, as Cognito's do. */
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly publicKey: CryptoKey
  readonly jwk: JWK
}

/** What signs each kind of token: in Cognito the ID and the access token of one session never share a key. */
export interface SigningKeys {
  readonly id: SigningKey
  readonly access: SigningKey
}

/** Where keys come from; no two are the same. */
export type NewSigningKey = () => Promise<SigningKey>

/** The pool's signing keys: the two in use, and earlier ones that are still published. */
export class KeyRing {
  #current: SigningKeys
  #retired: readonly SigningKey[] = []
  readonly #newKey: NewSigningKey

  private constructor(current: SigningKeys, newKey: NewSigningKey) {
    this.#current = current
    this.#newKey = newKey
  }

  static async create(newKey: NewSigningKey = newSigningKey): Promise<KeyRing> {
    return new KeyRing(await newKeys(newKey), newKey)
  }

  get current(): SigningKeys {
    return this.#current
  }

  get published(): readonly SigningKey[] {
    return [this.#current.id, this.#current.access, ...this.#retired]
  }

  find(kid: string | undefined): SigningKey | undefined {
    return this.published.find((key) => key.kid === kid)
  }

  /** Signs with new keys from now on; without `keep`, tokens signed before can no longer be verified. */
  async rotate(keep: boolean): Promise<void> {
    const next = await newKeys(this.#newKey)
    this.#retired = keep ? this.published : []
    this.#current = next
  }
}

/** A key that no pool publishes, for tests of verifiers. */
export async function newSigningKey(): Promise<SigningKey> {
  const { publicKey, privateKey } = await generateKeyPair('RS256', { modulusLength: 2048, extractable: true })
  const { n = '', e = '' } = await exportJWK(publicKey)
  const kid = randomBytes(32).toString('base64')
  return { kid, privateKey, publicKey, jwk: { alg: 'RS256', e, kid, kty: 'RSA', n, use: 'sig' } }
}

async function newKeys(newKey: NewSigningKey): Promise<SigningKeys> {
  const [id, access] = await Promise.all([newKey(), newKey()])
  return { id, access }
}
