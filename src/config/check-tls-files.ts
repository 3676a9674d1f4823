import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { upstreamPath } from './check-upstreams.ts'
import type { Draft, DraftRoute } from './draft.ts'
import { atValue, pathId, type Finding } from './faults.ts'
import type { Path } from './marks.ts'
import { readSecretFile } from './secrets.ts'
import { unreadable } from './source.ts'

const MAX_BYTES = 4_194_304

const TLS_FILES = ['caFile', 'certFile', 'keyFile'] as const
type TlsFile = (typeof TLS_FILES)[number]

export interface TlsFindings {
  readonly faults: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** Reads the TLS files of every upstream. A finding names the file, never its content. */
export function checkTlsFiles(draft: Draft, folder: string): TlsFindings {
  const routes = draft.applications.flatMap(({ own, routes }) => (own.access === undefined ? routes : [own, ...routes]))
  // Most routes inherit their files: each place is read once.
  const distinct = new Map(routes.map((route) => [TLS_FILES.map((key) => placeOf(route, draft, key)).join(' '), route]))
  const all = [...distinct.values()].map((route) => checkRoute(route, draft, folder))
  return {
    faults: all.flatMap(({ faults }) => faults),
    warnings: all.flatMap(({ warnings }) => warnings),
  }
}

function placeOf(route: DraftRoute, draft: Draft, key: TlsFile): string {
  const { upstream } = route.keys
  if (upstream === undefined || typeof upstream === 'string' || upstream[key] === undefined) return ''
  return pathId(upstreamPath(route, draft, key))
}

function checkRoute(route: DraftRoute, draft: Draft, folder: string): TlsFindings {
  const { upstream } = route.keys
  if (upstream === undefined || typeof upstream === 'string') return { faults: [], warnings: [] }
  const faults: Finding[] = []
  const warnings: Finding[] = []
  const at = (key: string): Path => upstreamPath(route, draft, key)
  const fileOf = (key: TlsFile): string | undefined =>
    upstream[key] === undefined ? undefined : resolve(folder, upstream[key])
  const certificates = (key: 'caFile' | 'certFile'): readonly X509Certificate[] => {
    const file = fileOf(key)
    const read = file === undefined ? [] : certificatesIn(file)
    if (typeof read !== 'string') return read
    faults.push(atValue(at(key), `file ${file} ${read}`))
    return []
  }
  certificates('caFile')
  const [certificate] = certificates('certFile')
  const file = fileOf('keyFile')
  if (file === undefined) return { faults, warnings }
  const { key, fault, warning } = privateKeyIn(file)
  if (warning !== undefined) warnings.push(atValue(at('keyFile'), warning))
  const stranger = key !== undefined && certificate?.checkPrivateKey(key) === false
  const wrong = fault ?? (stranger ? 'is not the private key of certFile' : undefined)
  if (wrong !== undefined) faults.push(atValue(at('keyFile'), `file ${file} ${wrong}`))
  return { faults, warnings }
}

/** The certificates of a file, or what is wrong with it. */
function certificatesIn(file: string): readonly X509Certificate[] | string {
  try {
    const stats = statSync(file)
    if (!stats.isFile()) return 'is not a file: name the file that holds the certificate'
    if (stats.size > MAX_BYTES) return `is larger than ${MAX_BYTES} bytes: this is no certificate`
    const blocks = readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []
    return blocks.length === 0 ? 'holds no certificate in PEM' : parsed(blocks)
  } catch (error) {
    return unreadable(error)
  }
}

function parsed(blocks: readonly string[]): readonly X509Certificate[] | string {
  try {
    return blocks.map((block) => new X509Certificate(block))
  } catch {
    return 'holds a certificate that cannot be read'
  }
}

interface KeyReading {
  readonly key?: KeyObject
  readonly fault?: string | undefined
  readonly warning?: string | undefined
}

function privateKeyIn(file: string): KeyReading {
  const { text, fault, warning } = readSecretFile(file)
  if (fault !== undefined) return { fault, warning }
  if (text.includes('ENCRYPTED')) return { fault: 'is encrypted: decrypt it with openssl pkey', warning }
  try {
    return { key: createPrivateKey(text), warning }
  } catch {
    return { fault: 'holds no private key in PEM', warning }
  }
}
