import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { changesBetween } from './config/changes.ts'
import { SettingsError, type Loaded } from './config/load.ts'
import type { Parts } from './parts.ts'

/** The settings that a process was started with, and how to read them again. */
export interface SettingsSource {
  readonly loaded: Loaded
  /** Throws a SettingsError. */
  readonly load: () => Loaded
  /** How often the files are looked at; every two seconds unless said otherwise. */
  readonly everyMs?: number
}

export interface Following {
  /** Looks now. */
  look(): Promise<void>
  /** Names of settings that were changed and hold from the next start on. */
  readonly waiting: readonly string[]
  stop(): void
}

const EVERY_MS = 2_000

/**
 * Takes over what changes in the settings while the gateway runs, keys above all. Looks at what is in the settings file and in every secret
 * file, not at file events: mounted files are often links that are swapped. Settings with a fault are told about once and change nothing. One
 * of several workers keeps `quiet`, because its primary, which reads the same files, tells and counts.
 */
export function followSettings(
  { adopt, log, metrics }: Pick<Parts, 'adopt' | 'log' | 'metrics'>,
  { loaded, load, everyMs = EVERY_MS }: SettingsSource,
  { quiet = false }: { readonly quiet?: boolean } = {},
): Following {
  let held = loaded
  // Nothing is known to have been seen at first: a file may have changed between the start and the first look.
  let seen: string | undefined
  let refused: string | undefined
  let waiting: readonly string[] = []
  let timer: NodeJS.Timeout | undefined
  let stopped = false

  async function look(): Promise<void> {
    const now = await fingerprint(held.files)
    // After a refusal the missing piece may be a file that is not looked at yet.
    if (stopped || (now === seen && refused === undefined)) return
    seen = now
    try {
      takeOver(load())
      refused = undefined
    } catch (error) {
      refuse(error instanceof SettingsError ? error.message : 'the settings cannot be read')
    }
  }

  function takeOver(next: Loaded): void {
    const { live } = changesBetween(held, next)
    const { atRestart } = changesBetween(loaded, next)
    const waitedFor = waiting.join(', ')
    held = next
    waiting = atRestart
    if (live.length > 0) adopt(next.settings)
    if (quiet) return
    if (live.length > 0) {
      metrics.count('config_reloads_total', { result: 'applied' })
      log.info({ event: 'settings_applied', settings: live }, 'changed settings hold from now on')
    }
    if (atRestart.length > 0 && atRestart.join(', ') !== waitedFor) {
      metrics.count('config_reloads_total', { result: 'restart_needed' })
      log.warn(
        { event: 'restart_needed', settings: atRestart },
        'these settings were changed and hold from the next start on',
      )
    }
  }

  function refuse(faults: string): void {
    if (faults === refused) return
    refused = faults
    if (quiet) return
    metrics.count('config_reloads_total', { result: 'refused' })
    log.error(
      { event: 'settings_refused', faults: faults.split('\n') },
      'the settings have faults; those from before go on',
    )
  }

  function schedule(): void {
    timer = setTimeout(() => {
      void look().finally(() => {
        if (!stopped) schedule()
      })
    }, everyMs).unref()
  }
  schedule()

  return {
    look,
    get waiting() {
      return waiting
    },
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

/** Of a folder, the names in it. */
async function contentOf(file: string): Promise<Buffer | string> {
  return readFile(file).catch(async () =>
    readdir(file).then(
      (names) => names.toSorted().join('\n'),
      () => '',
    ),
  )
}

/** Stands for what is in the files, so that no secret is kept for the comparison. */
async function fingerprint(files: readonly string[]): Promise<string> {
  const contents = await Promise.all(files.map(contentOf))
  const hash = createHash('sha256')
  for (const content of contents) hash.update(createHash('sha256').update(content).digest())
  return hash.digest('base64url')
}
