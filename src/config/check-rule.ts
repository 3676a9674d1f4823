import { given, type Draft, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import { dayStart } from './kinds.ts'
import type { Path } from './marks.ts'

export const DAY_MS = 86_400_000

/** What is wrong between a route's rule and the rest of the settings. */
export function checkRule(route: DraftRoute, draft: Draft): readonly Finding[] {
  return [...checkReportOnly(route, draft), ...checkPoolsNamed(route, draft)]
}

const LONGEST_REPORT_DAYS = 90

/** A rule that refuses nobody must not be forgotten. */
function checkReportOnly(route: DraftRoute, draft: Draft): readonly Finding[] {
  const { reportOnly } = route.keys
  if (reportOnly === 'off') return []
  const at = reportOnlyPath(route, draft)
  const start = reportOnly.until === undefined ? null : dayStart(reportOnly.until)
  if (start === null)
    return draft.leftOut([...at, 'until']) ? [] : [atKey(at, 'has no end: write until: and the last day')]
  const latest = new Date(Date.now() + LONGEST_REPORT_DAYS * DAY_MS)
  return start > latest.getTime()
    ? [
        atValue(
          [...at, 'until'],
          `is more than ${LONGEST_REPORT_DAYS} days from now: write ${latest.toISOString().slice(0, 10)} or earlier`,
        ),
      ]
    : []
}

/** Where it was given for a route: at the route, or at its application. */
export function reportOnlyPath({ at, application }: DraftRoute, draft: Draft): Path {
  const own = [...at, 'reportOnly']
  return given(draft, own) ? own : ['applications', application, 'reportOnly']
}

function checkPoolsNamed({ access, at }: DraftRoute, draft: Draft): readonly Finding[] {
  if (access === undefined || typeof access === 'string' || !given(draft, [...at, 'access'])) return []
  const known = Object.keys(draft.file.pools)
  return access.flatMap(({ pools = [] }, entry) =>
    pools.flatMap((pool, index) =>
      known.includes(pool) || draft.leftOut(['pools', pool])
        ? []
        : [atValue([...at, 'access', entry, 'pools', index], `must be one of the pools: ${known.join(', ')}`)],
    ),
  )
}
