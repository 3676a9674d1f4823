import { readFileSync, statSync } from 'node:fs'
import { TextDecoder } from 'node:util'
import {
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  visit,
  type Document,
  type Node,
} from 'yaml'
import { SettingsError, type Fault } from './faults.ts'
import { isObject, type Path } from './marks.ts'

const MAX_BYTES = 1_048_576
const MAX_DEPTH = 64

/** A file of settings as it was written: plain values, and the place of each. */
export interface Source {
  readonly file: string
  readonly values: Readonly<Record<string, unknown>>
  /** Line and column of a key or its value; of the nearest thing around it where the file does not have it. */
  place(path: Path, at: 'key' | 'value'): Place
  has(path: Path): boolean
  /** Numbers that are not written as plain decimals, which people and parsers read differently. */
  readonly oddNumbers: readonly Path[]
  readonly mode: number
}

export interface Place {
  readonly line: number
  readonly column: number
}

/** What a file is a map of, for messages. */
const SETTINGS = 'settings that begins with publicUrl'

/** Reads a YAML 1.2 file, or throws every fault of its syntax. */
export function readSource(file: string, what = SETTINGS): Source {
  return sourceIn({ file, ...readText(file) }, what)
}

/** The same of a text that somebody holds already; `file` is what messages call it. */
export function sourceIn(
  { file, text, mode }: { readonly file: string; readonly text: string; readonly mode: number },
  what: string,
): Source {
  const lines = new LineCounter()
  const document = parse(file, text, lines)
  const syntax = syntaxFaults({ file, text }, document, lines)
  const odd = nodeFaults(file, document, lines).filter(({ line }) => !syntax.some((fault) => fault.line === line))
  const faults = [...syntax, ...odd]
  if (faults.length > 0) throw new SettingsError(faults.sort((a, b) => a.line - b.line || a.column - b.column))
  const values = toValues(file, document, what)
  return {
    file,
    values,
    mode,
    oddNumbers: oddNumbers(document),
    has: (path) => found(document, path).length > path.length,
    place: (path, at) => placeOf(document, lines, path, at),
  }
}

function stop(file: string, message: string, place: Place = { line: 1, column: 1 }): never {
  throw new SettingsError([{ file, ...place, key: '', message }])
}

function readText(file: string): { text: string; mode: number } {
  try {
    const stats = statSync(file)
    if (stats.isDirectory()) stop(file, 'is a directory: name a file of settings')
    if (stats.size > MAX_BYTES) stop(file, `is larger than ${MAX_BYTES} bytes: this is no file of settings`)
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(file)), mode: stats.mode }
  } catch (error) {
    if (error instanceof SettingsError) throw error
    if (error instanceof TypeError) stop(file, 'is not UTF-8 text')
    stop(file, unreadable(error))
  }
}

/** Why a file cannot be read, without a stack. */
export function unreadable(error: unknown): string {
  const code = isObject(error) ? error['code'] : undefined
  if (code === 'ENOENT') return 'does not exist: check the path'
  if (code === 'EACCES' || code === 'EPERM') return 'cannot be read: give this user the right to read it'
  return `cannot be read${typeof code === 'string' ? ` (${code})` : ''}`
}

/** Whether a text nests so deeply that reading it would exhaust the stack. */
export function nestsTooDeep(text: string): boolean {
  if (new RegExp(String.raw`^\s*(?:[-?:][ \t]+){${MAX_DEPTH}}`, 'm').test(text)) return true
  let depth = 0
  for (const character of text) {
    if (character === '[' || character === '{') depth += 1
    else if (character === ']' || character === '}') depth = Math.max(0, depth - 1)
    if (depth > MAX_DEPTH) return true
  }
  return false
}

