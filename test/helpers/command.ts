import type { Command, CommandContext } from '../../src/commands/command.ts'
import { root } from './process.ts'

/** A command in this process, which is no other than in one of its own, and what it said. */
export async function runHere(
  command: Command,
  args: readonly string[],
): Promise<{ readonly code: number; readonly out: string; readonly err: string; readonly progress: string[] }> {
  const said = { out: '', err: '', progress: new Array<string>() }
  const context: CommandContext = {
    environment: {},
    version: 'test',
    packageFolder: root,
    print: (text) => (said.out += `${text}\n`),
    complain: (text) => (said.err += `${text}\n`),
    terminal: false,
    ended: new Promise(() => undefined),
    progress: (text) => void said.progress.push(text),
    onHangup: () => undefined,
  }
  const code = await command.run(args, context)
  return { code, ...said }
}
