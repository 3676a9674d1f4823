/** One benchmark command, in a module of its own that is loaded only when it is asked for. */
export interface BenchCommand {
  /** The whole help text. */
  readonly help: string
  /** Resolves to the exit status. Throws `UsageError` for arguments that it does not take. */
  run(args: readonly string[], run: BenchRun): Promise<number>
}

/** What a command may know of the process that it runs in. */
export interface BenchRun {
  /** What is to be stopped or removed at the end, or at Ctrl-C: the last first. */
  teardown(fn: () => unknown): void
  /** Says on standard error what is going on; results go to standard output. */
  progress(text: string): void
}

/** Where things are given that must be stopped again: a run of a command, or a part of it. */
export type Teardown = Pick<BenchRun, 'teardown'>
