import { hostsOverlap, isLocal, isWildcard } from './addresses.ts'
import { given, levelsOf, type Draft, type DraftRoute } from './draft.ts'
import { atKey, atValue, type Finding } from './faults.ts'
import type { Path } from './marks.ts'

type UpstreamMap = Exclude<DraftRoute['keys']['upstream'], string | undefined>

/** What is wrong between the settings of a route's upstream. */
export function checkUpstream(route: DraftRoute, draft: Draft): readonly Finding[] {
  const { upstream } = route.keys
  const map = typeof upstream === 'string' ? undefined : upstream
  const urls = map?.urls ?? (map?.url === undefined ? [] : [map.url])
  if (map === undefined || urls.length === 0) return missing(route, draft)
  const at = (key: string): Path => upstreamPath(route, draft, key)
  return [
    ...(map.url !== undefined && map.urls !== undefined
      ? [atKey(at('urls'), 'must not be given beside url: write every address in urls, and take url out')]
      : []),
    ...urls.flatMap((url, index) => {
      const loop = loopsTo(url, draft)
      return loop === undefined ? [] : [atValue(map.urls === undefined ? at('url') : [...at('urls'), index], loop)]
    }),
    ...checkTls(map, urls, { route, draft }),
    ...checkHealth(map, { route, draft }),
  ]
}

/** Where a setting of the upstream was given, the nearest place first. */
export function upstreamPath(route: DraftRoute, draft: Draft, key: string): Path {
  const owner = levelsOf(route).find((level) => given(draft, [...level, 'upstream', key]))
  return [...(owner ?? route.at), 'upstream', key]
}

function missing(route: DraftRoute, draft: Draft): readonly Finding[] {
  const leftOut = levelsOf(route).some((level) =>
    ['url', 'urls'].some((key) => draft.leftOut([...level, 'upstream', key])),
  )
  if (leftOut) return []
  // Where no route has one it is the application that lacks it, once for all of them.
  const application = draft.applications.find(({ name }) => name === route.application)
  const isAnywhere = application?.routes.some(hasAddress) === true
  const at = isAnywhere || application === undefined ? route.at : application.at
  return [atKey(at, 'has no upstream: write upstream: http://host:port, the address of the application')]
}

function hasAddress({ keys: { upstream } }: DraftRoute): boolean {
  return typeof upstream === 'string' || (upstream?.url ?? upstream?.urls) !== undefined
}

/** Why requests to this address would come back to the gateway; undefined where they do not. */
function loopsTo(address: string, { file: { publicUrl, listen, admin } }: Draft): string | undefined {
  if (address.startsWith('unix:')) return undefined
  const url = new URL(address)
  if (publicUrl !== undefined && url.origin === new URL(publicUrl).origin)
    return "must not be publicUrl: write the application's own address"
  const port = Number(url.port === '' ? (url.protocol === 'http:' ? 80 : 443) : url.port)
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const reaches = (listener: { host: string; port: number }): boolean =>
    port === listener.port &&
    (isWildcard(listener.host) ? isLocal(host) || isWildcard(host) : hostsOverlap(host, listener.host))
  return reaches(listen) || reaches(admin)
    ? "must not be the gateway's own listener: write the application's own address"
    : undefined
}

interface Around {
  readonly route: DraftRoute
  readonly draft: Draft
}

const TLS_KEYS = ['serverName', 'caFile', 'certFile', 'keyFile', 'insecureSkipVerify'] as const

function checkTls(map: UpstreamMap, urls: readonly string[], { route, draft }: Around): readonly Finding[] {
  const findings: Finding[] = []
  const at = (key: string): Path => upstreamPath(route, draft, key)
  const lacks = (key: 'certFile' | 'keyFile'): boolean =>
    map[key] === undefined && !levelsOf(route).some((level) => draft.leftOut([...level, 'upstream', key]))
  if (map.certFile !== undefined && lacks('keyFile'))
    findings.push(atKey(at('certFile'), 'needs keyFile, its private key, beside it'))
  if (map.keyFile !== undefined && lacks('certFile'))
    findings.push(atKey(at('keyFile'), 'needs certFile, its certificate, beside it'))
  if (map.caFile !== undefined && map.insecureSkipVerify !== undefined)
    findings.push(
      atKey(at('insecureSkipVerify'), 'must not be given beside caFile: with caFile the certificate can be verified'),
    )
  if (urls.some((url) => url.startsWith('https:'))) return findings
  // What stands in defaults is for those applications that it fits.
  const idle = TLS_KEYS.filter((key) => map[key] !== undefined && at(key)[0] !== 'defaults')
  return [
    ...findings,
    ...idle.map((key) => atKey(at(key), 'does nothing here: no address of this upstream begins with https://')),
  ]
}

function checkHealth({ health }: UpstreamMap, { route, draft }: Around): readonly Finding[] {
  const at = upstreamPath(route, draft, 'health')
  if (health === 'off' || health.path !== undefined || draft.leftOut([...at, 'path'])) return []
  return [atKey(at, 'has no path: write the path to ask, such as path: /health')]
}
