import { dirname, resolve } from 'node:path'
import type { Secret } from '../domain/secret.ts'
import { assemble } from './assemble.ts'
import { checkCertificate } from './certificates.ts'
import { checkTlsFiles } from './check-tls-files.ts'
import { checkTogether } from './checks.ts'
import { createDraft, type Draft } from './draft.ts'
import { applyEnvironment, variableFault, type Environment, type Overridden } from './environment.ts'
import { atValue, keyText, pathId, pathOf, SettingsError, type Fault, type Finding } from './faults.ts'
import type { Path } from './marks.ts'
import { withUpstreamMaps } from './merge.ts'
import { GatewayFile } from './schema.ts'
import { readSecrets } from './secrets.ts'
import type { Settings } from './settings.ts'
import { readWhole, type WholeSource } from './include.ts'
import type { Source } from './source.ts'
import { validate } from './validate.ts'
import { findWarnings } from './warnings.ts'

export { faultLine, SettingsError, type Fault } from './faults.ts'

export interface LoadOptions {
  readonly file: string
  readonly environment: Environment
  /** How many gateways run with these settings, for the warnings; one unless said otherwise. */
  readonly replicas?: number
  /** For whoever asks about rules only: no file but that of the settings is read, and what a secret or certificate holds is not known. */
  readonly rulesOnly?: boolean
}

/** Settings without a fault, and what is unwise about them. */
export interface Loaded {
  readonly settings: Settings
  readonly warnings: readonly Fault[]
  /** What was read: the files of the settings, folders that they include files of, and every file that holds a secret. */
  readonly files: readonly string[]
  /** Every secret by the id of its path. */
  readonly secrets: ReadonlyMap<string, Secret>
  /** For printing: what the file says once every level and default is in place. */
  readonly draft: Draft
  /** Where a value of the file came from: `gateway.yaml:12` or a variable's name; undefined where nobody gave it. */
  origin(path: Path): string | undefined
}

/** Reads the file and the environment; throws a SettingsError with every fault. Paths in the file are relative to its folder. */
export function loadSettings({ file, environment, replicas = 1, rulesOnly = false }: LoadOptions): Loaded {
  const source = readWhole(file)
  const overridden = applyEnvironment(withUpstreamMaps(source.values), environment, GatewayFile)
  const values = withUpstreamMaps(overridden.values)
  const place = placer(source, overridden)

  const wrong = validate(values, GatewayFile)
  const draft = createDraft(values, wrong)
  const folder = dirname(resolve(file))
  const secrets = readSecrets(values, { folder, environment, wrong, unread: rulesOnly })
  const nothing = { faults: [], warnings: [] }
  const certificate = draft === undefined || rulesOnly ? nothing : checkCertificate(draft, folder)
  const tls = draft === undefined || rulesOnly ? nothing : checkTlsFiles(draft, folder)
  const findings = [
    ...wrong,
    ...oddNumberFindings(source, overridden),
    ...(draft === undefined ? [] : checkTogether(draft)),
    ...secrets.faults,
    ...certificate.faults,
    ...tls.faults,
  ]
  const faults = [...overridden.faults, ...source.faults, ...source.parts.flatMap(fileFaults), ...findings.map(place)]
  if (faults.length > 0 || draft === undefined) throw new SettingsError(ordered(faults))
  return {
    settings: assemble(draft, { secrets: secrets.at, folder }),
    warnings: ordered(
      [...findWarnings(draft, replicas), ...secrets.warnings, ...certificate.warnings, ...tls.warnings].map(place),
    ),
    files: [...source.parts.map((part) => part.file), ...source.folders, ...secrets.files],
    secrets: secrets.at,
    draft,
    origin: (path) => originOf(path, source, overridden),
  }
}

function fileFaults({ file, mode }: Source): readonly Fault[] {
  if (process.platform === 'win32' || (mode & 0o002) === 0) return []
  const message = 'this file can be written by everybody on this machine, and so can who may pass: chmod 644 it'
  return [{ file, line: 1, column: 1, key: '', message }]
}

function oddNumberFindings({ parts }: WholeSource, { variables }: Overridden): readonly Finding[] {
  return parts
    .flatMap(({ oddNumbers }) => oddNumbers)
    .filter((path) => !variables.has(pathId(path)))
    .map((path) => atValue(path, 'must be a plain decimal number, or in quotes if it is a text'))
}

function placer(whole: WholeSource, { variables }: Overridden): (finding: Finding) => Fault {
  return ({ path, message, at }) => {
    const source = whole.sourceOf(path)
    // What stands only in variables below it has no place in the file.
    const within = (id: string): boolean => path.length > 0 && path.every((name, depth) => pathOf(id)[depth] === name)
    const below = source.has(path) ? undefined : [...variables.keys()].find(within)
    const variable = variables.get(pathId(path)) ?? (below === undefined ? undefined : variables.get(below))
    if (variable !== undefined) return variableFault(variable, message)
    return { file: source.file, ...source.place(path, at), key: keyText(path), message }
  }
}

/** By place, one for each place: a value that is wrong in two ways is told about once. */
function ordered(faults: readonly Fault[]): readonly Fault[] {
  const seen = new Set<string>()
  const once = faults.filter(({ file, line, column, key }) => {
    const id = `${file}:${line}:${column}:${key}`
    return seen.has(id) ? false : seen.add(id)
  })
  const last = (line: number): number => (line === 0 ? Number.POSITIVE_INFINITY : line)
  return once.sort((a, b) => {
    if (a.file !== b.file) return a.file < b.file ? -1 : 1
    return a.line === b.line ? a.column - b.column : last(a.line) - last(b.line)
  })
}

function originOf(path: Path, whole: WholeSource, { variables }: Overridden): string | undefined {
  const source = whole.sourceOf(path)
  for (let length = path.length; length > 0; length -= 1) {
    const part = path.slice(0, length)
    const variable = variables.get(pathId(part))
    if (variable !== undefined) return variable
    if (source.has(part))
      return length === path.length || isScalarShorthand(path, length) ? placeText(source, part) : undefined
  }
  return undefined
}

/** `upstream: http://…` is short for upstream.url. */
function isScalarShorthand(path: Path, length: number): boolean {
  return length === path.length - 1 && path.at(-1) === 'url'
}

function placeText(source: Source, path: Path): string {
  return `${source.file}:${source.place(path, 'value').line}`
}
