import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto'
import type { KeyRing } from './key-ring.ts'

/** What a key is for. Each purpose has its own key, so that a value sealed for one never opens as another. */
export type SealPurpose = 'session' | 'state' | 'attempt' | 'csrf' | 'form' | 'bound' | 'refresh' | 'handover'

const IV_BYTES = 12
const TAG_BYTES = 16

/** Derives the 32-byte key of one purpose and context from a master key (HKDF-SHA256, RFC 5869). */
export function deriveKey(master: Buffer, purpose: SealPurpose, context: string): Buffer {
  return Buffer.from(hkdfSync('sha256', master, '', `cognito-gateway/1/${purpose}/${context}`, 32))
}

/** Seals small values as compact JWE (RFC 7516: `dir`, `A256GCM`). The first key seals, every key opens. */
export interface Seal {
  seal(plain: Buffer): string
  /** Null for anything that does not open here for this purpose, whatever is wrong with it. */
  open(text: string): { readonly plain: Buffer; readonly oldKey: boolean } | null
  /**
   * Whether a text has the form of what is sealed for this purpose, under a key that is none of ours: perhaps one that other replicas have
   * already. Tells nobody anything, because the name of its key stands readable in each value, and without the key nothing is tried.
   */
  isForeign(text: string): boolean
  /** Calls at once and whenever the keys have changed, so that what was opened with those before is forgotten. */
  onNewKeys(listener: () => void): void
}

interface SealKey {
  readonly key: Buffer
  readonly header: string
  readonly aad: Buffer
}

const KEY_NAME_LENGTH = 8

/** `keys` may change while the process runs, or be a list that never does. */
export function createSeal(
  keys: Pick<KeyRing, 'follow'> | readonly Buffer[],
  purpose: SealPurpose,
  context: string,
): Seal {
  const follow: KeyRing['follow'] = 'follow' in keys ? keys.follow : (listener) => listener(keys)
  let ring: readonly SealKey[] = []
  follow((masters) => {
    ring = masters.map((master) => sealKey(deriveKey(master, purpose, context), purpose))
  })

  return {
    seal(plain) {
      const [first] = ring
      if (first === undefined) throw new TypeError('a seal needs at least one key')
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
      const sealed = parse(text)
      // The header must be byte for byte one of ours: no other algorithm, purpose or key is ever considered.
      const index = ring.findIndex((entry) => entry.header === sealed?.header)
      const entry = ring[index]
      if (entry === undefined || sealed === null) return null
      const { iv, ciphertext, tag } = sealed
      try {
        const decipher = createDecipheriv('aes-256-gcm', entry.key, iv, { authTagLength: TAG_BYTES })
          .setAAD(entry.aad)
          .setAuthTag(tag)
        return { plain: Buffer.concat([decipher.update(ciphertext), decipher.final()]), oldKey: index > 0 }
      } catch {
        return null
      }
    },
    isForeign(text) {
      const header = parse(text)?.header
      return header !== undefined && isHeaderFor(purpose, header) && ring.every((entry) => entry.header !== header)
    },
    onNewKeys: (listener) => follow(listener),
  }
}

function sealKey(key: Buffer, purpose: SealPurpose): SealKey {
  const name = createHash('sha256').update(key).digest('base64url').slice(0, KEY_NAME_LENGTH)
  const header = headerOf(purpose, name)
  return { key, header, aad: Buffer.from(header, 'ascii') }
}

function headerOf(purpose: SealPurpose, keyName: string): string {
  const header = { alg: 'dir', enc: 'A256GCM', kid: keyName, typ: `gateway-${purpose}` }
  return Buffer.from(JSON.stringify(header)).toString('base64url')
}

/** Whether this is a header that we write, whatever key it names. */
function isHeaderFor(purpose: SealPurpose, header: string): boolean {
  const keyName = /"kid":"([\w-]+)"/.exec(Buffer.from(header, 'base64url').toString('latin1'))?.[1] ?? ''
  return keyName.length === KEY_NAME_LENGTH && header === headerOf(purpose, keyName)
}

interface Sealed {
  readonly header: string
  readonly iv: Buffer
  readonly ciphertext: Buffer
  readonly tag: Buffer
}

/** The parts of a value in the one spelling that we write; null for anything else. */
function parse(text: string): Sealed | null {
  const parts = text.split('.', 6)
  const [header, encryptedKey, ivText, ciphertextText, tagText] = parts
  if (parts.length !== 5 || header === undefined || encryptedKey !== '') return null
  const iv = canonical(ivText)
  const ciphertext = canonical(ciphertextText)
  const tag = canonical(tagText)
  if (ciphertext === null || iv?.length !== IV_BYTES || tag?.length !== TAG_BYTES) return null
  return { header, iv, ciphertext, tag }
}

/** Decodes base64url that re-encodes to itself: node's decoder skips junk, which would give one value thousands of spellings. */
function canonical(text: string | undefined): Buffer | null {
  if (text === undefined) return null
  const bytes = Buffer.from(text, 'base64url')
  return bytes.toString('base64url') === text ? bytes : null
}
