import { UsageError } from '../src/commands/command.ts'
import type { BenchCommand } from './command.ts'
import { Teardowns } from './teardowns.ts'

interface Entry {
  readonly summary: string
  readonly load: () => Promise<BenchCommand>
}

const commands: Readonly<Record<string, Entry>> = {
  compare: {
    summary: 'CPU per request of the gateway and of its peers, side by side in one interleaved run.',
    load: async () => (await import('./compare.ts')).compare,
  },
  scale: {
    summary: 'What many routes, sessions, connections, streams and WebSockets cost, and how long a start takes.',
    load: async () => (await import('./scale.ts')).scale,
  },
  sessions: {
    summary: 'What 50,000 sessions in Redis take there, and how long a lookup waits.',
    load: async () => (await import('./sessions.ts')).sessions,
  },
  soak: {
    summary: 'Whether memory, descriptors and latency stay flat under minutes of steady load of every kind.',
    load: async () => (await import('./soak.ts')).soak,
  },
  profile: {
    summary: "Where the gateway's CPU time goes under the load of compare, by package, file and function.",
    load: async () => (await import('./profile.ts')).profile,
  },
}

const overview = `Measures the gateway on this machine, against programs that do the same.

Usage: npm run bench -- NAME [options]

${Object.entries(commands)
  .map(([name, { summary }]) => `  ${name.padEnd(10)}${summary}`)
  .join('\n')}

npm run bench -- NAME --help tells more.`

async function run([name, ...args]: readonly string[], stopping: Teardowns): Promise<number> {
  if (name === undefined || name === '--help' || name === 'help') {
    console.log(overview)
    return 0
  }
  const entry = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (entry === undefined) {
    console.error(`There is no benchmark '${name}'.\n\n${overview}`)
    return 2
  }
  const command = await entry.load()
  if (args.includes('--help')) {
    console.log(command.help)
    return 0
  }
  try {
    return await command.run(args, {
      teardown: (fn) => stopping.teardown(fn),
      progress: (text) => console.error(text),
    })
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${command.help}`)
    return 2
  }
}

const stopping = new Teardowns()
let interrupted = false
async function interrupt(): Promise<void> {
  if (interrupted) process.exit(130)
  interrupted = true
  await stopping.run()
  process.exit(130)
}
process.on('SIGINT', () => void interrupt())
process.on('SIGTERM', () => void interrupt())

let status = 1
try {
  status = await run(process.argv.slice(2), stopping)
} catch (error) {
  // What is stopped by an interruption fails, and that is no news.
  if (!interrupted) console.error(error instanceof Error ? error.stack : error)
}
if (!interrupted) {
  for (const failure of await stopping.run()) console.error('Not stopped cleanly:', failure)
  process.exit(status)
}
