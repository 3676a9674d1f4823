import { ALB_ACCESS_TOKEN, ALB_DATA, ASSERTION, FAMILIES } from '../domain/identity-headers.ts'
import { foldHeaderName, isCarrierHeader } from '../domain/reserved-headers.ts'
import { given, levelsOf, type Draft, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import type { Path } from './marks.ts'

/** What is wrong between what routes tell of identities and everything that this needs. */
export function checkIdentity(draft: Draft): readonly Finding[] {
  return draft.applications.flatMap(({ pool, own, routes }) =>
    [own, ...routes]
      .filter(({ access }) => access !== undefined)
      .flatMap((route) => {
        const around: Around = { route, draft, at: (...keys) => place(route, draft, keys) }
        return [
          ...checkAuthorization(around),
          ...checkCustom(around),
          ...checkSigned(around),
          ...checkChanges(around),
          ...(forwardsTokens(route) && pool !== undefined ? checkPool(pool, draft) : []),
        ]
      }),
  )
}

interface Around {
  readonly route: DraftRoute
  readonly draft: Draft
  /** Where a setting of the route's identity was given. */
  readonly at: (...keys: readonly string[]) => Path
}

function place(route: DraftRoute, draft: Draft, keys: readonly string[]): Path {
  const level = levelsOf(route).find((one) => given(draft, [...one, 'identity', ...keys]))
  return [...(level ?? route.at), 'identity', ...keys]
}

/** Whether a route passes on a token with which the gateway itself could be asked. */
export function forwardsTokens({ keys: { identity } }: DraftRoute): boolean {
  return (
    identity.authorization === 'accessToken' || identity.authorization === 'idToken' || identity.headers.includes('alb')
  )
}

function checkAuthorization({ route, draft, at }: Around): readonly Finding[] {
  const { headers, authorization, basic } = route.keys.identity
  const isBasic = headers.includes('basic')
  const findings: Finding[] = []
  if (isBasic && (authorization === 'accessToken' || authorization === 'idToken'))
    findings.push(
      atValue(
        at('authorization'),
        'must not be a token beside headers: [basic]: there is one Authorization header only',
      ),
    )
  const lacksPassword = (isBasic || authorization === 'basic') && basic?.password === undefined
  if (lacksPassword && !levelsOf(route).some((level) => draft.leftOut([...level, 'identity', 'basic'])))
    findings.push(
      atKey(
        at(isBasic ? 'headers' : 'authorization'),
        'needs the password to send: write identity.basic: { password: { file: … } }',
      ),
    )
  return findings
}

function checkCustom({ route, draft, at }: Around): readonly Finding[] {
  const { headers, custom = {} } = route.keys.identity
  const names = Object.keys(custom)
  const path = at('custom')
  if ([path, at('headers')].some((one) => draft.leftOut(one))) return []
  if (!headers.includes('custom')) {
    // What stands in defaults is for those applications that ask for it.
    return names.length > 0 && path[0] !== 'defaults'
      ? [atKey(path, 'does nothing here: headers does not contain custom')]
      : []
  }
  if (names.length === 0)
    return [atValue(at('headers'), 'contains custom: write identity.custom: { X-WEBAUTH-USER: user }, or take it out')]
  const others = new Set(emitted(route).map(foldHeaderName))
  return names.flatMap((name, index) => {
    const folded = foldHeaderName(name)
    if (isCarrierHeader(name) || folded === 'authorization')
      return [atKey([...path, name], 'must not be a header that carries the request itself')]
    if (others.has(folded) || names.slice(0, index).some((other) => foldHeaderName(other) === folded))
      return [atKey([...path, name], 'is told twice: applications take all spellings of a header for the same')]
    return []
  })
}

/** Names of the route's headers but for its custom ones. */
function emitted({ keys: { identity } }: DraftRoute): readonly string[] {
  const known: Readonly<Record<string, { readonly headers: object }>> = FAMILIES
  const families = identity.headers.flatMap((family) => Object.keys(known[family]?.headers ?? {}))
  return [...families, ...(identity.headers.includes('alb') ? [ALB_ACCESS_TOKEN, ALB_DATA] : []), ASSERTION]
}

/** A header that is set beside one of ours would come out twice. */
function checkChanges({ route, draft }: Around): readonly Finding[] {
  const { identity, requestHeaders } = route.keys
  const custom = identity.headers.includes('custom') ? Object.keys(identity.custom ?? {}) : []
  const isWritten = identity.authorization !== 'none' || identity.headers.includes('basic')
  const ours = new Set([...emitted(route), ...custom, ...(isWritten ? ['authorization'] : [])].map(foldHeaderName))
  return (['set', 'setIfAbsent'] as const).flatMap((change) =>
    Object.keys(requestHeaders[change])
      .filter((name) => ours.has(foldHeaderName(name)))
      .map((name) => {
        const keys = ['requestHeaders', change, name]
        const level = levelsOf(route).find((one) => given(draft, [...one, ...keys])) ?? route.at
        return atKey(
          [...level, ...keys],
          'is one of the identity headers of this route: an application would get it twice',
        )
      }),
  )
}

function checkSigned({ route, draft, at }: Around): readonly Finding[] {
  const { identity } = route.keys
  const { assertion } = draft.file
  const lacks = (list: 'keys' | 'albKeys'): boolean =>
    assertion[list].length === 0 && !draft.leftOut(['assertion', list])
  const findings: Finding[] = []
  if (identity.assertion && lacks('keys'))
    findings.push(
      atValue(
        at('assertion'),
        'needs a key: write assertion: { keys: [{ file: … }] }, made by cognito-gateway keygen assertion',
      ),
    )
  if (identity.headers.includes('alb') && lacks('albKeys'))
    findings.push(
      atValue(
        at('headers'),
        'contains alb: write assertion: { albKeys: [{ file: … }] }, made by cognito-gateway keygen assertion',
      ),
    )
  return findings
}

/** An application must not be able to act as its visitors, here or at Cognito, with the tokens that it gets. */
function checkPool(name: string, draft: Draft): readonly Finding[] {
  const pool = draft.file.pools[name]
  if (pool === undefined) return []
  const at: Path = ['pools', name]
  const findings: Finding[] = []
  if (pool.clientId !== undefined && pool.bearerClients.includes(pool.clientId))
    findings.push(
      atValue(
        [...at, 'bearerClients'],
        'must not contain the own clientId while an application gets the tokens of its visitors: it could act as them here',
      ),
    )
  if (pool.scopes.includes(ADMIN_SCOPE))
    findings.push(
      atValue(
        [...at, 'scopes'],
        `must not contain ${ADMIN_SCOPE} while an application gets the tokens of its visitors: it could change them at Cognito`,
      ),
    )
  return findings
}

const ADMIN_SCOPE = 'aws.cognito.signin.user.admin'
