#!/usr/bin/env node
import { executionAsyncResource } from 'node:async_hooks'
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { UsageError, type Command, type CommandContext } from './commands/command.ts'

// What a request is made of dies with it. While many are under way V8 may take it for long-lived all the same and from then on make it where
// only full collections look: at random, and for up to a tenth of what each request costs.
setFlagsFromString('--no-allocation-site-pretenuring')

// Node makes an object for each `nextTick`, a dozen for a request, all of one shape. A full collection that finds none of them drops the shape,
// and from then on V8 makes each the slow way, for the life of the process, at four times the cost. One that stays keeps the shape.
const ticks: unknown[] = []
process.nextTick(() => ticks.push(executionAsyncResource()))

/** A command comes with all that it uses only when it is asked for: a key is made, and a fault told, without the whole gateway. */
const commands: Readonly<Record<string, () => Promise<Command>>> = {
  serve: async () => (await import('./commands/serve.ts')).serve,
  check: async () => (await import('./commands/check.ts')).check,
  explain: async () => (await import('./commands/explain.ts')).explain,
  revoke: async () => (await import('./commands/revoke.ts')).revoke,
  'probe-upstream': async () => (await import('./commands/probe-upstream.ts')).probeUpstream,
  keygen: async () => (await import('./commands/keygen.ts')).keygen,
  demo: async () => (await import('./commands/demo.ts')).demo,
  'local-pool': async () => (await import('./commands/local-pool.ts')).localPool,
}
const packageFolder = join(import.meta.dirname, '..')

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}

async function overview(): Promise<string> {
  const all = await Promise.all(Object.values(commands).map(async (load) => load()))
  const list = all.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')
  return `Cognito Gateway ${version()}: AWS Cognito sign-in in front of web applications that cannot be changed.

Usage: cognito-gateway COMMAND [options]

${list}

cognito-gateway COMMAND --help tells more; --version prints the version.`
}

/** The first signal asks to end; the second does not ask. A worker ends when its primary says so: Ctrl-C reaches both. */
function endRequested(): Promise<void> {
  return new Promise((resolve) => {
    let asked = false
    const end = (): void => {
      if (cluster.isWorker) return
      if (asked) process.exit(1)
      asked = true
      resolve()
    }
    process.on('SIGINT', end)
    process.on('SIGTERM', end)
  })
}

async function run(argv: readonly string[]): Promise<number> {
  const [name, ...args] = argv
  if (name === '--version') {
    console.log(version())
    return 0
  }
  if (name === undefined || name === '--help' || name === 'help') {
    console.log(await overview())
    return name === undefined ? 2 : 0
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (load === undefined) {
    console.error(`There is no command '${name}': cognito-gateway --help lists those that there are.`)
    return 2
  }
  const command = await load()
  if (args.includes('--help')) {
    console.log(command.help)
    return 0
  }
  const context: CommandContext = {
    environment: process.env,
    version: version(),
    packageFolder,
    print: (text) => console.log(text),
    complain: (text) => console.error(text),
    progress: (text) => void (process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`)),
    terminal: process.stdout.isTTY,
    ended: endRequested(),
    onHangup: (listener) => void process.on('SIGHUP', listener),
  }
  try {
    return await command.run(args, context)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\ncognito-gateway ${name} --help tells more.`)
    return 2
  }
}

process.exitCode = await run(process.argv.slice(2))
