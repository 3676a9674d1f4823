import { isDeepStrictEqual } from 'node:util'
import { keyText, pathOf } from './faults.ts'
import type { Loaded } from './load.ts'
import { isObject, type Path } from './marks.ts'
import type { Settings } from './settings.ts'

/** Names of settings that differ, never their values. */
export interface Changes {
  /** Those that may change while the gateway runs. */
  readonly live: readonly string[]
  /** Those that hold from the next start on. */
  readonly atRestart: readonly string[]
}

const LIVE =
  /^(session\.keys|session\.revokeAllBefore|assertion\.keys|assertion\.albKeys|log\.level|pools\.[^.]+\.clientSecret)(\W|$)/
const KEY_LISTS: ReadonlySet<unknown> = new Set(['keys', 'albKeys'])

/** What differs between two loadings of the settings, the content of secret files included. */
export function changesBetween(before: Loaded, after: Loaded): Changes {
  const names = new Set(
    [...differences(before.draft.file, after.draft.file, []), ...changedSecrets(before, after)].map(nameOf),
  )
  const all = [...names]
  return { live: all.filter((name) => LIVE.test(name)), atRestart: all.filter((name) => !LIVE.test(name)) }
}

/** The settings of the start with those of others that may change while the gateway runs. */
export function withLive(settings: Settings, { session, assertion, log, pools }: Settings): Settings {
  const secretOf = (pool: string) => pools.find(({ name }) => name === pool)?.clientSecret
  return {
    ...settings,
    session: { ...settings.session, keys: session.keys, revokeAllBefore: session.revokeAllBefore },
    assertion,
    log: { ...settings.log, level: log.level },
    pools: settings.pools.map((pool) => ({ ...pool, clientSecret: secretOf(pool.name) })),
  }
}

/** Which key stands where in the list is nobody's affair. */
function nameOf(path: Path): string {
  return keyText(KEY_LISTS.has(path[1]) ? path.slice(0, 2) : path)
}

function changedSecrets(before: Loaded, after: Loaded): readonly Path[] {
  const ids = [...new Set([...before.secrets.keys(), ...after.secrets.keys()])]
  return ids
    .filter((id) => before.secrets.get(id)?.reveal() !== after.secrets.get(id)?.reveal())
    .map((id) => pathOf(id))
}

/** A list counts as one setting. */
function differences(before: unknown, after: unknown, path: Path): readonly Path[] {
  if (!isObject(before) || !isObject(after)) return isDeepStrictEqual(before, after) ? [] : [path]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences(before[key], after[key], [...path, key]))
}
