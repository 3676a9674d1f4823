import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'

/** What a key is for. Each purpose has its own key, so that a value sealed for one never opens as another. */
export type SealPurpose = 'session' | 'state' | 'attempt' | 'csrf' | 'form'

const IV_BYTES = 12
const TAG_BYTES = 16

/** Derives the 32-byte key of one purpose and context from a master key (HKDF-SHA256, RFC 5869). */
export function deriveKey(master: Buffer, purpose: SealPurpose, context: string): Buffer {
  return Buffer.from(hkdfSync('sha256', master, '', `cognito-gateway/1/${purpose}/${context}`, 32))
}

/** Seals small values as compact JWE (RFC 7516: `dir`, `A256GCM`). The first key seals, every key opens. */
export interface Seal {
  seal(plain: Buffer): string
  /** Null for anything that was not sealed here for this purpose, whatever is wrong with it. */
  open(text: string): { readonly plain: Buffer; readonly oldKey: boolean } | null
}

export function createSeal(masters: readonly Buffer[], purpose: SealPurpose, context: string): Seal {
  const ring = masters.map((master) => {
    const key = deriveKey(master, purpose, context)
    const kid = createHash('sha256').update(key).digest('base64url').slice(0, 8)
    const header = Buffer.from(JSON.stringify({ alg: 'dir', enc: 'A256GCM', kid, typ: `gateway-${purpose}` })).toString(
      'base64url',
    )
    return { key, header, aad: Buffer.from(header, 'ascii') }
  })
  const first = ring[0]
  if (first === undefined) throw new TypeError('a seal needs at least one key')

  return {
    seal(plain) {
      const iv = randomBytes(IV_BYTES)
      const cipher = createCipheriv('aes-256-gcm', first.key, iv, { authTagLength: TAG_BYTES }).setAAD(first.aad)
      const ciphertext = Buffer.concat([cipher.update(plain), cipher.final()])
      return [
        first.header,
        '',
        iv.toString('base64url'),
        ciphertext.toString('base64url'),
        cipher.getAuthTag().toString('base64url'),
      ].join('.')
    },
    open(text) {
      const parts = text.split('.', 6)
      const [header, encryptedKey, ivText, ciphertextText, tagText] = parts
      if (parts.length !== 5 || encryptedKey !== '') return null
      // The header must be byte for byte one of ours: no other algorithm, purpose or key is ever considered.
      const index = ring.findIndex((entry) => entry.header === header)
      const entry = ring[index]
      const iv = canonical(ivText)
      const ciphertext = canonical(ciphertextText)
      const tag = canonical(tagText)
      if (entry === undefined || ciphertext === null || iv?.length !== IV_BYTES || tag?.length !== TAG_BYTES)
        return null
      try {
        const decipher = createDecipheriv('aes-256-gcm', entry.key, iv, { authTagLength: TAG_BYTES })
          .setAAD(entry.aad)
          .setAuthTag(tag)
        return { plain: Buffer.concat([decipher.update(ciphertext), decipher.final()]), oldKey: index > 0 }
      } catch {
        return null
      }
    },
  }
}

/** Decodes base64url that re-encodes to itself: node's decoder skips junk, which would give one value thousands of spellings. */
function canonical(text: string | undefined): Buffer | null {
  if (text === undefined) return null
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}
