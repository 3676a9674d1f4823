import { foldPath } from '../domain/request-target.ts'
import { buildRouteTable, matchRoute } from '../domain/route-table.ts'
import { given, type Draft, type DraftApplication } from './draft.ts'
import { atValue, type Finding } from './faults.ts'
import type { Path } from './marks.ts'

/** An application's own sign-out must lead to the application, and by a route that reads the session. */
export function checkSignOut(draft: Draft): readonly Finding[] {
  const table = buildRouteTable(
    draft.applications.flatMap(({ hosts, own, routes }) =>
      [own, ...routes].flatMap(({ name, application, path, methods, access }) =>
        access === undefined ? [] : [{ name, application, hosts, path, methods, access }],
      ),
    ),
  )
  // Of an application of which a part is left out nobody knows which paths it has.
  const whole = draft.applications.filter(({ at }) => !draft.leftOut(at))
  return whole.flatMap((application) =>
    application.keys.signOut.paths.flatMap((path, at) => {
      const reached = ['GET', 'POST'].flatMap((method) => {
        const match = matchRoute(table, application.hosts[0] ?? '', method, foldPath(path))
        return match.kind === 'route' ? [match.route] : []
      })
      const fault = faultOf(application, reached)
      return fault === undefined ? [] : [atValue([...placeOf(application, draft), at], fault)]
    }),
  )
}

function placeOf({ at }: DraftApplication, draft: Draft): Path {
  const own = [...at, 'signOut', 'paths']
  return given(draft, own) ? own : ['defaults', 'signOut', 'paths']
}

interface Reached {
  readonly name: string
  readonly application: string
  readonly access: unknown
}

function faultOf({ name, path }: DraftApplication, reached: readonly Reached[]): string | undefined {
  const foreign = reached.find(({ application }) => application !== name)
  if (foreign !== undefined) return `belongs to the application ${foreign.application}: write it there`
  if (reached.length === 0) return `is served by no route: it must be a path of the application, which lives at ${path}`
  if (reached.some(({ access }) => access !== 'public')) return undefined
  return `is public by ${reached[0]?.name ?? name}, and there nobody's session is read: give it a route with access: optional`
}
