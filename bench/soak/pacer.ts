import type { Grounds, Kind } from './visits.ts'

const TICK_MS = 10
/** What would make one more under way than this is not begun: a gateway that stands still must not be buried. */
const MAX_UNDER_WAY = 3_000

/** Begins visits at a steady rate, whatever becomes of them. */
export class Pacer {
  readonly #grounds: Grounds
  readonly #due = new Map<Kind, number>()
  #rate = 0
  #underWay = 0
  #at = 0
  #timer: NodeJS.Timeout | undefined

  constructor(grounds: Grounds) {
    this.#grounds = grounds
  }

  get underWay(): number {
    return this.#underWay
  }

  /** Everything at this many visits in a second, from now on. */
  start(kinds: readonly Kind[], perSecond: number): void {
    this.#rate = perSecond
    this.#at = performance.now()
    for (const kind of kinds) this.#due.set(kind, 0)
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  /** Begins nothing more; what is under way goes on. */
  stop(): void {
    clearInterval(this.#timer)
  }

  #tick(): void {
    const now = performance.now()
    const seconds = (now - this.#at) / 1000
    this.#at = now
    for (const [kind, left] of this.#due) {
      const due = left + seconds * (kind.perSecond ?? this.#rate * (kind.share ?? 0))
      const whole = Math.floor(due)
      this.#due.set(kind, due - whole)
      for (let nth = 0; nth < whole; nth += 1) this.#begin(kind)
    }
  }

  #begin(kind: Kind): void {
    const { tally } = this.#grounds
    if (this.#underWay >= MAX_UNDER_WAY) {
      tally.skipped += 1
      return
    }
    this.#underWay += 1
    void kind.visit(this.#grounds).then((outcome) => {
      this.#underWay -= 1
      tally.count(kind.name, outcome, kind.expected)
    })
  }
}
