import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { readSecretFile } from './secrets.ts'
import { unreadable } from './source.ts'

const MAX_BYTES = 4_194_304

/** Certificates of a file in the order in which they stand there, with the file's text; or what is wrong with it. */
export type CertificateReading =
  | {
      readonly certificates: readonly [X509Certificate, ...X509Certificate[]]
      readonly pem: string
      readonly fault?: never
    }
  | { readonly fault: string }

export function certificatesIn(file: string): CertificateReading {
  try {
    const stats = statSync(file)
    if (!stats.isFile()) return { fault: 'is not a file: name the file that holds the certificate' }
    if (stats.size > MAX_BYTES) return { fault: `is larger than ${MAX_BYTES} bytes: this is no certificate` }
    return parsed(readFileSync(file, 'utf8'))
  } catch (error) {
    return { fault: unreadable(error) }
  }
}

function parsed(pem: string): CertificateReading {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
  try {
    const [first, ...others] = blocks.map((block) => new X509Certificate(block))
    if (first === undefined) return { fault: 'holds no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----' }
    return { certificates: [first, ...others], pem }
  } catch {
    return { fault: 'holds a certificate that cannot be read: make the file again' }
  }
}

export interface KeyReading {
  readonly key?: KeyObject
  readonly pem?: string
  readonly fault?: string | undefined
  /** Others can read the file. */
  readonly warning?: string | undefined
}

/** The private key of a file that only its owner may change. Never says what is in it. */
export function privateKeyIn(file: string): KeyReading {
  const { text, fault, warning } = readSecretFile(file)
  if (fault !== undefined) return { fault, warning }
  if (text.includes('ENCRYPTED'))
    return { fault: 'is locked with a passphrase: write the key without one, and chmod 600 it', warning }
  try {
    return { key: createPrivateKey(text), pem: text, warning }
  } catch {
    return { fault: 'holds no private key in PEM: it begins with -----BEGIN PRIVATE KEY-----', warning }
  }
}
