/** How the use of a connection to an application ended; `abandoned`: the client went away, which says nothing about the application. */
export type ExchangeOutcome = 'answered' | 'failed' | 'abandoned'

export interface CircuitRules {
  /** How many failures in a row open the circuit. */
  readonly failures: number
  readonly openMs: number
}

/**
 * Keeps requests from an application that only fails. It opens after so many failures in a row; when it was open long enough, one
 * request goes ahead as a probe, and its outcome closes the circuit or keeps it open as long again. Times in milliseconds.
 */
export class Circuit {
  readonly #rules: CircuitRules | null
  #failures = 0
  /** When the next probe may go ahead; null while the circuit is closed. */
  #openUntil: number | null = null

  /** Without rules it never opens. */
  constructor(rules: CircuitRules | null) {
    this.#rules = rules
  }

  get isOpen(): boolean {
    return this.#openUntil !== null
  }

  /** Whether a request may go ahead now. */
  lets(now: number): boolean {
    return this.#openUntil === null || now >= this.#openUntil
  }

  /** A request goes ahead. True: it is a probe, and must be recorded as such. */
  begin(now: number): boolean {
    if (this.#openUntil === null) return false
    // A probe may be an answer that lasts for hours: the next one does not wait for its end.
    this.#openUntil = now + this.#openMs
    return true
  }

  /** Returns what became of the circuit; null where it stays as it was. Who began before it opened proves nothing afterwards. */
  record(outcome: ExchangeOutcome, wasProbe: boolean, now: number): 'opened' | 'closed' | null {
    if (this.#openUntil !== null) return wasProbe ? this.#judgeProbe(outcome, now) : null
    if (outcome === 'answered') this.#failures = 0
    if (outcome !== 'failed' || this.#rules === null) return null
    this.#failures += 1
    if (this.#failures < this.#rules.failures) return null
    this.#openUntil = now + this.#openMs
    return 'opened'
  }

  #judgeProbe(outcome: ExchangeOutcome, now: number): 'closed' | null {
    if (outcome !== 'answered') {
      this.#openUntil = outcome === 'failed' ? now + this.#openMs : now
      return null
    }
    this.#openUntil = null
    this.#failures = 0
    return 'closed'
  }

  get #openMs(): number {
    return this.#rules?.openMs ?? 0
  }
}
