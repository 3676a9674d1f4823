import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface CertificateFiles {
  readonly certFile: string
  readonly keyFile: string
}

export interface Issue {
  /** Such as `DNS:localhost,IP:127.0.0.1`. */
  readonly names: string
  /** Negative for one that has expired. */
  readonly days?: number
}

/** A certificate authority of a test's own, in a folder of its own. */
export interface Authority {
  readonly folder: string
  readonly caFile: string
  readonly ca: string
  /** Files named after `name`; the same name again replaces them. */
  issue(name: string, issue: Issue): CertificateFiles
}

export function createAuthority(t: Teardown): Authority {
  const folder = mkdtempSync(join(tmpdir(), 'certificates-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const at = (file: string): string => join(folder, file)
  const caFile = at('ca.pem')
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  openssl(['req', '-x509', ...newKey, '-keyout', at('ca.key'), '-out', caFile, '-subj', '/CN=test authority'])
  return {
    folder,
    caFile,
    ca: readFileSync(caFile, 'utf8'),
    issue(name, { names, days = 2 }) {
      const [certFile, keyFile, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((end) =>
        at(`${name}.${end}`),
      ) as [string, string, string, string]
      writeFileSync(extensions, `subjectAltName=${names}\n`)
      openssl(['req', ...newKey, '-keyout', keyFile, '-out', request, '-subj', `/CN=${name}`])
      const signing = ['-CA', caFile, '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', extensions]
      openssl(['x509', '-req', '-in', request, ...signing, '-days', String(days), '-out', certFile])
      return { certFile, keyFile }
    },
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}
