import { createPrivateKey } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseRedisAddress } from '../domain/redis-address.ts'
import { Secret } from '../domain/secret.ts'
import type { Environment } from './environment.ts'
import { atValue, isWithin, keyText, pathId, type Finding } from './faults.ts'
import { isObject, type Path } from './marks.ts'
import { unreadable } from './source.ts'
import { valueAt } from './validate.ts'

const MAX_SECRET_BYTES = 65_536

export interface SecretSources {
  /** Files are relative to this folder. */
  readonly folder: string
  readonly environment: Environment
  /** What is wrong with the settings: a source with a fault of its own is not read. */
  readonly wrong: readonly Finding[]
  /** Nobody needs what they hold: nothing is read, and each stands for itself. */
  readonly unread: boolean
}

export interface Secrets {
  readonly at: ReadonlyMap<string, Secret>
  readonly files: readonly string[]
  readonly faults: readonly Finding[]
  readonly warnings: readonly Finding[]
}

interface Found {
  readonly path: Path
  readonly secret: Secret
}

/** Reads every secret that the settings name. A finding names the file or variable, never the content. */
export function readSecrets(values: Readonly<Record<string, unknown>>, sources: SecretSources): Secrets {
  const found: Found[] = []
  const faults: Finding[] = []
  const warnings: Finding[] = []
  const files: string[] = []
  const read = (path: Path, faultIn: (text: string) => string | undefined): void => {
    const source = sources.wrong.some((finding) => isWithin(finding.path, path))
      ? undefined
      : sourceOf(valueAt(values, path))
    if (source === undefined) return
    if (sources.unread) {
      found.push({ path, secret: new Secret(`unread ${pathId(path)}`, 'not read') })
      return
    }
    if ('file' in source) files.push(resolve(sources.folder, source.file))
    const { text, origin, fault, warning } = readOne(source, sources)
    if (warning !== undefined) warnings.push(atValue(path, warning))
    const wrong = fault ?? faultIn(text)
    if (wrong !== undefined) faults.push(atValue(path, `${origin} ${wrong}`))
    else found.push({ path, secret: new Secret(text, origin) })
  }
  const { pools } = values
  for (const name of isObject(pools) ? Object.keys(pools) : []) read(['pools', name, 'clientSecret'], plainFault)
  read(['control', 'token'], tokenFault)
  const keys = valueAt(values, ['session', 'keys'])
  for (const index of Array.isArray(keys) ? keys.keys() : []) read(['session', 'keys', index], sessionKeyFault)
  read(['session', 'redis', 'url'], redisUrlFault)
  for (const list of ['keys', 'albKeys']) {
    const signing = valueAt(values, ['assertion', list])
    for (const index of Array.isArray(signing) ? signing.keys() : []) read(['assertion', list, index], signingKeyFault)
  }
  for (const level of levelsIn(values)) read([...level, ...PASSWORD], passwordFault)
  const at = new Map(found.map(({ path, secret }) => [pathId(path), secret]))
  return { at, files, faults: [...faults, ...repeated(found)], warnings }
}

const PASSWORD = ['identity', 'basic', 'password'] as const

/** Everywhere that settings of routes may stand. */
function levelsIn({ applications }: Readonly<Record<string, unknown>>): readonly Path[] {
  const names = isObject(applications) ? Object.keys(applications) : []
  const routes = names.flatMap((name) => {
    const named = valueAt(applications, [name, 'routes'])
    return isObject(named) ? Object.keys(named).map((route) => ['applications', name, 'routes', route]) : []
  })
  return [['defaults'], ...names.map((name) => ['applications', name]), ...routes]
}

type Source = { readonly file: string } | { readonly env: string }

/** A source in the right shape; every other is a fault of its own. */
function sourceOf(value: unknown): Source | undefined {
  if (!isObject(value) || Object.keys(value).length !== 1) return undefined
  const { file, env } = value
  if (typeof file === 'string') return { file }
  return typeof env === 'string' ? { env } : undefined
}

interface Reading {
  readonly text: string
  readonly origin: string
  readonly fault?: string
  readonly warning?: string
}

