/** An answer that cannot belong to what was asked. */
export class WrongAnswer extends Error {
  override readonly name = 'WrongAnswer'
}

export class NoAnswerInTime extends Error {
  override readonly name = 'NoAnswerInTime'
}

export class TooManyAtOnce extends Error {
  override readonly name = 'TooManyAtOnce'
}

export function oneOf<T>(answer: unknown, expected: readonly T[]): T {
  const found = expected.find((one) => one === answer)
  if (found === undefined) throw new WrongAnswer()
  return found
}

export function textOrNull(answer: unknown): string | null {
  if (answer === null || typeof answer === 'string') return answer
  throw new WrongAnswer()
}

export function count(answer: unknown): number {
  if (typeof answer === 'number') return answer
  throw new WrongAnswer()
}

export function isText(value: unknown): value is string {
  return typeof value === 'string'
}

export async function inTime<T>(answer: Promise<T>, milliseconds: number): Promise<T> {
  return new Promise((resolve, reject) => {
    // What has arrived while this process was busy with something else is looked at before it is called late.
    const patience = setTimeout(() => setImmediate(reject, new NoAnswerInTime()), milliseconds)
    answer.finally(() => clearTimeout(patience)).then(resolve, reject)
  })
}

/** The kinds of what failed because no answer came, because the answer belongs to something else, and because there is no connection. */
export const TIMEOUT = 'timeout'
export const WRONG_ANSWER = 'wrong_answer'
export const DISCONNECTED = 'disconnected'

const WORDS =
  /\b(?:READONLY|LOADING|BUSY|MASTERDOWN|NOAUTH|WRONGPASS|NOPERM|OOM|MOVED|ASK|CLUSTERDOWN|CROSSSLOT|TRYAGAIN|MISCONF|NOREPLICAS|WRONGTYPE|NOPROTO)\b/

/** Messages of the library can quote commands, and commands hold sessions: only the kind of an error is told. */
export function kindOf(error: unknown): string {
  if (error instanceof NoAnswerInTime) return TIMEOUT
  if (error instanceof WrongAnswer) return WRONG_ANSWER
  if (error instanceof TooManyAtOnce) return 'too_many'
  if (!(error instanceof Error)) return 'unknown'
  if (error.message === 'Command timed out' || error.message.startsWith('Socket timeout')) return TIMEOUT
  const word = WORDS.exec(error.message)?.[0]
  if (word !== undefined && error.name !== 'TypeError') return word
  if ('code' in error && typeof error.code === 'string') return error.code
  if (error.message.startsWith('All sentinels are unreachable')) return 'sentinels_unreachable'
  return isDisconnection(error) ? DISCONNECTED : error.name
}

/** The library's own words for a command that it never sent, or whose connection went away. */
function isDisconnection({ message, name }: Error): boolean {
  return (
    name === 'MaxRetriesPerRequestError' ||
    name === 'AbortError' ||
    /^(?:Connection is closed|Stream isn't writeable|Cluster isn't ready|Too many Cluster redirections)/.test(message)
  )
}
