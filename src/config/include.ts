import { existsSync, readdirSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { keyText, SettingsError, type Fault } from './faults.ts'
import { isObject, type Path } from './marks.ts'
import { readSource, unreadable, type Source } from './source.ts'

/** A file of settings with those that it includes, as one. */
export interface WholeSource {
  readonly values: Readonly<Record<string, unknown>>
  /** The file of the settings first. */
  readonly parts: readonly Source[]
  /** Folders in which files that match may appear. */
  readonly folders: readonly string[]
  /** What is wrong with including, and what included files cannot be read for. */
  readonly faults: readonly Fault[]
  /** Where this stands, or what is nearest to it. */
  sourceOf(path: Path): Source
}

/** What an included file may have. */
const INCLUDED = 'applications'

/** Reads the file, and the applications of those that it includes. Throws a SettingsError where the file itself cannot be read. */
export function readWhole(file: string): WholeSource {
  const main = readSource(file)
  const faults: Fault[] = []
  const folders = new Set<string>()
  const owners = new Map<string, Source>()
  const applications: Record<string, unknown> = {}
  const parts = [main]

  function fault(source: Source, path: Path, message: string): void {
    faults.push({ file: source.file, ...source.place(path, 'key'), key: keyText(path), message })
  }

  function add(source: Source): void {
    const own = source.values[INCLUDED]
    for (const key of Object.keys(source.values))
      if (key !== INCLUDED && source !== main) fault(source, [key], 'an included file may have applications only')
    if (!isObject(own)) return
    for (const [name, application] of Object.entries(own)) {
      const owner = owners.get(name)
      if (owner === undefined) {
        owners.set(name, source)
        applications[name] = application
      } else {
        const { line } = owner.place([INCLUDED, name], 'key')
        fault(source, [INCLUDED, name], `stands at ${owner.file}:${line} too: keep one of them`)
      }
    }
  }

  function include(found: string): void {
    try {
      const source = readSource(found)
      parts.push(source)
      add(source)
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      faults.push(...error.faults)
    }
  }

  add(main)
  const { include: given } = main.values
  const patterns: readonly unknown[] = Array.isArray(given) ? given : []
  for (const [at, pattern] of patterns.entries()) {
    if (typeof pattern !== 'string') continue
    const { files, folder, problem } = filesLike(join(dirname(file), pattern))
    if (folder !== undefined) folders.add(folder)
    if (problem !== undefined) fault(main, ['include', at], problem)
    for (const found of files) if (!parts.some((part) => part.file === found)) include(found)
  }
  return {
    values: parts.length === 1 ? main.values : { ...main.values, [INCLUDED]: applications },
    parts,
    folders: [...folders],
    faults,
    sourceOf: ([first, name]) => (first === INCLUDED ? owners.get(String(name)) : undefined) ?? main,
  }
}

interface Found {
  readonly files: readonly string[]
  readonly folder?: string
  readonly problem?: string
}

/** Files by a path whose last part may have stars, by name. None is no problem with a star: there may be some later. */
function filesLike(pattern: string): Found {
  const [folder, last] = [dirname(pattern), basename(pattern)]
  if (folder.includes('*')) return { files: [], problem: 'may have * in its last part only' }
  if (!last.includes('*'))
    return existsSync(pattern) ? { files: [pattern] } : { files: [], problem: 'names a file that does not exist' }
  const like = new RegExp(`^${last.split('*').map(literal).join('.*')}$`)
  try {
    const names = readdirSync(folder).filter((name) => like.test(name) && !name.startsWith('.'))
    return { files: names.toSorted().map((name) => join(folder, name)), folder }
  } catch (error) {
    return { files: [], problem: `is in a folder that ${unreadable(error)}` }
  }
}

const literal = (text: string): string => text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)
