import { randomBytes } from 'node:crypto'
import { readArguments } from './arguments.ts'
import { UsageError, type Command } from './command.ts'

export const keygen: Command = {
  name: 'keygen',
  summary: 'Prints a new session key.',
  help: `Usage: cognito-gateway keygen [session]

Prints 32 random bytes as base64url: the content of a file that session.keys names. Keep it as a secret:
  (umask 077 && cognito-gateway keygen > session-key)`,

  async run(args, { print }) {
    const { positionals } = readArguments(args, {}, 1)
    const kind = positionals[0] ?? 'session'
    if (kind !== 'session') throw new UsageError(`'${kind}' is no kind of key; the kind is session.`)
    print(newSessionKey())
    return 0
  },
}

export function newSessionKey(): string {
  return randomBytes(32).toString('base64url')
}
