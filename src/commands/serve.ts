import { createLog } from '../adapters/log.ts'
import { faultLine, loadSettings, SettingsError, type Loaded } from '../config/load.ts'
import { startGateway } from '../gateway.ts'
import { readArguments, required } from './arguments.ts'
import { portSentence, type Command, type CommandContext } from './command.ts'
import { unsafeProcess } from './unsafe-process.ts'

export const serve: Command = {
  name: 'serve',
  summary: 'Runs the gateway until it is told to stop.',
  help: `Usage: cognito-gateway serve --config FILE

Runs the gateway. SIGTERM or Ctrl-C drains it and ends with 0; a second one ends it at once.

  --config FILE   the settings (YAML); see config/gateway.example.yaml`,

  async run(args, context) {
    const { values } = readArguments(args, { config: { type: 'string' } })
    const file = required(values.config, '--config')
    const unsafe = unsafeProcess(context.environment, process.execArgv)
    if (unsafe !== undefined) {
      context.complain(unsafe)
      return 1
    }
    const loaded = settingsOrFaults(file, context)
    if (loaded === undefined) return 1
    for (const warning of loaded.warnings) context.complain(`warning: ${faultLine(warning)}`)
    return serveUntilEnded(loaded, context)
  },
}

/** The settings, or undefined after every fault has been told. */
export function settingsOrFaults(file: string, { environment, complain }: CommandContext): Loaded | undefined {
  try {
    return loadSettings({ file, environment })
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    complain(error.message)
    return undefined
  }
}

async function serveUntilEnded({ settings }: Loaded, context: CommandContext): Promise<number> {
  const log = createLog({ level: settings.log.level, readable: context.terminal })
  try {
    const gateway = await startGateway({ settings, log, version: context.version })
    await context.ended
    await gateway.drain()
    return 0
  } catch (error) {
    const sentence = portSentence(error)
    if (sentence === undefined) throw error
    context.complain(sentence)
    return 1
  }
}
