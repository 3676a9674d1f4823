import { z } from 'zod'
import { keyText, SettingsError } from './faults.ts'
import { filledList, headerName, plainText } from './kinds.ts'
import { mark } from './marks.ts'
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

const cases = z.strictObject({
  identities: z.record(z.string(), claims).default({}),
  cases: filledList(
    z.strictObject({
      request: plainText(),
      identity: z.union([plainText(), claims]).optional(),
      address: plainText().optional(),
      headers: z.record(headerName(), z.union([plainText(), filledList(plainText())])).default({}),
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

/** What is expected of rules, in the file's order. Throws a SettingsError with every fault of the file. */
export function readCases(file: string): readonly RuleCase[] {
  const source = readSource(file, 'cases')
  const values = read(source, cases)
  return values.cases.map(({ request, identity, address, headers, expect }, at) => {
    const named = typeof identity === 'string' ? values.identities[identity] : identity
    if (typeof identity === 'string' && !Object.hasOwn(values.identities, identity))
      fail(source, ['cases', at, 'identity'], `must be one of identities: ${Object.keys(values.identities).join(', ')}`)
    const who = typeof identity === 'string' ? identity : identity === undefined ? 'nobody' : 'somebody'
    const { line } = source.place(['cases', at, 'request'], 'value')
    return { place: `${file}:${line}`, request, identity: named, who, address, headers, expect }
  })
}

function read<S extends z.ZodType>(source: Source, schema: S): z.output<S> {
  const findings = validate(source.values, schema)
  const parsed = schema.safeParse(source.values)
  if (parsed.success) return parsed.data
  const { file } = source
  throw new SettingsError(
    findings.map(({ path, message, at }) => ({ file, ...source.place(path, at), key: keyText(path), message })),
  )
}

function fail(source: Source, path: readonly (string | number)[], message: string): never {
  throw new SettingsError([{ file: source.file, ...source.place(path, 'value'), key: keyText(path), message }])
}
