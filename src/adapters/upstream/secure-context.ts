import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, type SecureContext } from 'node:tls'

/** How often new connections look whether the files have changed. */
const LOOK_EVERY_MS = 5_000

export interface TlsFiles {
  readonly caFile: string | undefined
  readonly certFile: string | undefined
  readonly keyFile: string | undefined
}

export interface WatchOptions {
  readonly now: () => number
  /** The files have changed and cannot be used; what was read before stays in use. */
  readonly onUnusable: (error: unknown) => void
}

/**
 * What to trust and to show in TLS, read when it is first asked for: the function returned throws where the files cannot be used then, and
 * gives the same object until they have changed.
 */
export function createSecureContexts(files: TlsFiles, { now, onUnusable }: WatchOptions): () => SecureContext {
  let stamp = ''
  let context: SecureContext | undefined
  let lookedAt = 0
  return () => {
    if (context === undefined) {
      stamp = stampOf(files)
      lookedAt = now()
      context = read(files)
    }
    if (now() - lookedAt < LOOK_EVERY_MS) return context
    lookedAt = now()
    const latest = stampOf(files)
    if (latest === stamp) return context
    stamp = latest
    try {
      context = read(files)
    } catch (error) {
      onUnusable(error)
    }
    return context
  }
}

function read({ caFile, certFile, keyFile }: TlsFiles): SecureContext {
  const ca = contentOf(caFile)
  // Without this, a file that holds no certificate would be taken for an empty list of authorities.
  if (ca !== undefined) void new X509Certificate(ca)
  const [cert, key] = [contentOf(certFile), contentOf(keyFile)]
  return createSecureContext({
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  })
}

function contentOf(file: string | undefined): Buffer | undefined {
  return file === undefined ? undefined : readFileSync(file)
}

function stampOf({ caFile, certFile, keyFile }: TlsFiles): string {
  return [caFile, certFile, keyFile].map((file) => (file === undefined ? '' : stampOfFile(file))).join(' ')
}

function stampOfFile(file: string): string {
  const stats = statSync(file, { throwIfNoEntry: false })
  return stats === undefined ? 'missing' : `${stats.mtimeMs}/${stats.size}/${stats.ino}`
}
