import type { Explanation, RuledRoute } from './explain.ts'
import type { ErrorCode } from './errors.ts'
import { examplePaths } from './example-paths.ts'
import type { PlainIdentity } from './identity.ts'
import { ruleWords } from './rule-words.ts'

/** Who asks: by claims or by a token, and nobody where both are empty. */
export interface ReachQuestion {
  /** As `explain --claims` takes them: YAML or JSON. */
  readonly claims: string
  /** As it stands in an Authorization header, after Bearer. */
  readonly token: string
  /** The client's; empty where nobody says it. */
  readonly address: string
}

export interface ReachAnswer {
  /** Null where nobody is signed in, and where the token is refused. */
  readonly who: PlainIdentity | null
  readonly refused: { readonly code: ErrorCode; readonly reason: string | null } | null
  /** How the question was read. */
  readonly notes: readonly string[]
  readonly routes: readonly Reached[]
}

/** What becomes of somebody's requests at one route, for those of its methods to which the same happens. */
export interface Reached extends Pick<Explanation<never>, 'code' | 'status' | 'reason' | 'missing' | 'wouldDeny'> {
  readonly route: string
  readonly application: string
  /** Null: every method, or with `othersOnly` every one that no other route of the path lists. */
  readonly methods: readonly string[] | null
  readonly othersOnly: boolean
  /** The request that was asked about: an address that belongs to the route. */
  readonly address: string
  readonly rule: readonly string[]
  /** `unreachable`: no address was found that leads to the route. */
  readonly verdict: 'allowed' | 'denied' | 'sign-in' | 'unreachable'
}

/** Those with a text in name, address or rule; letter case does not count. */
export function filterReached(reached: readonly Reached[], filter: string): readonly Reached[] {
  const wanted = filter.toLowerCase()
  return reached.filter(({ route, address, rule }) =>
    [route, address, ...rule].some((text) => text.toLowerCase().includes(wanted)),
  )
}

/** Asks about a request: a host, perhaps with a port, a path as a client sends it, and a method. */
export type Ask<R> = (request: { readonly method: string; readonly host: string; readonly path: string }) => {
  readonly explanation: Explanation<R>
  readonly address: string
}

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'HEAD']

/** What becomes of somebody at one route. Whoever is asked must be whom the running gateway asks. */
export function reachAt<R extends RuledRoute>(route: R, othersOnly: boolean, ask: Ask<R>): readonly Reached[] {
  return together(methodsOf(route, ask).map((asked) => reachedBy(route, asked, othersOnly)))
}

interface Asked<R> extends ReturnType<Ask<R>> {
  readonly methods: readonly string[] | null
}

/** Of a route for all methods one stands for them: rules do not tell methods apart. */
function methodsOf<R extends RuledRoute>(route: R, ask: Ask<R>): readonly Asked<R>[] {
  if (route.methods !== null)
    return route.methods.map((method) => ({ ...askedOf(route, [method], ask), methods: [method] }))
  return [{ ...askedOf(route, METHODS, ask), methods: null }]
}

/** The first request that belongs to the route, or the first of all. */
function askedOf<R extends RuledRoute>(route: R, methods: readonly string[], ask: Ask<R>): ReturnType<Ask<R>> {
  let first: ReturnType<Ask<R>> | undefined
  for (const path of examplePaths(route.path)) {
    for (const host of route.hosts) {
      for (const method of methods) {
        const asked = ask({ method, host, path })
        if (asked.explanation.route === route) return asked
        first ??= asked
      }
    }
  }
  if (first === undefined) throw new TypeError(`${route.name} has no host or method`)
  return first
}

function reachedBy<R extends RuledRoute>(route: R, { methods, address, explanation }: Asked<R>, othersOnly: boolean) {
  const { verdict, code, status, reason, missing, wouldDeny } = explanation
  const { name, application } = route
  const rule = ruleWords(route.access)
  const common = { route: name, application, methods, othersOnly, address, rule }
  // What no route decides is refused for its address, and that is true of the route's requests as well.
  if (explanation.own || (explanation.route !== route && explanation.route !== null))
    return {
      ...common,
      verdict: 'unreachable',
      code: null,
      status: null,
      reason: null,
      missing: [],
      wouldDeny: null,
    } as const
  const reached = verdict === 'denied' && code === 'GW_SIGN_IN_REQUIRED' ? 'sign-in' : verdict
  return { ...common, verdict: reached, code, status, reason, missing, wouldDeny } as const
}

/** Methods to which the same happens as one. */
function together(reached: readonly Reached[]): readonly Reached[] {
  const byOutcome = new Map<string, Reached>()
  for (const one of reached) {
    const outcome = JSON.stringify([one.verdict, one.code, one.reason, one.missing, one.wouldDeny])
    const same = byOutcome.get(outcome)
    byOutcome.set(
      outcome,
      same === undefined ? one : { ...same, methods: [...(same.methods ?? []), ...(one.methods ?? [])] },
    )
  }
  return [...byOutcome.values()]
}
