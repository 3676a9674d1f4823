import type { Forgery } from './forgeries.ts'
import type { ProbeAnswer } from './probe-request.ts'

/**
 * `ignored`: the answer is the anonymous one. `refused`: the application said that it does not believe it. `unclear`: it failed, or its answers
 * say nothing.
 */
export type Verdict = 'believed' | 'ignored' | 'refused' | 'unclear'

export interface Baseline {
  /** Several, so that what changes from one to the next is known. */
  readonly anonymous: readonly ProbeAnswer[]
  /** To a request with a header that means nothing to anybody and holds the stranger's name. */
  readonly control: ProbeAnswer
  /** The name of the stranger whom forgeries tell of. */
  readonly user: string
}

/** Whether an application repeats headers in its answers, whatever they are. */
export function echoes(baseline: Baseline): boolean {
  return differs(baseline.control, baseline)
}

/** What an answer to a forgery says, beside the anonymous ones. */
export function verdictOf(answer: ProbeAnswer, { kind }: Pick<Forgery, 'kind'>, baseline: Baseline): Verdict {
  if (!differs(answer, baseline)) return 'ignored'
  if (answer.status >= 500) return 'unclear'
  // A 403 for plain headers means that the name was taken; for a statement, that it was looked at.
  const refuses = kind === 'plain' ? [400, 401] : [400, 401, 403]
  if (refuses.includes(answer.status) && !answer.body.includes(baseline.user)) return 'refused'
  return echoes(baseline) ? 'unclear' : 'believed'
}

function differs(answer: ProbeAnswer, { anonymous, user }: Baseline): boolean {
  if (anonymous.every((one) => !isSameWay(one, answer))) return true
  if (answer.body.includes(user)) return true
  const [first] = anonymous
  // Pages that are new each time, with a clock or a token in them, are told apart by nothing but the name.
  const isSteady = anonymous.every(({ body }) => body === first?.body)
  return isSteady && answer.body !== first?.body
}

/** Status and where it leads; the query of a redirect is often new each time. */
function isSameWay(one: ProbeAnswer, other: ProbeAnswer): boolean {
  return one.status === other.status && one.location.split('?', 1)[0] === other.location.split('?', 1)[0]
}
