import { pino, type Logger } from 'pino'

/** What the line of one request says; what is undefined is left out of it. */
export interface RequestLine {
  readonly requestId: string
  readonly route: string
  readonly method: string
  readonly path: string
  readonly status: number
  readonly code: string | undefined
  readonly reason: string | undefined
  /** What the route's rule refuses the request for, where it only reports that. */
  readonly wouldDeny: string | undefined
  /** The sign-in that the request belongs to. */
  readonly attempt: string | undefined
  readonly person: string | undefined
  readonly sub: string | undefined
  readonly email: string | undefined
  readonly machine: string | undefined
  readonly client: string
  readonly durationMs: number
  readonly upstreamMs: number | undefined
  /** The client did not wait for the end of its answer. */
  readonly aborted: boolean
  /** A proxy asked about it: the request itself never came here. */
  readonly forwardAuth: boolean
}

/** Writes one line for each request, letter for letter as the logger itself would. */
export type RequestLog = (line: RequestLine) => void

/** Knows the one shape of its lines: asking each of seventeen fields for its name and kind was a twentieth of what a request cost. */
export function createRequestLog(log: Logger): RequestLog {
  const child = log.child({ event: 'request' }, { level: 'info' })
  const bindings = JSON.stringify(child.bindings()).slice(1, -1)
  Object.assign(child, {
    [pino.symbols.asJsonSym]: (line: RequestLine, _message: string, level: number, time: string) =>
      `{"level":${level}${time},${bindings},${fieldsOf(line)},"msg":"request"}\n`,
  })
  return (line) => {
    if (log.isLevelEnabled('info')) child.info(line, 'request')
  }
}

function fieldsOf(line: RequestLine): string {
  let text = `"requestId":"${line.requestId}","route":${quoted(line.route)},"method":${quoted(line.method)},"path":${quoted(line.path)},"status":${line.status}`
  if (line.code !== undefined) text += `,"code":${quoted(line.code)}`
  if (line.reason !== undefined) text += `,"reason":${quoted(line.reason)}`
  if (line.wouldDeny !== undefined) text += `,"wouldDeny":${quoted(line.wouldDeny)}`
  if (line.attempt !== undefined) text += `,"attempt":${quoted(line.attempt)}`
  if (line.person !== undefined) text += `,"person":${quoted(line.person)}`
  if (line.sub !== undefined) text += `,"sub":${quoted(line.sub)}`
  if (line.email !== undefined) text += `,"email":${quoted(line.email)}`
  if (line.machine !== undefined) text += `,"machine":${quoted(line.machine)}`
  text += `,"client":${quoted(line.client)},"durationMs":${line.durationMs}`
  if (line.upstreamMs !== undefined) text += `,"upstreamMs":${line.upstreamMs}`
  if (line.aborted) text += ',"aborted":true'
  return line.forwardAuth ? `${text},"forwardAuth":true` : text
}

function quoted(text: string): string {
  return /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(text) ? `"${text}"` : JSON.stringify(text)
}
