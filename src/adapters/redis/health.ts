/** Whether the store does what is asked of it, out of what became of the last commands. */
export interface Health {
  readonly up: boolean
  /** Whether it was down, or not known to be up, at any time within the last milliseconds. */
  wasDownWithin(milliseconds: number): boolean
  /** A command got no answer, or one that is none. Nothing but a probe takes that back. */
  failed(kind: string): void
  /** The connection is gone, which nobody needs to hear of if it comes back before it is needed. */
  disconnected(): void
  /** Whether it is up; asks where the last thing heard was bad. */
  check(): Promise<boolean>
  stop(): void
}

export interface HealthOptions {
  /** Asks the store to do everything that it is there for. */
  readonly probe: () => Promise<void>
  readonly onUp: () => void
  /** Once for each change that somebody met. */
  readonly onChange: (up: boolean, kind: string) => void
}

const PROBE_EVERY_MS = 500

export function createHealth({ probe, onUp, onChange }: HealthOptions): Health {
  let up = false
  let cameUpAt = -Infinity
  let told = true
  let stopped = false
  let asking: Promise<boolean> | null = null
  let timer: NodeJS.Timeout | undefined

  async function ask(): Promise<boolean> {
    try {
      await probe()
    } catch {
      return false
    } finally {
      asking = null
    }
    up = true
    cameUpAt = performance.now()
    if (!told) {
      told = true
      onChange(true, '')
    }
    onUp()
    return true
  }

  async function check(): Promise<boolean> {
    if (up) return true
    asking ??= ask()
    return asking
  }

  function watch(): void {
    if (timer !== undefined || stopped) return
    timer = setTimeout(() => {
      timer = undefined
      void check().then((good) => {
        if (!good) watch()
      })
    }, PROBE_EVERY_MS).unref()
  }

  watch()
  return {
    get up() {
      return up
    },
    wasDownWithin: (milliseconds) => !up || performance.now() < cameUpAt + milliseconds,
    failed(kind) {
      up = false
      if (told && !stopped) {
        told = false
        onChange(false, kind)
      }
      watch()
    },
    disconnected() {
      up = false
      watch()
    },
    check,
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
