import { given, levelsOf, type Draft, type DraftApplication, type DraftRoute } from './draft.ts'
import { atValue, type Finding } from './faults.ts'

/** What is wrong between the settings of a route that say who else may call than people at its own pages. */
export function checkAuthorization(route: DraftRoute, { pool }: DraftApplication, draft: Draft): readonly Finding[] {
  const levels = levelsOf(route)
  const distance = (key: string): number => {
    const at = levels.findIndex((level) => given(draft, [...level, key]))
    return at === -1 ? levels.length : at
  }
  /** A contradiction is one where it is written; what is only inherited does nothing. */
  const contradicts = (key: string, other: string): boolean =>
    distance(key) < levels.length && distance(key) <= distance(other)
  const finding = (key: string, message: string): Finding =>
    atValue([...(levels[distance(key)] ?? route.at), key], message)

  const { authorization, clientBasic, challenge, allowedOrigins, cors } = route.keys
  const findings: Finding[] = []
  const isOurs = authorization === 'auto' || authorization === 'gateway'
  if (clientBasic && !isOurs && contradicts('clientBasic', 'authorization'))
    findings.push(
      finding('clientBasic', `needs authorization: auto or gateway: with ${authorization} no such header is read here`),
    )
  if (clientBasic && pool !== undefined && knowsNoClient(pool, draft))
    findings.push(finding('clientBasic', `lets nobody in: list the app clients in pools.${pool}.bearerClients`))
  const isKnown = !leftOut(route, 'clientBasic', draft) && !leftOut(route, 'challenge', draft)
  if (challenge.includes('basic') && !clientBasic && isKnown && contradicts('challenge', 'clientBasic'))
    findings.push(
      finding('challenge', 'must not offer basic without clientBasic: true: no password would let anybody in'),
    )
  if (cors.preflight === 'answer' && allowedOrigins.length === 0 && !leftOut(route, 'allowedOrigins', draft))
    findings.push(finding('cors', 'needs allowedOrigins: the origins whose scripts may send requests'))
  if (cors.credentials && cors.preflight === 'refuse' && !leftOut(route, 'cors', draft))
    findings.push(finding('cors', 'has credentials that nobody may send: write preflight: answer or application too'))
  return findings
}

function knowsNoClient(pool: string, draft: Draft): boolean {
  return draft.file.pools[pool]?.bearerClients.length === 0 && !draft.leftOut(['pools', pool, 'bearerClients'])
}

const leftOut = (route: DraftRoute, key: string, draft: Draft): boolean =>
  levelsOf(route).some((level) => draft.leftOut([...level, key]))