function readOne(source: Source, { folder, environment }: SecretSources): Reading {
  if ('file' in source) return readSecretFile(resolve(folder, source.file))
  const origin = `environment variable ${source.env}`
  const text = environment[source.env]
  if (text === undefined) return { text: '', origin, fault: 'is not set: set it to the secret' }
  return text.trim() === '' ? { text: '', origin, fault: 'is empty: set it to the secret' } : { text, origin }
}

/** The text of a file that only its owner may change; says what is wrong with it, never what is in it. */
export function readSecretFile(path: string): Reading {
  const origin = `file ${path}`
  try {
    const stats = statSync(path)
    if (!stats.isFile()) return { text: '', origin, fault: 'is not a file: name the file that holds the secret' }
    if (stats.size > MAX_SECRET_BYTES)
      return { text: '', origin, fault: `is larger than ${MAX_SECRET_BYTES} bytes: this is no secret` }
    if (isWritableByOthers(stats.mode))
      return {
        text: '',
        origin,
        fault:
          'can be written by its group or by everybody: chmod 600 it, and make a new secret if it may have been changed',
      }
    const text = readFileSync(path, 'utf8').replace(/\r?\n$/, '')
    if (text.trim() === '') return { text: '', origin, fault: 'is empty: put the secret into it' }
    if ((stats.mode & 0o004) === 0 || process.platform === 'win32') return { text, origin }
    return { text, origin, warning: `${origin} can be read by everybody on this machine: chmod 600 it` }
  } catch (error) {
    return { text: '', origin, fault: unreadable(error) }
  }
}

// Windows has no such bits: Node makes them up.
function isWritableByOthers(mode: number): boolean {
  return process.platform !== 'win32' && (mode & 0o022) !== 0
}

function plainFault(text: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(text) ? undefined : 'must hold one line of plain characters without spaces'
}

const redisUrlFault = (text: string): string | undefined => parseRedisAddress(text).fault

const LEAST_TOKEN_CHARACTERS = 20

/** Whoever may ask may guess, and nobody counts how often. */
function tokenFault(text: string): string | undefined {
  const tooShort = text.length < LEAST_TOKEN_CHARACTERS ? `holds a token that can be guessed: ${KEYGEN}` : undefined
  return plainFault(text) ?? tooShort
}

function passwordFault(text: string): string | undefined {
  return /^[\x20-\x7e]+$/.test(text) ? undefined : 'must hold one line of plain characters'
}

const SIGNING_KEY = 'must hold a P-256 private key as PEM: make one with: cognito-gateway keygen assertion'

function signingKeyFault(text: string): string | undefined {
  try {
    const key = createPrivateKey(text)
    return key.asymmetricKeyDetails?.namedCurve === 'prime256v1' ? undefined : SIGNING_KEY
  } catch {
    return SIGNING_KEY
  }
}

const KEYGEN = 'make one with: cognito-gateway keygen session'
const KEY_BYTES = 32
const LEAST_DIFFERENT_BYTES = 20

function sessionKeyFault(text: string): string | undefined {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length !== KEY_BYTES || bytes.toString('base64url') !== text)
    return `must hold exactly ${KEY_BYTES} bytes as base64url and nothing else: ${KEYGEN}`
  return isPredictable(bytes) ? `holds a key that can be guessed: ${KEYGEN}` : undefined
}

/** True for what people type or count up; chance makes such a key less than once in 10^13. */
function isPredictable(bytes: Buffer): boolean {
  const steps = new Set(bytes.subarray(1).map((byte, at) => byte - (bytes[at] ?? 0)))
  const readable = bytes.every((byte) => byte >= 0x20 && byte < 0x7f)
  return readable || steps.size < 4 || new Set(bytes).size < LEAST_DIFFERENT_BYTES
}

/** One key for two purposes, or twice in a list, protects less than it seems to. */
function repeated(secrets: readonly Found[]): readonly Finding[] {
  const first = new Map<string, Path>()
  const findings: Finding[] = []
  for (const { path, secret } of secrets) {
    const before = first.get(secret.reveal())
    if (before === undefined || (isPassword(before) && isPassword(path))) first.set(secret.reveal(), path)
    else
      findings.push(
        atValue(path, `${secret.origin} holds the same as ${keyText(before)}: every secret needs a value of its own`),
      )
  }
  return findings
}

/** One upstream may be named in several places. */
const isPassword = (path: Path): boolean => path.at(-1) === 'password'
