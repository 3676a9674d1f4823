import type { RouteSettings } from '../../config/settings.ts'
import type { AccessRule } from '../../domain/access.ts'
import type { AccessEntry } from '../../domain/conditions.ts'
import { GatewayError } from '../../domain/errors.ts'
import type { Explanation } from '../../domain/explain.ts'
import { plainIdentity } from '../../domain/identity.ts'
import { identityOf, type AskedRequest, type Asker } from '../../explainer.ts'

type Explained = Explanation<RouteSettings>

/** The words that a case may expect: the verdict, then whatever code, reason and route there are. */
export function wordsOf({ verdict, code, reason, route, own, wouldDeny }: Explained): readonly string[] {
  const words = [verdict, code, reason, own ? 'gateway' : (route?.name ?? null)]
  return [...words, ...(wouldDeny === null ? [] : ['would_deny', wouldDeny])].filter((word) => word !== null)
}

/** For people: route, rule, identity and verdict, a line each. */
export function explanationText(request: AskedRequest, asker: Asker, explained: Explained): string {
  const lines = [
    `${request.method} ${request.url}${request.address === '' ? '' : ` from ${request.address}`}`,
    ...Object.entries(request.headers).flatMap(([name, values]) =>
      [values].flat().map((value) => `  header    ${name}: ${value}`),
    ),
    `  route     ${routeText(explained)}`,
    ...ruleLines((explained.route ?? explained.endpoint)?.access),
    `  identity  ${identityText(asker)}`,
    `  verdict   ${verdictText(explained)}`,
    ...missingLines(explained),
  ]
  return lines.join('\n')
}

/** For programs: the same. */
export function explanationJson(request: AskedRequest, asker: Asker, explained: Explained): unknown {
  const { route, ...verdict } = explained
  const { notes } = asker
  const identity = identityOf(asker)
  return {
    request,
    route: route === null ? null : { name: route.name, path: route.path, methods: route.methods, access: route.access },
    identity: identity === null || identity instanceof GatewayError ? null : plainIdentity(identity),
    notes,
    ...verdict,
  }
}

function routeText({ route, own, endpoint }: Explained): string {
  if (endpoint !== null) return `none: the gateway answers itself (${endpoint.methods.join(', ')})`
  if (own) return 'none: below the prefix of the gateway, and nothing there'
  if (route === null) return 'none'
  return `${route.name} (${route.path}, ${route.methods?.join(', ') ?? 'every method'})`
}

function ruleLines(access: AccessRule | undefined): readonly string[] {
  if (access === undefined) return []
  if (typeof access === 'string') return [`  asks      ${access}`]
  return access.map((entry, at) => `  ${at === 0 ? 'asks ' : 'or   '} ${at + 1}.  ${entryText(entry)}`)
}

function entryText(entry: AccessEntry): string {
  return Object.entries(entry)
    .map(([name, wanted]: [string, unknown]) => `${name}: ${valueText(wanted)}`)
    .join('; ')
}

function identityText(asker: Asker): string {
  const { notes } = asker
  const identity = identityOf(asker)
  const more = notes.length === 0 ? '' : ` (${notes.join(', ')})`
  if (identity === null) return `nobody${more}`
  if (identity instanceof GatewayError) return `none: what stands in Authorization is refused${more}`
  const { kind, ...parts } = plainIdentity(identity)
  const known = Object.entries(parts).filter(([, value]) => value !== undefined)
  return `${kind} ${known.map(([name, value]) => `${name}: ${valueText(value)}`).join('; ')}${more}`
}

function valueText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(String).join(', ')}]`
  if (typeof value !== 'object' || value === null) return String(value)
  return `{ ${Object.entries(value)
    .map(([name, one]) => `${name}: ${valueText(one)}`)
    .join(', ')} }`
}

function verdictText({ verdict, status, code, reason, wouldDeny, detail, preflight, route }: Explained): string {
  if (wouldDeny !== null) return `${verdict}, because the route only reports: the rule refuses (${wouldDeny})`
  if (verdict === 'allowed' && preflight)
    return `${verdict}, as a preflight: ${route?.cors.preflight === 'answer' ? 'the gateway' : 'the application'} answers it`
  if (verdict === 'allowed') return verdict
  const why = [reason, detail].filter((one) => one !== null).join('; ')
  return `${verdict}: ${status} ${code}${why === '' ? '' : ` (${why})`}`
}

function missingLines({ missing, route }: Explained): readonly string[] {
  if (route === null || typeof route.access === 'string') return []
  return missing.map((lacking, at) => `            ${at + 1}. lacks ${lacking.join(', ')}`)
}
