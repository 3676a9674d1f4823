import { randomBytes } from 'node:crypto'
import { createUpstreams, type Upstream } from '../adapters/upstreams.ts'
import type { RouteSettings, Settings } from '../config/settings.ts'
import { parseTarget } from '../domain/request-target.ts'
import { rewritePath } from '../domain/rewriting.ts'
import { readArguments, required } from './arguments.ts'
import { UsageError, type Command } from './command.ts'
import { forgeriesFor } from './forgeries.ts'
import { askUpstream, type ProbeAnswer } from './probe-request.ts'
import { echoes, verdictOf, type Baseline, type Verdict } from './probe-verdict.ts'
import { settingsOrFaults } from './serve.ts'

export const probeUpstream: Command = {
  name: 'probe-upstream',
  summary: 'Tries whether an application believes what the gateway did not say.',
  help: `Usage: cognito-gateway probe-upstream --config FILE APPLICATION [--path PATH] [--json]

Sends an application forged headers and bad assertions, past the gateway, and says which of them it believed: for which its answer is another
than the one to an anonymous request. Run it where the gateway runs. The forgeries are about somebody who does not exist; an application that
believes them may make an account for that name (gateway-probe-…). Ends with 0 when it believed none of them, else with 1.

  --config FILE   the settings (YAML)
  --path PATH     what to ask for, as people write it: a page that greets its visitor; the application's own path unless given
  --json          the answer for programs`,

  async run(args, context) {
    const { values, positionals } = readArguments(
      args,
      { config: { type: 'string' }, path: { type: 'string' }, json: { type: 'boolean' } },
      1,
    )
    const file = required(values.config, '--config')
    const [name] = positionals
    const loaded = settingsOrFaults(file, context)
    if (loaded === undefined) return 1
    if (name === undefined)
      throw new UsageError(`Name an application of the settings: ${probedIn(loaded.settings).join(', ')}.`)
    const target = targetOf(loaded.settings, name, values.path)
    if (target === undefined) {
      context.complain(
        `There is no application ${name} with a route: name one of ${probedIn(loaded.settings).join(', ')}.`,
      )
      return 1
    }
    try {
      const report = await probe(target)
      context.print(values.json === true ? JSON.stringify(report, null, 2) : textOf(report))
      return report.believed === 0 && report.unclear === 0 ? 0 : 1
    } catch (error) {
      context.complain(`${target.address} gave no answer: ${kindOf(error)}.`)
      return 1
    }
  },
}

interface ProbeTarget {
  readonly settings: Settings
  readonly name: string
  readonly routes: readonly RouteSettings[]
  /** The one whose upstream is asked. */
  readonly route: RouteSettings
  readonly address: string
  readonly path: string
}

function probedIn({ applications }: Settings): readonly string[] {
  return applications.filter(({ routes }) => routes.length > 0).map(({ name }) => name)
}

function targetOf(settings: Settings, name: string, asked: string | undefined): ProbeTarget | undefined {
  const application = settings.applications.find((one) => one.name === name)
  const [route] = application?.routes ?? []
  if (application === undefined || route === undefined) return undefined
  const target = parseTarget(asked ?? application.path)
  if (!target.ok) throw new UsageError('--path must be a path that the gateway would take, such as /profile.')
  const rewritten = rewritePath(target.rawPath, target.path, route.prefixes)
  if (rewritten === null) throw new UsageError('--path must spell its prefix as the settings do.')
  const address = route.upstream.urls[0] ?? ''
  return { settings, name, routes: application.routes, route, address, path: rewritten.path + target.query }
}

interface Finding {
  readonly forgery: string
  readonly verdict: Verdict
  readonly status: number
}

interface Report {
  readonly application: string
  readonly address: string
  readonly path: string
  readonly anonymous: number
  /** Answers repeat whatever headers there were: then they say nothing. */
  readonly echoes: boolean
  readonly believed: number
  readonly unclear: number
  readonly findings: readonly Finding[]
}

const ANONYMOUS_TRIES = 3

async function probe(target: ProbeTarget): Promise<Report> {
  const { settings, name, routes, route, address, path } = target
  const upstreams = createUpstreams()
  try {
    const upstream: Upstream = upstreams.of({ ...route.upstream, health: null, breaker: null })
    const { host } = route.upstream
    const publicHost = new URL(settings.publicUrl).host
    const ask = async (headers: Readonly<Record<string, string>>): Promise<ProbeAnswer> =>
      askUpstream(upstream, { path, host, publicHost, headers })
    const user = `gateway-probe-${randomBytes(6).toString('hex')}`
    const anonymous: ProbeAnswer[] = []
    while (anonymous.length < ANONYMOUS_TRIES) anonymous.push(await ask({}))
    const baseline: Baseline = { anonymous, control: await ask({ 'X-Probe-Control': user }), user }
    const findings: Finding[] = []
    const forgeries = forgeriesFor({
      settings,
      routes,
      user,
      groups: groupsIn(routes),
      now: Math.floor(Date.now() / 1000),
    })
    for (const forgery of forgeries) {
      const answer = await ask(forgery.headers)
      findings.push({ forgery: forgery.name, verdict: verdictOf(answer, forgery, baseline), status: answer.status })
    }
    const count = (verdict: Verdict): number => findings.filter((finding) => finding.verdict === verdict).length
    return {
      application: name,
      address,
      path,
      anonymous: anonymous[0]?.status ?? 0,
      echoes: echoes(baseline),
      believed: count('believed'),
      unclear: count('unclear'),
      findings,
    }
  } finally {
    await upstreams.destroy()
  }
}

/** Those that the rules ask for, so that a believed forgery opens something. */
function groupsIn(routes: readonly RouteSettings[]): readonly string[] {
  const groups = routes.flatMap(({ access }) =>
    typeof access === 'string' ? [] : access.flatMap((entry) => entry.groups ?? []),
  )
  return groups.length === 0 ? ['admins'] : [...new Set(groups)]
}

function textOf({ application, address, path, anonymous, findings, ...report }: Report): string {
  const lines = [
    `${application}, ${path} at ${address}: an anonymous request gets ${anonymous}.`,
    '',
    ...findings.map(({ forgery, verdict, status }) => `  ${verdict.padEnd(10)}${forgery}  (${status})`),
    '',
  ]
  if (report.echoes)
    lines.push(
      'Its answers repeat headers that mean nothing, so they do not tell what it believes: try another --path.',
    )
  if (report.believed > 0)
    lines.push(
      `It believed ${report.believed} of ${findings.length} forgeries. Whoever reaches it directly can be anybody: let nothing but the gateway reach it`,
      'or have it verify the signed assertion, and nothing else.',
    )
  if (report.believed === 0 && report.unclear === 0) lines.push('It believed none of them.')
  else if (report.unclear > 0) lines.push(`${report.unclear} of its answers are unclear.`)
  return lines.join('\n')
}

/** Codes only: messages may quote what was sent. */
function kindOf(error: unknown): string {
  if (error instanceof Error && 'code' in error) return String(error.code)
  return error instanceof Error && error.message.startsWith('no connection') ? error.message : 'no answer'
}
