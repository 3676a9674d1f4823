import { isObject } from './marks.ts'

type Values = Readonly<Record<string, unknown>>

/** Later levels win: maps merge, lists and single values replace. */
export function merge(...levels: readonly unknown[]): Values {
  const merged: Record<string, unknown> = {}
  for (const level of levels) {
    if (!isObject(level)) continue
    for (const [key, value] of Object.entries(level)) {
      const before = merged[key]
      merged[key] = isObject(before) && isObject(value) && !isSecretSource(value) ? merge(before, value) : value
    }
  }
  return merged
}

/** Where a secret is read from is one value: a level that names a variable does not mean the file of the level above as well. */
function isSecretSource(value: Values): boolean {
  const keys = Object.keys(value)
  return keys.length > 0 && keys.every((key) => key === 'file' || key === 'env')
}

/** The values with every `upstream` that is only an address written as a map, so that levels can merge. */
export function withUpstreamMaps(file: Values): Values {
  const applications = file['applications']
  return {
    ...file,
    ...(isObject(file['defaults']) ? { defaults: withUpstreamMap(file['defaults']) } : {}),
    ...(isObject(applications) ? { applications: mapValues(applications, applicationWithMaps) } : {}),
  }
}

function applicationWithMaps(application: Values): Values {
  const routes = application['routes']
  const level = withUpstreamMap(application)
  return isObject(routes) ? { ...level, routes: mapValues(routes, withUpstreamMap) } : level
}

function withUpstreamMap(level: Values): Values {
  return typeof level['upstream'] === 'string' ? { ...level, upstream: { url: level['upstream'] } } : level
}

/** A level whose `url` replaces the `urls` of the levels above, and the other way round. */
export function withOneAddress(level: unknown): unknown {
  const upstream = isObject(level) ? level['upstream'] : undefined
  if (!isObject(level) || !isObject(upstream) || 'url' in upstream === 'urls' in upstream) return level
  return { ...level, upstream: { ...upstream, ['url' in upstream ? 'urls' : 'url']: undefined } }
}

function mapValues(map: Values, change: (value: Values) => Values): Values {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, isObject(value) ? change(value) : value]))
}
