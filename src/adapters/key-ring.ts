/** A session key and the place that it was read from, such as a file. */
export interface PlacedKey {
  readonly place: string
  readonly key: Buffer
}

/** The session keys as they are now. They change while the gateway runs, all at once. */
export interface KeyRing {
  /** Told the keys, now and again whenever they have changed: the first seals, every one opens. */
  follow(listener: (keys: readonly Buffer[]) => void): void
  /** From now on these are the keys. One that is no longer among them opens nothing any more. */
  replace(keys: readonly PlacedKey[]): void
}

/** Keys that were overwritten, in all; of more, the oldest go. */
const MAX_OVERWRITTEN = 4

/**
 * Where a place holds another key than before, an operator replaced a key instead of adding one. The key before goes on opening then, so that
 * nobody is signed out for it, until the process ends or the place is taken off the list.
 */
export function createKeyRing(first: readonly PlacedKey[]): KeyRing {
  let listed = first
  let overwritten: readonly PlacedKey[] = []
  const listeners: ((keys: readonly Buffer[]) => void)[] = []
  const all = (): readonly Buffer[] => [...listed, ...overwritten].map(({ key }) => key)

  return {
    follow(listener) {
      listeners.push(listener)
      listener(all())
    },
    replace(keys) {
      const isListed = ({ place }: PlacedKey): boolean => keys.some((one) => one.place === place)
      const isAmong = ({ key }: PlacedKey): boolean => keys.some((one) => one.key.equals(key))
      overwritten = [...listed, ...overwritten]
        .filter((one) => isListed(one) && !isAmong(one))
        .slice(0, MAX_OVERWRITTEN)
      listed = keys
      for (const listener of listeners) listener(all())
    },
  }
}

const KEY_SLOTS = 8

/**
 * For secure-session, which takes its keys once but keeps the buffers: as many as it will ever have, with what they hold following the ring.
 * A slot without a key of its own holds the first once more.
 */
export function keySlots(ring: Pick<KeyRing, 'follow'>, derive: (master: Buffer) => Buffer): readonly Buffer[] {
  const slots = Array.from({ length: KEY_SLOTS }, () => Buffer.alloc(32))
  ring.follow((masters) => {
    const keys = masters.map(derive)
    for (const [at, slot] of slots.entries()) slot.set(keys[at] ?? keys[0] ?? slot)
  })
  return slots
}
