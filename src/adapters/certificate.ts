import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'

export interface CertificateOptions {
  readonly certFile: string
  readonly keyFile: string
  readonly everyMs?: number
}

export type CertificateChange =
  { readonly kind: 'renewed'; readonly pair: CertificatePair } | { readonly kind: 'refused'; readonly cause: unknown }

/** A certificate chain and its key as PEM, found to fit together. */
export interface CertificatePair {
  readonly cert: string
  readonly key: string
  readonly expiresAt: number
}

export interface Certificate {
  current(): CertificatePair
  /** From now on tells of each change of the files: a pair that holds, or why the one before goes on. */
  watch(onChange: (change: CertificateChange) => void): void
  stop(): void
}

const EVERY_MS = 2_000

/**
 * The certificate in two files. Looks at what is in them, not at file events: secrets are often mounted as links that are swapped.
 * Throws where the files cannot be used now; later on a bad pair never takes the place of a good one.
 */
export function createCertificate({ certFile, keyFile, everyMs = EVERY_MS }: CertificateOptions): Certificate {
  let current = checked(readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8'))
  let looked = current.cert + current.key
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  let onChange: (change: CertificateChange) => void = () => undefined

  async function look(): Promise<void> {
    try {
      const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')])
      if (cert + key === looked || stopped) return
      looked = cert + key
      current = checked(cert, key)
      onChange({ kind: 'renewed', pair: current })
    } catch (cause) {
      refuse(cause)
    }
  }

  let refusedFor = ''
  function refuse(cause: unknown): void {
    // A file that is missing is complained about once, not at every look.
    const reason = looked + String(cause)
    if (stopped || reason === refusedFor) return
    refusedFor = reason
    onChange({ kind: 'refused', cause })
  }

  function schedule(): void {
    timer = setTimeout(() => {
      void look().then(() => {
        if (!stopped) schedule()
      })
    }, everyMs).unref()
  }

  return {
    current: () => current,
    watch(listener) {
      onChange = listener
      schedule()
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

function checked(cert: string, key: string): CertificatePair {
  createSecureContext({ cert, key })
  return { cert, key, expiresAt: Date.parse(new X509Certificate(cert).validTo) }
}
