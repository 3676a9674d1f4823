import cluster from 'node:cluster'
import { createLog } from '../adapters/log.ts'
import { startPrimary } from '../cluster/primary.ts'
import { runWorker, tellFailure } from '../cluster/worker.ts'
import { faultLine, loadSettings, SettingsError, type Loaded } from '../config/load.ts'
import { startGateway, type GatewayOptions } from '../gateway.ts'
import type { SettingsSource } from '../reload.ts'
import { readArguments, required } from './arguments.ts'
import { portSentence, type Command, type CommandContext } from './command.ts'
import { outdatedNode, unsafeProcess } from './unsafe-process.ts'

export const serve: Command = {
  name: 'serve',
  summary: 'Runs the gateway until it is told to stop.',
  help: `Usage: cognito-gateway serve --config FILE

Runs the gateway. SIGTERM or Ctrl-C drains it and ends with 0; a second one ends it at once. SIGHUP takes over what has changed in the settings
and secret files and may change while it runs; without it that takes a few seconds.

  --config FILE   the settings (YAML); see config/gateway.example.yaml`,

  async run(args, given) {
    // What a worker complains of, its primary says, once for all of them.
    const context = cluster.isWorker ? { ...given, complain: tellFailure } : given
    const { values } = readArguments(args, { config: { type: 'string' } })
    const hangup: Hangup = { reload: () => undefined }
    context.onHangup(() => hangup.reload())
    const file = required(values.config, '--config')
    const outdated = outdatedNode(process.versions.node)
    const unsafe = outdated?.refuse === true ? outdated.says : unsafeProcess(context.environment, process.execArgv)
    if (unsafe !== undefined) {
      context.complain(unsafe)
      return 1
    }
    const loaded = settingsOrFaults(file, context)
    if (loaded === undefined) return 1
    if (!cluster.isWorker)
      for (const warning of [...(outdated === undefined ? [] : [outdated.says]), ...loaded.warnings.map(faultLine)])
        context.complain(`warning: ${warning}`)
    const source = { loaded, load: () => loadSettings({ file, environment: context.environment }) }
    return serveUntilEnded(source, { context, hangup })
  },
}

/** What a hangup does: nothing until there is a gateway that could look at its settings. */
interface Hangup {
  reload: () => void
}

interface Surroundings {
  readonly context: CommandContext
  readonly hangup: Hangup
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

async function serveUntilEnded(source: SettingsSource, surroundings: Surroundings): Promise<number> {
  const { context } = surroundings
  const { settings } = source.loaded
  const worker = cluster.worker?.id
  const log = createLog({ level: settings.log.level, readable: context.terminal, worker })
  try {
    await serveAs(worker, { settings, log, version: context.version, source }, surroundings)
    return 0
  } catch (error) {
    const sentence = error instanceof StartError ? error.message : portSentence(error)
    if (sentence === undefined) throw error
    context.complain(sentence)
    return 1
  }
}

/** As the only process, as one of several workers, or as their primary. */
async function serveAs(worker: number | undefined, options: GatewayOptions, surroundings: Surroundings): Promise<void> {
  if (worker !== undefined) return runWorker(options)
  if (options.settings.workers > 1) return serveWithWorkers(options, surroundings)
  const gateway = await startGateway(options)
  surroundings.hangup.reload = () => void gateway.reload()
  await surroundings.context.ended
  await gateway.drain()
}

/** Why workers could not start, in a sentence. */
class StartError extends Error {}

async function serveWithWorkers(options: GatewayOptions, { context, hangup }: Surroundings): Promise<void> {
  const primary = await startPrimary(options)
  hangup.reload = () => void primary.reload()
  const failure = await Promise.race([context.ended, primary.failed])
  if (failure === undefined) return primary.drain()
  await primary.close()
  throw new StartError(failure)
}
