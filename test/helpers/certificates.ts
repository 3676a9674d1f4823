import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']

export interface TestCertificate {
  readonly certFile: string
  readonly keyFile: string
  readonly cert: string
  readonly key: string
}

/** A self-signed certificate for localhost and its key, as files of this name in the folder. It has expired where `days` is negative. */
export function makeCertificate(folder: string, name = 'tls', days = 2): TestCertificate {
  const certFile = join(folder, `${name}.crt`)
  const keyFile = join(folder, `${name}.key`)
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  openssl(['req', '-x509', ...NEW_KEY, ...names, '-days', '2', '-keyout', keyFile, '-out', certFile])
  openssl(['x509', '-in', certFile, '-signkey', keyFile, '-days', String(days), '-out', certFile])
  chmodSync(keyFile, 0o600)
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
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
  openssl(['req', '-x509', ...NEW_KEY, '-keyout', at('ca.key'), '-out', caFile, '-subj', '/CN=test authority'])
  return {
    folder,
    caFile,
    ca: readFileSync(caFile, 'utf8'),
    issue(name, { names, days = 2 }) {
      const [certFile, keyFile, request, extensions] = ['crt', 'key', 'csr', 'ext'].map((end) =>
        at(`${name}.${end}`),
      ) as [string, string, string, string]
      writeFileSync(extensions, `subjectAltName=${names}\n`)
      openssl(['req', ...NEW_KEY, '-keyout', keyFile, '-out', request, '-subj', `/CN=${name}`])
      const signing = ['-CA', caFile, '-CAkey', at('ca.key'), '-CAcreateserial', '-extfile', extensions]
      openssl(['x509', '-req', '-in', request, ...signing, '-days', String(days), '-out', certFile])
      return { certFile, keyFile }
    },
  }
}

function openssl(args: readonly string[]): void {
  execFileSync('openssl', args, { stdio: 'pipe' })
}
