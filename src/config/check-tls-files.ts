import type { X509Certificate } from 'node:crypto'
import { resolve } from 'node:path'
import { upstreamPath } from './check-upstreams.ts'
import type { Draft, DraftRoute } from './draft.ts'
import { atValue, pathId, type Finding } from './faults.ts'
import type { Path } from './marks.ts'
import { certificatesIn, privateKeyIn } from './pem-files.ts'

const TLS_FILES = ['caFile', 'certFile', 'keyFile'] as const
type TlsFile = (typeof TLS_FILES)[number]

export interface TlsFindings {
  readonly faults: readonly Finding[]
  readonly warnings: readonly Finding[]
}

/** Reads the TLS files of every upstream and of Redis. A finding names the file, never its content. */
export function checkTlsFiles(draft: Draft, folder: string): TlsFindings {
  const routes = draft.applications.flatMap(({ own, routes }) => (own.access === undefined ? routes : [own, ...routes]))
  // Most routes inherit their files: each place is read once.
  const distinct = new Map(routes.map((route) => [TLS_FILES.map((key) => placeOf(route, draft, key)).join(' '), route]))
  const all = [...distinct.values()].map((route) => checkRoute(route, draft, folder))
  all.push({ faults: checkRedis(draft, folder), warnings: [] })
  return {
    faults: all.flatMap(({ faults }) => faults),
    warnings: all.flatMap(({ warnings }) => warnings),
  }
}

function checkRedis({ file }: Draft, folder: string): readonly Finding[] {
  const caFile = file.session.redis?.caFile
  if (caFile === undefined) return []
  const { fault } = certificatesIn(resolve(folder, caFile))
  return fault === undefined
    ? []
    : [atValue(['session', 'redis', 'caFile'], `file ${resolve(folder, caFile)} ${fault}`)]
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
    if (file === undefined) return []
    const read = certificatesIn(file)
    if (read.fault === undefined) return read.certificates
    faults.push(atValue(at(key), `file ${file} ${read.fault}`))
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
