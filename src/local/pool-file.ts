import { existsSync, readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { isCollection, isMap, isNode, isScalar, LineCounter, parseDocument, type Document } from 'yaml'
import { z } from 'zod'
import { PoolSettings, type PoolSettingsInput } from './pool-settings.ts'

type Path = readonly PropertyKey[]

const FileReference = z.strictObject({ file: z.string().min(1) })

/**
 * Reads the settings of a local pool from a YAML file. A client's secret and a person's password may be `{ file: PATH }`, relative to that file.
 * A client's file that does not exist is made by `newSecret`, where there is that, which gives back what now stands in it.
 * Throws one Error whose message has a line `file:line:column key: what is wrong` for each fault.
 */
export function readPoolFile(path: string, newSecret?: NewSecret): PoolSettingsInput {
  const file = new PoolFile(path, newSecret)
  const settings = file.withSecrets()
  const checked = PoolSettings.safeParse(settings)
  if (!checked.success) for (const issue of checked.error.issues) file.addIssue(issue)
  if (file.faults.length > 0) throw new Error(file.faults.join('\n'))
  return PoolSettings.parse(settings)
}

type NewSecret = (file: string) => string

class PoolFile {
  readonly faults: string[] = []
  readonly #path: string
  readonly #newSecret: NewSecret | undefined
  readonly #lines = new LineCounter()
  readonly #document: Document

  constructor(path: string, newSecret?: NewSecret) {
    this.#path = path
    this.#newSecret = newSecret
    this.#document = parseDocument(read(path), { lineCounter: this.#lines, prettyErrors: false })
    for (const error of this.#document.errors) this.#addAt(error.pos[0], error.message)
    if (this.faults.length > 0) throw new Error(this.faults.join('\n'))
  }

  /** The content with every `{ file }` replaced by what stands in that file. */
  withSecrets(): unknown {
    const content: unknown = this.#document.toJS()
    for (const path of this.#secretPaths()) {
      const reference = this.#referenceAt(path)
      if (reference !== undefined) this.#document.setIn(path, this.#secretFrom(reference.file, path))
    }
    return content === null ? {} : this.#document.toJS()
  }

  #referenceAt(path: Path): z.infer<typeof FileReference> | undefined {
    const node = this.#document.getIn(path)
    return FileReference.safeParse(isCollection(node) ? node.toJSON() : node).data
  }

  addIssue(issue: z.core.$ZodIssue): void {
    if (issue.code !== 'unrecognized_keys') return this.#add(issue.path, issue.message)
    for (const key of issue.keys) this.#add([...issue.path, key], 'There is no such setting')
  }

  #secretPaths(): (string | number)[][] {
    const content = z
      .object({ users: z.record(z.string(), z.unknown()).catch({}), clients: z.array(z.unknown()).catch([]) })
      .safeParse(this.#document.toJS())
    if (!content.success) return []
    return [
      ...content.data.clients.map((_, index) => ['clients', index, 'secret']),
      ...Object.keys(content.data.users).map((name) => ['users', name, 'password']),
    ]
  }

  /** A stand-in text where the file cannot be read, so that this fault is told once and not as a wrong type as well. */
  #secretFrom(file: string, path: Path): string {
    const target = resolve(dirname(this.#path), file)
    try {
      if (path[0] === 'clients' && this.#newSecret !== undefined && !existsSync(target)) return this.#newSecret(target)
      const secret = readFileSync(target, 'utf8').trim()
      if (secret !== '') return secret
      this.#add(path, `The file ${target} is empty: write the secret into it`)
    } catch (error) {
      this.#add(path, `The file ${target} cannot be read (${codeOf(error)}): make it, or write the secret itself here`)
    }
    return 'unreadable'
  }

  #add(path: Path, message: string): void {
    this.#addAt(this.#positionOf(path), `${path.map(String).join('.') || 'the file'}: ${message}`)
  }

  #addAt(offset: number, message: string): void {
    const { line, col } = this.#lines.linePos(offset)
    this.faults.push(`${this.#path}:${line}:${col} ${message}`)
  }

  /** Where the key of a path stands, or the nearest of its ancestors that is there. */
  #positionOf(path: Path): number {
    for (let length = path.length; length > 0; length -= 1) {
      const parent = this.#document.getIn(path.slice(0, length - 1), true)
      const last = path[length - 1]
      const pair = isMap(parent)
        ? parent.items.find(({ key }) => isScalar(key) && String(key.value) === String(last))
        : undefined
      const node = isScalar(pair?.key) ? pair.key : this.#document.getIn(path.slice(0, length), true)
      const offset = rangeOf(node)
      if (offset !== undefined) return offset
    }
    return 0
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`${path}: the file cannot be read (${codeOf(error)})`, { cause: error })
  }
}

const rangeOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined)

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
}
