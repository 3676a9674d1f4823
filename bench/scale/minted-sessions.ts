import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { loadSettings } from '../../src/config/load.ts'
import { createParts } from '../../src/parts.ts'
import { MAX_SESSION_TEXT_BYTES, SESSION_COOKIE } from '../../src/plugins/session-cookie.ts'
import type { Site } from '../site.ts'

export interface MintOptions {
  /** Of the gateway whose sessions these are to be. */
  readonly settingsFile: string
  /** The Cookie header that a real sign-in there left behind. */
  readonly cookie: string
  readonly count: number
}

/**
 * Writes a file of Cookie headers, one a line: the sessions of so many people, sealed by the store that the gateway itself
 * would make of its settings. Each is the session of the real sign-in but for who it is.
 */
export async function mintSessions(site: Site, { settingsFile, cookie, count }: MintOptions): Promise<string> {
  const { settings } = loadSettings({ file: settingsFile, environment: {} })
  const log = pino({ level: 'silent' })
  const parts = createParts({ settings, version: '', log, maxSessionTextBytes: MAX_SESSION_TEXT_BYTES })
  try {
    const text = cookie.split('; ').find((pair) => pair.startsWith(`${SESSION_COOKIE}=`))
    const real = await parts.store.read(text?.slice(SESSION_COOKIE.length + 1) ?? '')
    if (real === null || real === 'foreign')
      throw new Error('the cookie of a real sign-in is no session to a store made of the same settings')
    const lines: string[] = []
    for (let person = 0; person < count; person += 1) {
      const name = `person-${String(person).padStart(6, '0')}`
      const minted = await parts.store.write({
        ...real.session,
        id: randomBytes(16).toString('base64url'),
        person: { ...real.session.person, subject: name, username: name, email: `${name}@example.com` },
      })
      lines.push(`${SESSION_COOKIE}=${minted}`)
    }
    const file = join(site.folder, `sessions-${count}`)
    writeFileSync(file, `${lines.join('\n')}\n`, { mode: 0o600 })
    return file
  } finally {
    await parts.close()
  }
}
