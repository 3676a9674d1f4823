import { pino, type Logger } from 'pino'
import { PinoPretty } from 'pino-pretty'

export interface LogOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  /** Readable lines for a person at a terminal; else one JSON object per line. */
  readonly readable: boolean
  /** Which of several workers writes. */
  readonly worker?: number | undefined
}

/** The process's log on standard output. Nothing is ever redacted here: what must not be seen is never handed to a logger. */
export function createLog({ level, readable, worker }: LogOptions): Logger {
  const options = { level, base: worker === undefined ? null : { worker }, timestamp: timeOnce() }
  // Lines wait for company, half a second at most: a write for each costs as much as making it.
  if (!readable) return pino(options, pino.destination({ dest: 1, sync: false, minLength: 8_192, periodicFlush: 500 }))
  const lines = PinoPretty({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'event,requestId,client',
    messageFormat: (entry, messageKey) =>
      entry['event'] === 'request'
        ? `${String(entry['method'])} ${String(entry['path'])} → ${String(entry['status'])} ${String(entry['durationMs'])} ms`
        : String(entry[messageKey]),
    hideObject: false,
    singleLine: true,
  })
  return pino(options, lines)
}

/** The time of a line, made into text once for all lines of a millisecond. */
function timeOnce(): () => string {
  let last = 0
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== last) {
      last = now
      text = `,"time":"${new Date(now).toISOString()}"`
    }
    return text
  }
}
