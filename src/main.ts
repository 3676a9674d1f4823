#!/usr/bin/env node
import cluster from 'node:cluster'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { check } from './commands/check.ts'
import { UsageError, type Command, type CommandContext } from './commands/command.ts'
import { demo } from './commands/demo.ts'
import { explain } from './commands/explain.ts'
import { keygen } from './commands/keygen.ts'
import { localPool } from './commands/local-pool.ts'
import { probeUpstream } from './commands/probe-upstream.ts'
import { revoke } from './commands/revoke.ts'
import { serve } from './commands/serve.ts'

// What a request is made of dies with it. While many are under way V8 may take it for long-lived all the same and from then on make it where
// only full collections look: at random, and for up to a tenth of what each request costs.
setFlagsFromString('--no-allocation-site-pretenuring')

const commands: readonly Command[] = [serve, check, explain, revoke, probeUpstream, keygen, demo, localPool]
const packageFolder = join(import.meta.dirname, '..')

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(join(packageFolder, 'package.json'), 'utf8'))
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : 'unknown'
}

function overview(): string {
  const list = commands.map(({ name, summary }) => `  ${name.padEnd(16)}${summary}`).join('\n')
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
    console.log(overview())
    return name === undefined ? 2 : 0
  }
  const command = commands.find((one) => one.name === name)
  if (command === undefined) {
    console.error(`There is no command '${name}'.\n\n${overview()}`)
    return 2
  }
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
    console.error(`${error.message}\n\n${command.help}`)
    return 2
  }
}

process.exitCode = await run(process.argv.slice(2))
