/** `unwise`: it works, and somebody should know. `unknown`: it could not be asked, or the answer says nothing. */
export type Verdict = 'ok' | 'wrong' | 'unwise' | 'unknown'

/** The answer to one question about a user pool. */
export interface Finding {
  readonly question: string
  readonly verdict: Verdict
  /** What was found, in a sentence without its full stop; never a secret, token or code. */
  readonly found: string
  /** What to change, or where to look it up. */
  readonly remedy?: string
}

/** The findings that one question can have. */
export interface Verdicts {
  ok(found: string): Finding
  wrong(found: string, remedy: string): Finding
  unwise(found: string, remedy: string): Finding
  unknown(found: string, remedy?: string): Finding
}

export function about(question: string): Verdicts {
  return {
    ok: (found) => ({ question, verdict: 'ok', found }),
    wrong: (found, remedy) => ({ question, verdict: 'wrong', found, remedy }),
    unwise: (found, remedy) => ({ question, verdict: 'unwise', found, remedy }),
    unknown: (found, remedy) => ({ question, verdict: 'unknown', found, ...(remedy === undefined ? {} : { remedy }) }),
  }
}
