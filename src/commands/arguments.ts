import { parseArgs, type ParseArgsConfig } from 'node:util'
import { UsageError } from './command.ts'

/** Node's own parser, strict: a flag that is not known or lacks its value is a usage error in one sentence. */
export function readArguments<T extends NonNullable<ParseArgsConfig['options']>>(
  args: readonly string[],
  options: T,
  maxPositionals = 0,
) {
  try {
    const parsed = parseArgs({ args: [...args], options, allowPositionals: true, strict: true })
    const surplus = parsed.positionals[maxPositionals]
    if (surplus !== undefined) throw new UsageError(`Unexpected argument '${surplus}'.`)
    return parsed
  } catch (error) {
    if (error instanceof UsageError) throw error
    throw new UsageError(
      error instanceof Error ? (error.message.split('. ', 1)[0] ?? '') + '.' : 'The arguments cannot be read.',
    )
  }
}

/** A flag that must be given. */
export function required(value: string | undefined, flag: string): string {
  if (value === undefined) throw new UsageError(`${flag} is missing.`)
  return value
}
