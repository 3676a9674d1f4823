import { join } from 'node:path'
import { startLocalPool } from '../local/local-pool.ts'
import { readPoolFile } from '../local/pool-file.ts'
import { ensureDemoSecrets } from './demo-secrets.ts'
import { readArguments } from './arguments.ts'
import { portSentence, type Command } from './command.ts'

export const localPool: Command = {
  name: 'local-pool',
  summary: 'Runs the local user pool alone, for tests of your own.',
  help: `Usage: cognito-gateway local-pool [--config FILE]

Runs a user pool that behaves like Cognito, on this machine only, until Ctrl-C.

  --config FILE   people, app clients and providers (YAML); by default those of the demo`,

  async run(args, { packageFolder, print, complain, ended }) {
    const { values } = readArguments(args, { config: { type: 'string' } })
    try {
      if (values.config === undefined) ensureDemoSecrets(packageFolder)
      const options = readPoolFile(values.config ?? join(packageFolder, 'config', 'local-pool.yaml'))
      const pool = await startLocalPool(options)
      print(
        `Local user pool ${pool.userPoolId}\n  issuer     ${pool.issuer}\n  discovery  ${pool.issuer}/.well-known/openid-configuration`,
      )
      await ended
      await pool.close()
      return 0
    } catch (error) {
      complain(portSentence(error) ?? (error instanceof Error ? error.message : String(error)))
      return 1
    }
  },
}
