interface Bucket {
  readonly left: number
  readonly at: number
}

/**
 * So many a minute by key, in bursts of at most as many. At least the last `maxKeys` keys are known, and at most twice as many, in two
 * generations as in a Memo: a flood from more addresses than that is not for it to stop.
 */
export class RateLimit {
  readonly #perMinute: number
  readonly #maxKeys: number
  #young = new Map<string, Bucket>()
  #old = new Map<string, Bucket>()

  constructor(perMinute: number, maxKeys = 10_000) {
    this.#perMinute = perMinute
    this.#maxKeys = maxKeys
  }

  /** Takes one; 0 where there was one, else the milliseconds until there is one again. */
  take(key: string, now: number): number {
    const perMs = this.#perMinute / 60_000
    const known = this.#young.get(key) ?? this.#old.get(key)
    const refilled = known === undefined ? this.#perMinute : known.left + Math.max(0, now - known.at) * perMs
    const left = Math.min(this.#perMinute, refilled)
    this.#young.set(key, { left: left < 1 ? left : left - 1, at: now })
    if (this.#young.size >= this.#maxKeys) {
      this.#old = this.#young
      this.#young = new Map()
    }
    return left < 1 ? Math.ceil((1 - left) / perMs) : 0
  }
}

/** Whom an address stands for: an IPv4 address itself, in IPv6 the network of one subscriber (/64). The address as `parseAddress` writes it. */
export function subscriberOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::', 2)
  const before = head === '' ? [] : head.split(':')
  const after = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - before.length - after.length)
  const groups = [...before, ...Array.from({ length: zeros }, () => '0'), ...after]
  return `${groups.slice(0, 4).join(':')}::/64`
}
