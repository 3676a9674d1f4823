import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

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
  const openssl = (line: string): unknown => execFileSync('openssl', line.split(' '), { stdio: 'ignore' })
  openssl(
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost ' +
      `-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -days 2 -keyout ${keyFile} -out ${certFile}`,
  )
  openssl(`x509 -in ${certFile} -signkey ${keyFile} -days ${days} -out ${certFile}`)
  chmodSync(keyFile, 0o600)
  return { certFile, keyFile, cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') }
}
