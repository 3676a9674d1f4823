import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readArguments } from './arguments.ts'
import { UsageError, type Command } from './command.ts'

export const keygen: Command = {
  name: 'keygen',
  summary: 'Prints a new key.',
  help: `Usage: cognito-gateway keygen [session|assertion]

Prints the content of a file that the settings name, to be kept as a secret:

  session     32 random bytes as base64url, for session.keys; this unless given
              (umask 077 && cognito-gateway keygen > session-key)
  assertion   a P-256 private key as PEM, for assertion.keys and assertion.albKeys
              (umask 077 && cognito-gateway keygen assertion > assertion-key)`,

  async run(args, { print }) {
    const { positionals } = readArguments(args, {}, 1)
    const kind = positionals[0] ?? 'session'
    if (kind !== 'session' && kind !== 'assertion')
      throw new UsageError(`'${kind}' is no kind of key; the kinds are session and assertion.`)
    print(kind === 'session' ? newSessionKey() : newAssertionKey())
    return 0
  },
}

export function newSessionKey(): string {
  return randomBytes(32).toString('base64url')
}

export function newAssertionKey(): string {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString().trimEnd()
}
