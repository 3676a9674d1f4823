/** One verb of the command line. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  /** The whole help text. */
  readonly help: string
  /** Resolves to the exit status. Throws `UsageError` for arguments that it does not take. */
  run(args: readonly string[], context: CommandContext): Promise<number>
}

/** What a command may know of the process that it runs in. */
export interface CommandContext {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly version: string
  /** The folder of the package, where the files of the demo lie. */
  readonly packageFolder: string
  readonly print: (text: string) => void
  readonly complain: (text: string) => void
  /** On a terminal takes the place of what it showed before, and goes away with an empty text; elsewhere nothing. */
  readonly progress: (text: string) => void
  /** Whether a person reads what is printed. */
  readonly terminal: boolean
  /** Resolves when the process is asked to end; a second request ends it at once. */
  readonly ended: Promise<void>
  /** From now on a hangup calls this instead of ending the process. */
  readonly onHangup: (listener: () => void) => void
}

/** Arguments that a command does not take; the message says which and what it does take. */
export class UsageError extends Error {}

/** One sentence for a port that could not be had, or undefined for any other failure. */
export function portSentence(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  const place = `Port ${'port' in error ? String(error.port) : '?'} on ${'address' in error ? String(error.address) : 'this machine'}`
  switch (error.code) {
    case 'EADDRINUSE':
      return `${place} is taken. Stop the program that listens there, or choose another port.`
    case 'EACCES':
      return `${place} may not be opened by this user. Choose a port above 1023.`
    case 'EADDRNOTAVAIL':
      return `${place} cannot be opened: this machine has no such address.`
    default:
      return undefined
  }
}
