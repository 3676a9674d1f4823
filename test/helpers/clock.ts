/** A clock that stands still until a test moves it. Begins at the real time, because other programs look at theirs. */
export interface Clock {
  readonly now: () => number
  advance(seconds: number): void
}

export function createClock(): Clock {
  let offset = 0
  const start = Date.now()
  return {
    now: () => start + offset,
    advance: (seconds) => {
      offset += seconds * 1000
    },
  }
}
