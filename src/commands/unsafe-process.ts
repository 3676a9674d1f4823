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
