import { faultLine, loadSettings, SettingsError, type Loaded, type LoadOptions } from '../config/load.ts'
import { printSettings } from '../config/print.ts'
import { checkLive } from './check-live/check-live.ts'
import { reportText } from './check-live/report-text.ts'
import { readArguments, required } from './arguments.ts'
import { UsageError, type Command } from './command.ts'
import { unsafeProcess } from './unsafe-process.ts'

export const check: Command = {
  name: 'check',
  summary: 'Says everything that is wrong or unwise in a file of settings.',
  help: `Usage: cognito-gateway check --config FILE [--replicas N] [--live] [--print [APPLICATION]] [--json]

Lists every fault at once as file:line:column key: what, and what to write instead; then warnings about what is legal but unwise.
Ends with 0 when there is no fault, else with 1.

  --config FILE   the settings (YAML)
  --replicas N    how many gateways run with these settings side by side; 1 unless given
  --live          also asks each user pool whether it is set up as the settings need it, and says what to change in Cognito. Nobody is signed in,
                  and nothing is changed. Ends with 1 when anything is wrong there
  --print         also shows the effective settings and where each came from, of one application where it is named
  --json          the answer for programs`,

  async run(args, { environment, print, complain, progress }) {
    const { values, positionals } = readArguments(
      args,
      {
        config: { type: 'string' },
        replicas: { type: 'string' },
        live: { type: 'boolean' },
        print: { type: 'boolean' },
        json: { type: 'boolean' },
      },
      1,
    )
    const file = required(values.config, '--config')
    const replicas = replicasIn(values.replicas)
    try {
      const loaded = loadAsServed({ file, environment, replicas })
      const { settings, warnings } = loaded
      const live = values.live === true ? await checkLive({ settings, onProgress: progress, now: Date.now }) : undefined
      progress('')
      const ok = live?.every(({ findings }) => findings.every(({ verdict }) => verdict !== 'wrong')) ?? true
      if (values.json === true) {
        print(JSON.stringify({ ok, faults: [], warnings, ...(live === undefined ? {} : { live }) }, null, 2))
        return ok ? 0 : 1
      }
      for (const warning of warnings) complain(`warning: ${faultLine(warning)}`)
      print(values.print === true ? printSettings(loaded, positionals[0]) : `${file}: no faults`)
      if (live !== undefined) print(`\n${reportText(live)}`)
      return ok ? 0 : 1
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      if (values.json === true) print(JSON.stringify({ ok: false, faults: error.faults, warnings: [] }, null, 2))
      else complain(error.message)
      return 1
    }
  },
}

/** As `serve` takes them, which also looks at what its environment makes of the process; how this one was started says nothing of that. */
function loadAsServed(options: LoadOptions): Loaded {
  const unsafe = unsafeProcess(options.environment, [])
  if (unsafe === undefined) return loadSettings(options)
  const faults = [{ file: 'environment', line: 0, column: 0, key: '', message: unsafe }]
  try {
    loadSettings(options)
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    throw new SettingsError([...error.faults, ...faults])
  }
  throw new SettingsError(faults)
}

function replicasIn(text = '1'): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError('--replicas must be a whole number from 1 to 9999.')
  return Number(text)
}
