import type { KeptForm } from '../domain/kept-form.ts'
import { parseReturnTo, type ReturnToSelf } from '../domain/return-to.ts'
import type { Seal } from './seal.ts'

/** Writes and reads kept forms as the sealed text that a tab holds until its person is signed in again. */
export interface KeptForms {
  write(form: KeptForm): string
  /** Null for anything that was not written here. Whether it is for whoever brings it, `claimOf` says. */
  read(text: string): KeptForm | null
}

export function createKeptForms(seal: Seal, self: ReturnToSelf): KeptForms {
  return {
    write({ pool, subject, host, method, path, body, keptAt }) {
      return seal.seal(Buffer.from(JSON.stringify([pool, subject, host, method, path, body, keptAt])))
    },
    read(text) {
      const opened = seal.open(text)
      if (opened === null) return null
      const record: unknown = JSON.parse(opened.plain.toString('utf8'))
      if (!Array.isArray(record)) return null
      const [pool, subject, host, method, path, body, keptAt]: unknown[] = record
      if (typeof pool !== 'string' || typeof subject !== 'string' || typeof host !== 'string') return null
      if (method !== 'POST' || typeof path !== 'string' || typeof body !== 'string') return null
      if (typeof keptAt !== 'number') return null
      return { pool, subject, host, method, path: parseReturnTo(path, self), body, keptAt }
    },
  }
}
