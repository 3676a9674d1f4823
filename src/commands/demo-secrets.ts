import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { newSessionKey } from './keygen.ts'

/** Makes the secrets of the demo at its first start; later starts keep them, so that sessions outlive a restart. */
export function ensureDemoSecrets(packageFolder: string): void {
  const folder = join(packageFolder, '.demo')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  for (const name of ['session-key', 'client-secret']) {
    const file = join(folder, name)
    if (!existsSync(file)) writeFileSync(file, newSessionKey(), { mode: 0o600 })
  }
}
