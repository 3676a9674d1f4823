import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { newSessionKey } from './keygen.ts'

/** Makes the secrets of the demo at its first start; later starts keep them, so that sessions outlive a restart. */
export function ensureDemoSecrets(packageFolder: string): void {
  for (const name of ['session-key', 'client-secret']) {
    const file = join(packageFolder, '.demo', name)
    if (!existsSync(file)) makeSecretFile(file)
  }
}

/** Makes a secret in a file that is not there, and gives it back. */
export function makeSecretFile(file: string): string {
  const secret = newSessionKey()
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  writeFileSync(file, secret, { mode: 0o600, flag: 'wx' })
  return secret
}
