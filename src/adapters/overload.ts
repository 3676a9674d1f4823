import { totalmem } from 'node:os'
import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export type OverloadReason = 'memory' | 'event_loop'

/** What the process holds, in bytes, and what it may hold. */
export interface MemoryUse {
  readonly heldBytes: number
  readonly limitBytes: number
}

/** Whether the process has more to do than it can. */
export interface Overload {
  /** Why no new request is taken at the moment; null while all are. A plain field: every request looks at it. */
  readonly reason: OverloadReason | null
  /** Begins to look; `relieve` is called again and again while memory is short. */
  watch(relieve: () => void): void
  stop(): void
}

export interface OverloadOptions {
  /** What has begun or, with null, is over, for the log. */
  readonly onChange: (reason: OverloadReason | null, memory: MemoryUse) => void
  /** Milliseconds; never goes back. */
  readonly now?: () => number
  readonly measure?: () => MemoryUse
  /** Frees all that nobody holds any more. */
  readonly collect?: () => void
  readonly everyMs?: number
}

const EVERY_MS = 250
/** One long pause (a suspended machine, a large collection) is no overload; several in a row mean that whoever comes waits seconds. */
const LATE_MS = 1_000
const LATE_IN_A_ROW = 5
/** Between the two nothing changes. */
const SHORT = 0.9
const ENOUGH = 0.8
/** Collections take no more than a twentieth of the time. */
const COLLECT_SHARE = 20
const MIB = 1_048_576
/**
 * What V8 adds to the limit of the old generation for the young one, which is no help where memory is short: more where there is more memory,
 * both in MiB, as Node 24 was seen to do it in containers. Before V8 13 it is 48 MiB at most.
 */
const YOUNG_BY_MEMORY =
  Number.parseInt(process.versions.v8, 10) >= 13
    ? [
        [512, 3],
        [1_024, 48],
        [2_048, 96],
        [Infinity, 192],
      ]
    : [[Infinity, 48]]
/** The rest of a container is for what is neither in the heap nor in buffers. */
const SHARE_OF_MEMORY = 0.7

export function createOverload(options: OverloadOptions): Overload {
  return new OverloadWatch(options)
}

class OverloadWatch implements Overload {
  reason: OverloadReason | null = null
  readonly #onChange: OverloadOptions['onChange']
  readonly #now: () => number
  readonly #measure: () => MemoryUse
  readonly #collect: () => void
  readonly #everyMs: number
  #timer: NodeJS.Timeout | undefined
  #dueAt = 0
  #lateInARow = 0
  #memoryIsShort = false
  #mayCollectAt = 0

  constructor({ onChange, now, measure, collect, everyMs }: OverloadOptions) {
    this.#onChange = onChange
    this.#now = now ?? (() => performance.now())
    this.#measure = measure ?? measureHeap
    this.#collect = collect ?? createCollector()
    this.#everyMs = everyMs ?? EVERY_MS
  }

  watch(relieve: () => void): void {
    this.#dueAt = this.#now() + this.#everyMs
    this.#timer = setInterval(() => this.#sample(relieve), this.#everyMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #sample(relieve: () => void): void {
    const isLate = this.#now() - this.#dueAt > LATE_MS
    this.#lateInARow = isLate ? this.#lateInARow + 1 : 0
    this.#memoryIsShort = this.#looksShort()
    if (this.#memoryIsShort) relieve()
    const before = this.reason
    if (this.#memoryIsShort) this.reason = 'memory'
    else this.reason = this.#lateInARow >= LATE_IN_A_ROW ? 'event_loop' : null
    if (this.reason !== before) this.#onChange(this.reason, this.#measure())
    // Later than all of it, so that a collection of our own does not count as lateness.
    this.#dueAt = this.#now() + this.#everyMs
  }

  /** What nobody holds any more counts as held until it is collected: a gateway that takes no requests would never collect it by itself. */
  #looksShort(): boolean {
    const bound = this.#memoryIsShort ? ENOUGH : SHORT
    if (this.#share() < bound) return false
    const startedAt = this.#now()
    if (startedAt < this.#mayCollectAt) return true
    this.#collect()
    const endedAt = this.#now()
    this.#mayCollectAt = endedAt + (endedAt - startedAt) * COLLECT_SHARE
    // Buffers are swept beside the program: the next look sees what is left.
    return this.#memoryIsShort
  }

  #share(): number {
    const { heldBytes, limitBytes } = this.#measure()
    return heldBytes / limitBytes
  }
}

/** Buffers lie outside V8's heap and outside its limit, yet whoever sets the limit means the process. */
function measureHeap(): MemoryUse {
  const { used_heap_size, external_memory, heap_size_limit } = getHeapStatistics()
  return {
    heldBytes: used_heap_size + external_memory,
    limitBytes: memoryLimit(heap_size_limit, Math.min(totalmem(), process.constrainedMemory() || Infinity)),
  }
}

/** How much may be held, in bytes, by V8's limit for its heap and the memory of the machine or the container. */
export function memoryLimit(heapLimit: number, memory: number): number {
  const [, young = 0] = YOUNG_BY_MEMORY.find(([most = 0]) => memory <= most * MIB) ?? []
  // A young generation that was made smaller must not leave nothing.
  return Math.min(Math.max(heapLimit - young * MIB, heapLimit / 4), memory * SHARE_OF_MEMORY)
}

/** V8's own full collection. Node hands it out only where the flag is set, so it is set the moment it is needed, and for nobody else. */
function createCollector(): () => void {
  let collect: (() => void) | undefined
  return () => {
    if (collect === undefined) {
      setFlagsFromString('--expose-gc')
      // oxlint-disable-next-line no-unsafe-type-assertion -- with the flag, every new context has it
      collect = runInNewContext('gc') as () => void
      setFlagsFromString('--no-expose-gc')
    }
    collect()
  }
}