function parse(file: string, text: string, lineCounter: LineCounter): Document {
  if (nestsTooDeep(text)) stop(file, `nests brackets or lists more than ${MAX_DEPTH} deep`)
  try {
    return parseDocument(text, { lineCounter, prettyErrors: false, version: '1.2', uniqueKeys: true, strict: true })
  } catch {
    return stop(file, 'cannot be read as YAML')
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  DUPLICATE_KEY: 'this key stands here twice: keep one of them',
  MULTIPLE_DOCS: 'has more than one document: take out the line ---',
  TAB_AS_INDENT: 'a tab cannot indent: use spaces',
  BLOCK_AS_IMPLICIT_KEY:
    'stands where no key can: begin the keys of one map in one column, each on its own line, and put a text with a colon in quotes',
  BAD_SCALAR_START: 'a text that begins with @, ` or % must be in quotes',
  TAG_RESOLVE_FAILED: 'tags such as !name are not known here: take it out',
}

const LACKS_SPACE = 'the colon after a key needs a space behind it: write key: value'

/** Whether somebody wrote key:value there. */
const lacksSpace = (text: string, at: number): boolean => /^[\w.-]+:[^\s:]/.test(text.slice(at, at + 100))

function syntaxFaults(
  { file, text }: { readonly file: string; readonly text: string },
  document: Document,
  lines: LineCounter,
): Fault[] {
  const all = [...document.errors, ...document.warnings]
  const tabs = all.filter(({ code }) => code === 'TAB_AS_INDENT')
  // One mistake is many to the parser: what it says of one line first is the cause of the rest, and a tab is so for all lines.
  const told = new Set<number>()
  const faults = (tabs.length > 0 ? tabs : all).flatMap(({ code, message, pos }) => {
    const { line, col } = lines.linePos(pos[0])
    if (told.has(line)) return []
    told.add(line)
    // The parser quotes the text around a mistake, which may be a secret.
    const says =
      (lacksSpace(text, pos[0]) ? LACKS_SPACE : REMEDIES[code]) ??
      `is not valid YAML: ${(message.split('\n')[0] ?? '').replace(/: .*$|".*"|'.*'/g, ' …')}`
    return [{ file, line: Math.max(1, line), column: Math.max(1, col), key: '', message: says }]
  })
  const version = document.directives?.yaml
  if (version?.explicit === true && version.version !== '1.2')
    faults.push({ file, line: 1, column: 1, key: '', message: 'must be YAML 1.2: take out the line %YAML' })
  return faults
}

/** Keys must be texts, and aliases must name an anchor: everything else has no place in these settings. */
function nodeFaults(file: string, document: Document, lines: LineCounter): Fault[] {
  const faults: Fault[] = []
  visit(document, {
    Alias: (_, alias) => {
      if (alias.resolve(document) !== undefined) return
      const { line, col } = lines.linePos(alias.range?.[0] ?? 0)
      faults.push({
        file,
        line,
        column: col,
        key: '',
        message: 'is an alias of nothing: put a text that begins with * in quotes',
      })
    },
    Pair: (_, { key, value }) => {
      const node = isNode(key) ? key : isNode(value) ? value : undefined
      const plain = isScalar(key) && typeof key.value === 'string' && key.value !== '__proto__'
      const numeric = isScalar(key) && typeof key.value === 'number'
      if (plain || numeric) return
      const { line, col } = lines.linePos(node?.range?.[0] ?? 0)
      faults.push({
        file,
        line: Math.max(1, line),
        column: Math.max(1, col),
        key: '',
        message: 'a key must be a plain text',
      })
    },
  })
  return faults
}

function toValues(file: string, document: Document, what: string): Readonly<Record<string, unknown>> {
  if (document.contents === null)
    stop(
      file,
      what === SETTINGS
        ? 'is empty: it must at least have publicUrl, pools, session and applications'
        : `is empty: it must be a map of ${what}`,
    )
  let values: unknown
  try {
    values = document.toJS({ maxAliasCount: 50 })
  } catch {
    stop(file, 'repeats too much by anchors and aliases: write it out')
  }
  if (typeof values === 'string' && lacksSpace(values, 0)) stop(file, LACKS_SPACE)
  if (!isObject(values)) stop(file, `must be a map of ${what}`)
  return values
}

function oddNumbers(document: Document): Path[] {
  const odd: Path[] = []
  visit(document, {
    Scalar: (_, node, ancestors) => {
      if (typeof node.value !== 'number' || isPlainDecimal(node.source ?? '')) return
      const path = pathOf([...ancestors, node])
      if (path !== undefined) odd.push(path)
    },
  })
  return odd
}

export function isPlainDecimal(source: string): boolean {
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(source)
}

function pathOf(chain: readonly unknown[]): Path | undefined {
  const path: (string | number)[] = []
  for (const [at, node] of chain.entries()) {
    const next = chain[at + 1]
    if (isPair(node)) {
      if (next === node.key) return undefined
      path.push(isScalar(node.key) ? String(node.key.value) : '')
    }
    if (isSeq(node)) path.push(node.items.indexOf(next))
  }
  return path
}

interface Step {
  readonly key: Node | undefined
  readonly value: Node | undefined
}

/** The nodes along a path, the document's own first, as far as the file has them. */
function found(document: Document, path: Path): readonly Step[] {
  const steps: Step[] = [{ key: undefined, value: document.contents ?? undefined }]
  for (const key of path) {
    const above = steps.at(-1)?.value
    const around = isAlias(above) ? above.resolve(document) : above
    const step = stepTo(around, key)
    if (step === undefined) break
    steps.push(step)
  }
  return steps
}

function stepTo(around: unknown, key: string | number): Step | undefined {
  if (isSeq(around) && typeof key === 'number') {
    const item = around.items[key]
    return isNode(item) ? { key: undefined, value: item } : undefined
  }
  if (!isMap(around)) return undefined
  const pair = around.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key))
  if (pair === undefined || !isNode(pair.key)) return undefined
  return { key: pair.key, value: isNode(pair.value) ? pair.value : undefined }
}

function placeOf(document: Document, lines: LineCounter, path: Path, at: 'key' | 'value'): Place {
  const steps = found(document, path)
  const last = steps.at(-1)
  const wantsValue = at === 'value' && steps.length > path.length && !isEmpty(last?.value)
  const node = wantsValue ? last?.value : (last?.key ?? last?.value)
  const { line, col } = lines.linePos(node?.range?.[0] ?? 0)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function isEmpty(node: Node | undefined): boolean {
  return node === undefined || (isScalar(node) && node.value === null && (node.source ?? '') === '')
}
