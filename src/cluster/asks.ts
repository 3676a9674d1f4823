/** Questions to the other process that wait for their answer. */
export interface Asks {
  /** Undefined where no fitting answer came in time, or the other process is gone; never rejects. */
  ask<T>(send: (ask: number) => void, expected: Expected<T>): Promise<T | undefined>
  answer(ask: number, value: unknown): void
  /** The other process is gone: nothing is waited for any more. */
  abandon(): void
}

export interface Expected<T> {
  readonly fits: (value: unknown) => value is T
  readonly withinMs: number
}

export function createAsks(): Asks {
  const waiting = new Map<number, (value: unknown) => void>()
  let asked = 0

  return {
    async ask(send, { fits, withinMs }) {
      asked += 1
      const id = asked
      const value = await new Promise<unknown>((resolve) => {
        const patience = setTimeout(settle, withinMs, undefined)
        function settle(value: unknown): void {
          clearTimeout(patience)
          waiting.delete(id)
          resolve(value)
        }
        waiting.set(id, settle)
        send(id)
      })
      return fits(value) ? value : undefined
    },
    answer: (ask, value) => waiting.get(ask)?.(value),
    abandon() {
      for (const settle of waiting.values()) settle(undefined)
    },
  }
}
