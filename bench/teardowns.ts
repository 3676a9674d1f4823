import type { Teardown } from './command.ts'

/** What was started, to be stopped in the opposite order. */
export class Teardowns implements Teardown {
  readonly #pending: (() => unknown)[] = []

  teardown(fn: () => unknown): void {
    this.#pending.push(fn)
  }

  /** Stops everything that was not stopped yet, whatever fails on the way; returns the failures. */
  async run(): Promise<readonly unknown[]> {
    const failures: unknown[] = []
    for (let fn = this.#pending.pop(); fn !== undefined; fn = this.#pending.pop()) {
      try {
        await fn()
      } catch (error) {
        failures.push(error)
      }
    }
    return failures
  }
}
