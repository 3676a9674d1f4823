import { faultLine, loadSettings, SettingsError } from '../config/load.ts'
import { printSettings } from '../config/print.ts'
import { readArguments, required } from './arguments.ts'
import { UsageError, type Command } from './command.ts'

export const check: Command = {
  name: 'check',
  summary: 'Says everything that is wrong or unwise in a file of settings.',
  help: `Usage: cognito-gateway check --config FILE [--replicas N] [--print [APPLICATION]] [--json]

Lists every fault at once as file:line:column key: what, and what to write instead; then warnings about what is legal but unwise.
Ends with 0 when there is no fault, else with 1.

  --config FILE   the settings (YAML)
  --replicas N    how many gateways run with these settings side by side; 1 unless given
  --print         also shows the effective settings and where each came from, of one application where it is named
  --json          the answer for programs`,

  async run(args, { environment, print, complain }) {
    const { values, positionals } = readArguments(
      args,
      {
        config: { type: 'string' },
        replicas: { type: 'string' },
        print: { type: 'boolean' },
        json: { type: 'boolean' },
      },
      1,
    )
    const file = required(values.config, '--config')
    const replicas = replicasIn(values.replicas)
    try {
      const loaded = loadSettings({ file, environment, replicas })
      if (values.json === true) {
        print(JSON.stringify({ ok: true, faults: [], warnings: loaded.warnings }, null, 2))
        return 0
      }
      for (const warning of loaded.warnings) complain(`warning: ${faultLine(warning)}`)
      print(values.print === true ? printSettings(loaded, positionals[0]) : `${file}: no faults`)
      return 0
    } catch (error) {
      if (!(error instanceof SettingsError)) throw error
      if (values.json === true) print(JSON.stringify({ ok: false, faults: error.faults, warnings: [] }, null, 2))
      else complain(error.message)
      return 1
    }
  },
}

function replicasIn(text = '1'): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new UsageError('--replicas must be a whole number from 1 to 9999.')
  return Number(text)
}
