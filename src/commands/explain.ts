import { readFileSync } from 'node:fs'
import { GIVEN_ELSEWHERE, readCases, readClaims, type RuleCase } from '../config/explain-files.ts'
import { loadSettings, SettingsError } from '../config/load.ts'
import { createExplainer, QuestionError, type AskedRequest, type Asker, type Explainer } from '../explainer.ts'
import { readArguments, required } from './arguments.ts'
import { UsageError, type Command, type CommandContext } from './command.ts'
import { explanationJson, explanationText, wordsOf } from './explain/explanation-text.ts'

export const explain: Command = {
  name: 'explain',
  summary: 'Says which rule decides a request, and what it decides about somebody.',
  help: `Usage: cognito-gateway explain --config FILE METHOD URL [--token-file F | --claims F]
                 [--header 'NAME: VALUE']… [--address IP] [--json]
       cognito-gateway explain --config FILE --cases F [--json]

Which route a request belongs to, what its rule asks, what this identity has, and the verdict: with the codes and reasons of answers, log and
metrics. No secret is read and nobody is asked. Signatures are not checked: what tokens and claims say is taken as given.

  --config FILE     the settings (YAML)
  METHOD URL        such as GET https://wiki.example.com/admin/; an address without a host is one of publicUrl's
  --token-file F    a token as a program would send it as Authorization: Bearer; - reads it from standard input
  --claims F        claims as YAML or JSON: { access: { … }, id: { … } } as of a session, access alone as of a bearer token;
                    with as: basic as of a client that sends its id and secret instead
  --header H        a header of the request, such as 'Origin: https://other.example'; may be given more than once, the same one too
  --address IP      the client's address, for rules with clientAddresses
  --cases F         a file of expectations: identities: { NAME: claims }, cases: [{ request: GET /x, identity: NAME, headers: { … }, expect: allowed }]
  --json            the answer for programs

Ends with 0 when the request is allowed, or every case is as expected; else with 1.`,

  async run(args, context) {
    const { values, positionals } = readArguments(
      args,
      {
        config: { type: 'string' },
        'token-file': { type: 'string' },
        claims: { type: 'string' },
        cases: { type: 'string' },
        address: { type: 'string' },
        header: { type: 'string', multiple: true },
        json: { type: 'boolean' },
      },
      2,
    )
    const file = required(values.config, '--config')
    const [method, url] = positionals
    if (values.cases !== undefined && positionals.length > 0) throw new UsageError('--cases takes no METHOD and URL.')
    if (values.cases === undefined && (method === undefined || url === undefined))
      throw new UsageError('METHOD and URL are missing.')
    if (values['token-file'] !== undefined && values.claims !== undefined)
      throw new UsageError('--token-file and --claims are two answers to one question: give one of them.')
    try {
      const { settings } = loadSettings({ file, environment: context.environment, rulesOnly: true })
      const explainer = createExplainer(settings, Date.now)
      const json = values.json === true
      if (values.cases !== undefined) {
        const pools = settings.pools.map(({ name }) => name)
        return explainCases(explainer, readCases(values.cases, pools), { context, json })
      }
      const asker = askerIn(explainer, values)
      const request = {
        method: method ?? '',
        url: url ?? '',
        address: values.address ?? '',
        headers: headersIn(values.header ?? []),
      }
      const explanation = explainer.explain(request, asker)
      context.print(
        json
          ? JSON.stringify(explanationJson(request, asker, explanation), null, 2)
          : explanationText(request, asker, explanation),
      )
      return explanation.verdict === 'allowed' ? 0 : 1
    } catch (error) {
      if (error instanceof QuestionError) throw new UsageError(error.message)
      if (!(error instanceof SettingsError)) throw error
      context.complain(error.message)
      return 2
    }
  },
}

function askerIn(explainer: Explainer, { claims, 'token-file': tokenFile }: Readonly<Record<string, unknown>>): Asker {
  if (typeof claims === 'string') return explainer.byClaims(readClaims(claims))
  return typeof tokenFile === 'string' ? explainer.byToken(textIn(tokenFile)) : explainer.nobody
}

const HEADER = /^([\w!#$%&'*+.^`|~-]+):\s*(.*?)\s*$/

function headersIn(lines: readonly string[]): AskedRequest['headers'] {
  return named(
    lines.map((line) => {
      const [, name, value] = HEADER.exec(line) ?? []
      if (name === undefined || value === undefined) throw new UsageError("--header must look like 'Name: value'.")
      return [name, value]
    }),
  )
}

function named(headers: readonly (readonly [name: string, value: string])[]): AskedRequest['headers'] {
  const found = new Map<string, readonly string[]>()
  for (const [name, value] of headers) {
    const lower = name.toLowerCase()
    const [option] = GIVEN_ELSEWHERE.get(lower) ?? []
    if (option !== undefined) throw new UsageError(`A header ${name} is not taken: give ${option} instead.`)
    found.set(lower, [...(found.get(lower) ?? []), value])
  }
  return Object.fromEntries(
    [...found].map(([name, values]) => [name, values.length === 1 ? (values[0] ?? '') : values]),
  )
}

function textIn(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8').trim()
  } catch {
    throw new UsageError(`${file} cannot be read.`)
  }
}

function explainCases(
  explainer: Explainer,
  cases: readonly RuleCase[],
  { context, json }: { readonly context: CommandContext; readonly json: boolean },
): number {
  const results = cases.map(({ place, request, identity, who, address = '', headers, expect }) => {
    const [method = '', url = ''] = request.split(/\s+/, 2)
    const asker = identity === undefined ? explainer.nobody : explainer.byClaims(identity)
    const lines = Object.entries(headers).flatMap(([name, values]) =>
      [values].flat().map((one) => [name, one] as const),
    )
    const got = wordsOf(explainer.explain({ method, url, address, headers: named(lines) }, asker))
    const passed = expect.split(/\s+/).every((word) => got.includes(word))
    return { place, request, who, expect, got: got.join(' '), passed }
  })
  const failed = results.filter(({ passed }) => !passed)
  if (json) context.print(JSON.stringify({ ok: failed.length === 0, cases: results }, null, 2))
  else {
    for (const { place, request, who, expect, got } of failed)
      context.print(`${place}: ${request} as ${who}: expected ${expect}, got ${got}`)
    context.print(`${results.length - failed.length} as expected, ${failed.length} not`)
  }
  return failed.length === 0 ? 0 : 1
}
