import { z } from 'zod'
import { parseAddress } from '../domain/client-address.ts'
import { atValue, keyText, SettingsError, type Finding } from './faults.ts'
import { filledList, headerName, plainText, text } from './kinds.ts'
import { isObject, mark } from './marks.ts'
import { readSource, sourceIn, type Source } from './source.ts'
import { validate } from './validate.ts'

/** The claims of somebody's tokens, as a file gives them: both of a session, the access token's alone of a bearer or of a client with Basic. */
const claims = mark(
  z.strictObject({
    pool: plainText().optional(),
    as: z.enum(['session', 'bearer', 'basic']).optional(),
    access: z.record(z.string(), z.unknown()),
    id: z.record(z.string(), z.unknown()).optional(),
  }),
  { expects: 'a map of access and id, the claims of the two tokens' },
)
export type GivenClaims = z.output<typeof claims>

/** Headers that are given in another way, because they may be secrets or because several would contradict each other: by option, and by key of a case. */
export const GIVEN_ELSEWHERE: ReadonlyMap<string, readonly [option: string, key: string]> = new Map([
  ['authorization', ['--token-file or --claims', 'identity']],
  ['cookie', ['--claims', 'identity']],
  ['host', ['a URL with the host', 'a URL with the host']],
  ['x-forwarded-for', ['--address', 'address']],
])

const asked = text({
  expects: 'a method and an address, such as GET /admin/ or GET https://app.example.com/admin/',
  pattern: /^\S+ +(?:\/|[Hh][Tt]{2}[Pp][Ss]?:\/\/[^\s/?#])\S*$/,
})

const client = text({
  expects: 'an address of IPv4 or IPv6',
  fault: (value) => (parseAddress(value) === null ? 'must be an address of IPv4 or IPv6' : undefined),
})

const sentHeader = headerName((name) => {
  const elsewhere = GIVEN_ELSEWHERE.get(name.toLowerCase())
  return elsewhere === undefined ? undefined : `is given elsewhere: write ${elsewhere[1]} instead`
})

const cases = z.strictObject({
  identities: z.record(z.string(), claims).default({}),
  cases: filledList(
    z.strictObject({
      request: asked,
      identity: z.union([plainText(), claims]).optional(),
      address: client.optional(),
      headers: z.record(sentHeader, z.union([plainText(), filledList(plainText())])).default({}),
      expect: plainText(),
    }),
  ),
})

export interface RuleCase {
  /** `file:line` of its request. */
  readonly place: string
  /** A method and an address, with a space between. */
  readonly request: string
  readonly identity: GivenClaims | undefined
  /** As the file names it. */
  readonly who: string
  readonly address: string | undefined
  /** All values of one that comes more than once. */
  readonly headers: Readonly<Record<string, string | readonly string[]>>
  readonly expect: string
}

const CLAIMS = 'access and id, the claims of two tokens'

/** Throws a SettingsError with every fault of the file. */
export function readClaims(file: string): GivenClaims {
  return read(readSource(file, CLAIMS), claims)
}

/** The claims of a text, YAML or JSON. Throws a SettingsError with every fault of it, which quotes none of the values. */
export function claimsIn(text: string): GivenClaims {
  return read(sourceIn({ file: 'claims', text, mode: 0 }, CLAIMS), claims)
}

/** What is expected of rules, in the file's order. Throws a SettingsError with every fault of the file, a pool that is none of `pools` among them. */
export function readCases(file: string, pools: readonly string[]): readonly RuleCase[] {
  const source = readSource(file, 'cases')
  const values = read(source, cases, nameFindings(source.values, pools))
  return values.cases.map(({ request, identity, address, headers, expect }, at) => {
    const named = typeof identity === 'string' ? values.identities[identity] : identity
    const who = typeof identity === 'string' ? identity : identity === undefined ? 'nobody' : 'somebody'
    const { line } = source.place(['cases', at, 'request'], 'value')
    return { place: `${file}:${line}`, request, identity: named, who, address, headers, expect }
  })
}

/** Names of identities and pools that nobody has; whatever else is wrong with the values is not looked at. */
function nameFindings(values: Source['values'], pools: readonly string[]): readonly Finding[] {
  const { identities, cases: given } = values
  const known = isObject(identities) ? identities : {}
  const poolFindings = (someone: unknown, path: Finding['path']): readonly Finding[] => {
    const pool = isObject(someone) ? someone['pool'] : undefined
    if (typeof pool !== 'string' || pools.includes(pool)) return []
    return [atValue([...path, 'pool'], `must be one of the pools: ${pools.join(', ')}`)]
  }
  const rows: readonly unknown[] = Array.isArray(given) ? given : []
  return [
    ...Object.entries(known).flatMap(([name, someone]) => poolFindings(someone, ['identities', name])),
    ...rows.flatMap((row, at) => {
      const identity = isObject(row) ? row['identity'] : undefined
      const path = ['cases', at, 'identity']
      if (typeof identity !== 'string') return poolFindings(identity, path)
      return Object.hasOwn(known, identity) ? [] : [atValue(path, identityFault(Object.keys(known)))]
    }),
  ]
}

const identityFault = (known: readonly string[]): string =>
  `must be one of identities: ${known.length === 0 ? 'name somebody there' : known.join(', ')}`

function read<S extends z.ZodType>(source: Source, schema: S, more: readonly Finding[] = []): z.output<S> {
  const parsed = schema.safeParse(source.values)
  if (parsed.success && more.length === 0) return parsed.data
  const { file } = source
  const findings = [...validate(source.values, schema), ...more]
  const faults = findings.map(({ path, message, at }) => ({
    file,
    ...source.place(path, at),
    key: keyText(path),
    message,
  }))
  throw new SettingsError(faults.sort((a, b) => a.line - b.line || a.column - b.column))
}
