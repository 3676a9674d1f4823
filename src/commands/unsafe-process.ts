const UNSAFE_FLAGS = [
  '--inspect',
  '--inspect-brk',
  '--inspect-port',
  '--inspect-wait',
  '--insecure-http-parser',
  '--tls-keylog',
  // What these write down holds the memory of the process, and so everybody's tokens.
  '--report-on-fatalerror',
  '--report-uncaught-exception',
  '--report-on-signal',
  '--heapsnapshot-signal',
  '--heapsnapshot-near-heap-limit',
]

/** Why a process with this environment and these flags must not hold people's sessions; undefined where nothing is wrong. */
export function unsafeProcess(
  environment: Readonly<Record<string, string | undefined>>,
  execArgv: readonly string[],
): string | undefined {
  if (environment['NODE_TLS_REJECT_UNAUTHORIZED'] === '0') {
    return 'NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off for every connection. Unset it and give the CA instead.'
  }
  if (environment['SSLKEYLOGFILE'] !== undefined)
    return 'SSLKEYLOGFILE writes the keys of TLS connections to a file. Unset it.'
  const flags = [...execArgv, ...(environment['NODE_OPTIONS'] ?? '').split(/\s+/)]
  const unsafe = flags.find((flag) => UNSAFE_FLAGS.includes(flag.split('=', 1)[0] ?? ''))
  return unsafe === undefined
    ? undefined
    : `Node was started with ${unsafe}, which lets others read or confuse what passes here. Start it without.`
}

/** The first versions of each line in which the known holes of Node's own HTTP and TLS are closed. */
const PATCHED: Readonly<Record<number, readonly [minor: number, patch: number]>> = { 22: [22, 2], 24: [14, 1] }
const OLDEST: readonly [minor: number, patch: number] = [19, 0]

/** What speaks against this version of Node; undefined where nothing does. `refuse`: the gateway does not run on it. */
export function outdatedNode(version: string): { readonly refuse: boolean; readonly says: string } | undefined {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map(Number)
  const isBefore = (least: readonly [number, number]): boolean =>
    minor < least[0] || (minor === least[0] && patch < least[1])
  if (major < 20 || (major === 20 && isBefore(OLDEST)))
    return { refuse: true, says: `Node ${version} is too old: it must be 20.19 or later.` }
  const least = PATCHED[major]
  const newest = `22.${PATCHED[22]?.join('.')}, 24.${PATCHED[24]?.join('.')} or later`
  if (major >= 25 || (least !== undefined && !isBefore(least))) return undefined
  return { refuse: false, says: `Node ${version} has known holes that are closed in later versions: run ${newest}` }
}
