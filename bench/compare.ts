import { readArguments } from '../src/commands/arguments.ts'
import type { BenchCommand } from './command.ts'

export const compare: BenchCommand = {
  help: `Usage: npm run bench -- compare [options]

Measures the gateway and its peers side by side.

  --seconds N       of load for each cell (default 5)`,

  async run(args) {
    readArguments(args, { seconds: { type: 'string' } })
    return 1
  },
}
