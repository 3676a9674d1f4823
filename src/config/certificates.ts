import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Draft } from './draft.ts'
import { atValue, type Finding } from './faults.ts'
import type { Path } from './marks.ts'
import { readSecretFile } from './secrets.ts'
import { unreadable } from './source.ts'

const CERT_FILE: Path = ['listen', 'tls', 'certFile']
const KEY_FILE: Path = ['listen', 'tls', 'keyFile']

export interface CertificateFindings {
  readonly faults: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** What is wrong or unwise with the listener's certificate and key, which are looked for from `folder`. */
export function checkCertificate({ file }: Draft, folder: string): CertificateFindings {
  const { tls } = file.listen
  if (tls === undefined) return { faults: [], warnings: [] }
  const faults: Finding[] = []
  const warnings: Finding[] = []
  const chain = readChain(resolve(folder, tls.certFile), faults)
  const key = readKey(resolve(folder, tls.keyFile), faults, warnings)
  if (chain === undefined || key === undefined) return { faults, warnings }
  const pair = pairFault(chain, key)
  if (pair !== undefined) return { faults: [atValue(KEY_FILE, pair)], warnings }
  return { faults, warnings: [...warnings, ...warnOfCertificate(chain.leaf, file.publicUrl)] }
}

interface Chain {
  readonly pem: string
  readonly leaf: X509Certificate
}

function readChain(path: string, faults: Finding[]): Chain | undefined {
  const fault = (message: string): undefined => void faults.push(atValue(CERT_FILE, `file ${path} ${message}`))
  let pem: string
  try {
    pem = readFileSync(path, 'utf8')
  } catch (error) {
    return fault(unreadable(error))
  }
  if (!pem.includes('-----BEGIN CERTIFICATE-----'))
    return fault('holds no certificate as PEM: it begins with -----BEGIN CERTIFICATE-----')
  try {
    return { pem, leaf: new X509Certificate(pem) }
  } catch {
    return fault('holds a certificate that cannot be read: make the file again')
  }
}

interface Key {
  readonly pem: string
  readonly key: KeyObject
}

function readKey(path: string, faults: Finding[], warnings: Finding[]): Key | undefined {
  const { text: pem, origin, fault, warning } = readSecretFile(path)
  const refuse = (message: string): undefined => void faults.push(atValue(KEY_FILE, `${origin} ${message}`))
  if (fault !== undefined) return refuse(fault)
  if (warning !== undefined) warnings.push(atValue(KEY_FILE, warning))
  if (/ENCRYPTED/.test(pem)) return refuse('is locked with a passphrase: write the key without one, and chmod 600 it')
  try {
    return { pem, key: createPrivateKey(pem) }
  } catch {
    return refuse('holds no private key as PEM: it begins with -----BEGIN PRIVATE KEY-----')
  }
}

function pairFault(chain: Chain, key: Key): string | undefined {
  if (!chain.leaf.checkPrivateKey(key.key))
    return 'is not the key of the first certificate in certFile: name files that belong together'
  try {
    createSecureContext({ cert: chain.pem, key: key.pem })
    return undefined
  } catch {
    return 'and certFile cannot be used for TLS: is the key long enough, and the whole chain PEM?'
  }
}

function warnOfCertificate(leaf: X509Certificate, publicUrl: string | undefined): readonly Finding[] {
  const warnings: Finding[] = []
  if (Date.parse(leaf.validTo) <= Date.now())
    warnings.push(atValue(CERT_FILE, `has expired (${leaf.validTo}): browsers refuse it`))
  if (Date.parse(leaf.validFrom) > Date.now())
    warnings.push(atValue(CERT_FILE, `is not valid before ${leaf.validFrom}: browsers refuse it until then`))
  const host = publicUrl === undefined ? undefined : new URL(publicUrl).hostname
  if (host !== undefined && leaf.checkHost(host) === undefined)
    warnings.push(atValue(CERT_FILE, `is not for the host of publicUrl, ${host}: browsers refuse it`))
  return warnings
}
