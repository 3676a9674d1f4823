import { join } from 'node:path'
import { startLocalPool } from '../local/local-pool.ts'
import { readPoolFile } from '../local/pool-file.ts'
import { makeSecretFile } from './demo-secrets.ts'
import { readArguments } from './arguments.ts'
import { portSentence, type Command } from './command.ts'

export const localPool: Command = {
  name: 'local-pool',
  summary: 'Runs the local user pool alone, for tests of your own.',
  help: `Usage: cognito-gateway local-pool [--config FILE]

Runs a user pool that behaves like Cognito, on this machine only, until Ctrl-C. A file of an app client's secret that is not there is made.

  --config FILE   people, app clients and providers (YAML); by default those of the demo`,

  async run(args, { packageFolder, print, complain, ended }) {
    const { values } = readArguments(args, { config: { type: 'string' } })
    try {
      const file = values.config ?? join(packageFolder, 'config', 'local-pool.yaml')
      const made: string[] = []
      const options = readPoolFile(file, (missing) => {
        made.push(missing)
        return makeSecretFile(missing)
      })
      const pool = await startLocalPool(options)
      print(
        `Local user pool ${pool.userPoolId}\n  issuer     ${pool.issuer}\n  discovery  ${pool.issuer}/.well-known/openid-configuration`,
      )
      for (const secret of made) print(`  made       ${secret}, an app client's secret, for pools.NAME.clientSecret`)
      await ended
      await pool.close()
      return 0
    } catch (error) {
      complain(portSentence(error) ?? (error instanceof Error ? error.message : String(error)))
      return 1
    }
  },
}
