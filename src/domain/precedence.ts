import { keyOf, patternOf, type RoutePattern } from './route-table.ts'

/** Routes in the order in which they win: of two that cover one path the earlier decides. A list of other hosts' routes is in no worse order. */
export function byPrecedence<R extends RoutePattern>(routes: readonly R[]): readonly R[] {
  return routes
    .map((route) => ({ route, key: precedenceOf(route) }))
    .toSorted((one, other) => compareKeys(one.key, other.key))
    .map(({ route }) => route)
}

/** Tells which routes without methods have only those that no other route of the very same path lists. */
export function restRoutes<R extends RoutePattern>(routes: readonly R[]): (route: R) => boolean {
  const placeOf = ({ hosts, path }: R): string => `${hosts.join(' ')} ${keyOf(patternOf(path))}`
  const withMethods = new Set(routes.filter(({ methods }) => methods !== null).map(placeOf))
  return (route) => route.methods === null && withMethods.has(placeOf(route))
}

type Rank = readonly [rank: 0 | 1 | 2 | 3, text: string]

/** The end of an exact path, a literal, a parameter, and the end that covers everything below; last, whether only some methods are meant. */
function precedenceOf({ path, methods }: RoutePattern): readonly Rank[] {
  const { segments, below } = patternOf(path)
  return [
    ...segments.map((segment): Rank => (segment === null ? [2, ''] : [1, segment])),
    [below ? 3 : 0, ''],
    [methods === null ? 1 : 0, ''],
  ]
}

function compareKeys(one: readonly Rank[], other: readonly Rank[]): number {
  for (const [at, [rank, text]] of one.entries()) {
    const [otherRank, otherText] = other[at] ?? [0, '']
    if (rank !== otherRank) return rank - otherRank
    if (text !== otherText) return text < otherText ? -1 : 1
  }
  return 0
}
