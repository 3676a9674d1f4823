import { pino, type DestinationStream, type Logger } from 'pino'
import { PinoPretty } from 'pino-pretty'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface LogOptions {
  readonly level: LogLevel
  /** Readable lines for a person at a terminal; else one JSON object per line. */
  readonly readable: boolean
  /** Which of several workers writes. */
  readonly worker?: number | undefined
}

/** The process's log on standard output. Nothing is ever redacted here: what must not be seen is never handed to a logger. */
export function createLog({ level, readable, worker }: LogOptions): Logger {
  const options = { level, base: worker === undefined ? null : { worker }, timestamp: timeOnce() }
  if (!readable) return pino(options, gatheringLines(pino.destination({ dest: 1, sync: false })))
  const lines = PinoPretty({
    colorize: true,
    translateTime: 'SYS:HH:MM:ss',
    ignore: 'event,requestId,client',
    messageFormat: (entry, messageKey) =>
      entry['event'] === 'request'
        ? `${String(entry['method'])} ${String(entry['path'])} → ${String(entry['status'])} ${String(entry['durationMs'])} ms${referenceOf(entry)}`
        : String(entry[messageKey]),
    hideObject: false,
    singleLine: true,
  })
  return pino(options, lines)
}

/** What the page of a refusal shows. */
function referenceOf({ code, requestId }: Readonly<Record<string, unknown>>): string {
  return code === undefined ? '' : ` reference ${String(requestId)}`
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

type Destination = ReturnType<typeof pino.destination>

const GATHERED_CHARACTERS = 65_536
const GATHERING_MS = 200

/** Lines wait for company, a moment at most: a write for each costs several times what making it does. Nothing is lost when the process ends. */
function gatheringLines(destination: Destination): DestinationStream {
  let lines: string[] = []
  let characters = 0
  let timer: NodeJS.Timeout | null = null

  function passOn(): void {
    if (timer !== null) clearTimeout(timer)
    timer = null
    // Joined here: the destination would measure everything gathered so far with each line.
    if (lines.length > 0) destination.write(lines.join(''))
    lines = []
    characters = 0
  }
  process.once('exit', () => {
    passOn()
    destination.flushSync()
  })
  return {
    write(line) {
      lines.push(line)
      characters += line.length
      if (characters >= GATHERED_CHARACTERS) passOn()
      else timer ??= setTimeout(passOn, GATHERING_MS)
    },
  }
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error']

/** The least level that a logger writes at the moment. */
export function logLevelOf({ level }: Logger): LogLevel {
  return LEVELS.find((one) => one === level) ?? 'info'
}
