import type { KeyObject, X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { createSecureContext } from 'node:tls'
import type { Draft } from './draft.ts'
import { atValue, type Finding } from './faults.ts'
import type { Path } from './marks.ts'
import { certificatesIn, privateKeyIn } from './pem-files.ts'

const CERT_FILE: Path = ['listen', 'tls', 'certFile']
const KEY_FILE: Path = ['listen', 'tls', 'keyFile']

export interface CertificateFindings {
  readonly faults: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** What is wrong or unwise with the listener's certificate and key, which are looked for from `folder`. */
export function checkCertificate(draft: Draft, folder: string): CertificateFindings {
  const { tls } = draft.file.listen
  if (tls === undefined) return { faults: [], warnings: [] }
  const faults: Finding[] = []
  const warnings: Finding[] = []
  const chain = readChain(resolve(folder, tls.certFile), faults)
  const key = readKey(resolve(folder, tls.keyFile), faults, warnings)
  if (chain === undefined || key === undefined) return { faults, warnings }
  const pair = pairFault(chain, key)
  if (pair !== undefined) return { faults: [atValue(KEY_FILE, pair)], warnings }
  return { faults, warnings: [...warnings, ...warnOfCertificate(chain.leaf, draft)] }
}

interface Chain {
  readonly pem: string
  readonly leaf: X509Certificate
}

function readChain(path: string, faults: Finding[]): Chain | undefined {
  const read = certificatesIn(path)
  if (read.fault === undefined) return { pem: read.pem, leaf: read.certificates[0] }
  faults.push(atValue(CERT_FILE, `file ${path} ${read.fault}`))
  return undefined
}

interface Key {
  readonly pem: string
  readonly key: KeyObject
}

function readKey(path: string, faults: Finding[], warnings: Finding[]): Key | undefined {
  const { key, pem, fault, warning } = privateKeyIn(path)
  if (warning !== undefined) warnings.push(atValue(KEY_FILE, warning))
  if (fault !== undefined) faults.push(atValue(KEY_FILE, `file ${path} ${fault}`))
  return key === undefined || pem === undefined ? undefined : { key, pem }
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

function warnOfCertificate(leaf: X509Certificate, { file: { publicUrl }, applications }: Draft): readonly Finding[] {
  const warnings: Finding[] = []
  if (Date.parse(leaf.validTo) <= Date.now())
    warnings.push(atValue(CERT_FILE, `has expired (${leaf.validTo}): browsers refuse it`))
  if (Date.parse(leaf.validFrom) > Date.now())
    warnings.push(atValue(CERT_FILE, `is not valid before ${leaf.validFrom}: browsers refuse it until then`))
  const host = publicUrl === undefined ? undefined : new URL(publicUrl).hostname
  if (host !== undefined && leaf.checkHost(host) === undefined)
    warnings.push(atValue(CERT_FILE, `is not for the host of publicUrl, ${host}: browsers refuse it`))
  const others = new Set(applications.flatMap(({ hosts }) => hosts).filter((other) => other !== host))
  for (const other of others) {
    if (leaf.checkHost(other) === undefined)
      warnings.push(atValue(CERT_FILE, `is not for ${other}, which an application names: browsers refuse it there`))
  }
  return warnings
}
