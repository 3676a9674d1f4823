import { isDeepStrictEqual } from 'node:util'
import { keyText } from './faults.ts'
import type { Loaded } from './load.ts'
import { isObject, type Path } from './marks.ts'

/** Names of settings that differ, never their values. */
export interface Changes {
  /** Those that may change while the gateway runs. */
  readonly live: readonly string[]
  /** Those that hold from the next start on. */
  readonly atRestart: readonly string[]
}

const LIVE = /^(session\.keys|session\.revokeAllBefore|log\.level|pools\.[^.]+\.clientSecret)(\W|$)/

/** What differs between two loadings of the settings, the content of secret files included. */
export function changesBetween(before: Loaded, after: Loaded): Changes {
  const names = new Set([
    ...differences(before.draft.file, after.draft.file, []).map(keyText),
    ...(isDeepStrictEqual(sessionKeys(before), sessionKeys(after)) ? [] : ['session.keys']),
    ...after.settings.pools
      .filter(({ clientSecret }, at) => clientSecret?.reveal() !== before.settings.pools[at]?.clientSecret?.reveal())
      .map(({ name }) => keyText(['pools', name, 'clientSecret'])),
  ])
  const all = [...names]
  return { live: all.filter((name) => LIVE.test(name)), atRestart: all.filter((name) => !LIVE.test(name)) }
}

const sessionKeys = ({ settings }: Loaded): readonly string[] => settings.session.keys.map((key) => key.reveal())

/** A list counts as one setting. */
function differences(before: unknown, after: unknown, path: Path): readonly Path[] {
  if (!isObject(before) || !isObject(after)) return isDeepStrictEqual(before, after) ? [] : [path]
  const keys = new Set([...Object.keys(before), ...Object.keys(after)])
  return [...keys].flatMap((key) => differences(before[key], after[key], [...path, key]))
}
