import { readFileSync } from 'node:fs'

/** What V8 writes with --cpu-prof; times in microseconds of the machine's monotonic clock. */
interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly startTime: number
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

/** A place where time was spent, and its share of all time that was not idle. */
export interface Share {
  readonly name: string
  readonly share: number
}

export interface ProfileSummary {
  readonly samples: number
  readonly groups: readonly Share[]
  readonly files: readonly Share[]
  readonly functions: readonly Share[]
}

export interface Span {
  readonly from: number
  readonly to: number
}

/** Self time within a span of the monotonic clock, largest first. */
export function summarize(file: string, { from, to }: Span): ProfileSummary {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as CpuProfile
  const places = new Map(profile.nodes.map(({ id, callFrame }) => [id, placeOf(callFrame)]))
  const [groups, files, functions] = [new Map(), new Map(), new Map()] as [Tally, Tally, Tally]
  let [time, total, samples] = [profile.startTime, 0, 0]
  for (const [at, id] of profile.samples.entries()) {
    // A sample stands for the time since the one before it.
    const spent = profile.timeDeltas[at] ?? 0
    time += spent
    const place = places.get(id)
    if (time < from || time > to || place === undefined) continue
    total += spent
    samples += 1
    add(groups, place.group, spent)
    add(files, place.file, spent)
    add(functions, place.name, spent)
  }
  const shares = (tally: Tally): readonly Share[] =>
    [...tally].map(([name, spent]) => ({ name, share: spent / total })).sort((one, other) => other.share - one.share)
  return { samples, groups: shares(groups), files: shares(files), functions: shares(functions) }
}

type Tally = Map<string, number>

function add(tally: Tally, name: string, spent: number): void {
  tally.set(name, (tally.get(name) ?? 0) + spent)
}

interface Place {
  readonly group: string
  readonly file: string
  readonly name: string
}

/** Undefined for idle time. */
function placeOf({ functionName, url, lineNumber }: CpuProfile['nodes'][number]['callFrame']): Place | undefined {
  if (functionName === '(idle)') return undefined
  if (functionName === '(program)') return alone('kernel, libuv and parsers (native, outside JavaScript)')
  if (functionName === '(garbage collector)') return alone('garbage collection')
  const named = functionName === '' ? `(anonymous, line ${lineNumber + 1})` : functionName
  if (url === '') return { group: 'native functions called from JavaScript', file: 'native', name: `${named}  native` }
  const file = fileOf(url)
  return { group: groupOf(file), file, name: `${named}  ${file}` }
}

const alone = (name: string): Place => ({ group: name, file: name, name })

/** As a person looks for it: our sources as they are written, packages by their names. */
function fileOf(url: string): string {
  const inPackage = url.split('/node_modules/').at(-1) ?? url
  if (inPackage !== url) return inPackage
  const ours = /\/dist\/(.*)\.js$/.exec(url)?.[1]
  return ours === undefined ? url : `src/${ours}.ts`
}

function groupOf(file: string): string {
  if (file.startsWith('src/')) return 'ours'
  if (file.startsWith('wasm:')) return 'undici, its parser in WebAssembly'
  if (/^node:(?:_http|http$|internal\/http)/.test(file)) return 'node:http'
  if (/^node:(?:net$|internal\/(?:streams|stream_base)|stream|_stream)/.test(file)) return 'node:net and node:stream'
  if (file.startsWith('node:')) return 'node: (others)'
  return /^(?:@[^/]+\/)?[^/]+/.exec(file)?.[0] ?? file
}
