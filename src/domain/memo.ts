const TAIL_LENGTH = 32

interface Entry<Value> {
  readonly text: string
  readonly value: Value
}

/**
 * What was found out about long texts that end in something random: sealed sessions, signed tokens. Looked up by the tail, then compared
 * whole: hashing all of a text costs ten times more. At least the last `size` that were used are remembered, and at most twice as many:
 * two generations, because a Map that loses its oldest entry each time walks over all that it lost before.
 */
export class Memo<Value> {
  readonly #size: number
  #young = new Map<string, Entry<Value>>()
  #old = new Map<string, Entry<Value>>()

  constructor(size: number) {
    this.#size = size
  }

  get(text: string): Value | null {
    const entry = this.#entryOf(text)
    return entry !== undefined && entry.text === text ? entry.value : null
  }

  /** The text among those remembered that the end of this one could be; the caller compares. */
  likely(text: string): string | null {
    return this.#entryOf(text)?.text ?? null
  }

  set(text: string, value: Value): void {
    this.#keep(text.slice(-TAIL_LENGTH), { text, value })
  }

  delete(text: string): void {
    const tail = text.slice(-TAIL_LENGTH)
    this.#young.delete(tail)
    this.#old.delete(tail)
  }

  #entryOf(text: string): Entry<Value> | undefined {
    const tail = text.slice(-TAIL_LENGTH)
    const young = this.#young.get(tail)
    if (young !== undefined) return young
    const old = this.#old.get(tail)
    if (old !== undefined) this.#keep(tail, old)
    return old
  }

  #keep(tail: string, entry: Entry<Value>): void {
    if (this.#young.size >= this.#size && !this.#young.has(tail)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(tail, entry)
  }
}
