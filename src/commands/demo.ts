import { join } from 'node:path'
import { styleText } from 'node:util'
import { createLog } from '../adapters/log.ts'
import type { Settings } from '../config/settings.ts'
import { startGateway } from '../gateway.ts'
import { startLocalPool } from '../local/local-pool.ts'
import { readPoolFile } from '../local/pool-file.ts'
import { startSampleApplication } from '../local/sample-application.ts'
import { readArguments } from './arguments.ts'
import { portSentence, type Command, type CommandContext } from './command.ts'
import { ensureDemoSecrets } from './demo-secrets.ts'
import { settingsOrFaults } from './serve.ts'

const SAMPLE_PORT = 8081

export const demo: Command = {
  name: 'demo',
  summary: 'Shows the whole product on this machine: user pool, application, gateway.',
  help: `Usage: cognito-gateway demo [--verbose]

Runs a local user pool, a sample application that knows nothing of sign-in, and the gateway in front of it, from config/demo.yaml,
on this machine only, until Ctrl-C. Secrets are made at the first start and kept in .demo/.

  --verbose   also shows the log`,

  async run(args, context) {
    const { values } = readArguments(args, { verbose: { type: 'boolean' } })
    ensureDemoSecrets(context.packageFolder)
    const loaded = settingsOrFaults(join(context.packageFolder, 'config', 'demo.yaml'), context)
    if (loaded === undefined) return 1
    return runDemo(loaded.settings, context, values.verbose === true)
  },
}

interface Running {
  close(): Promise<void>
}

async function runDemo(settings: Settings, context: CommandContext, verbose: boolean): Promise<number> {
  const running: Running[] = []
  try {
    const pool = await startLocalPool(readPoolFile(join(context.packageFolder, 'config', 'local-pool.yaml')))
    running.unshift(pool)
    const application = await startSampleApplication({ host: '127.0.0.1', port: SAMPLE_PORT })
    running.unshift(application)
    const log = createLog({ level: verbose ? settings.log.level : 'warn', readable: context.terminal })
    running.unshift(await startGateway({ settings, log, version: context.version }))
    context.print(welcome(settings, { pool: pool.url, application: application.url }, context.terminal))
    await context.ended
    return 0
  } catch (error) {
    const sentence = portSentence(error)
    if (sentence === undefined) throw error
    context.complain(sentence)
    return 1
  } finally {
    for (const part of running) await part.close()
  }
}

function welcome(
  settings: Settings,
  at: { readonly pool: string; readonly application: string },
  coloured: boolean,
): string {
  const bold = (text: string): string => (coloured ? styleText('bold', text) : text)
  const faint = (text: string): string => (coloured ? styleText('dim', text) : text)
  const gateway = settings.publicUrl
  const { host = '', port = 0 } = settings.forwardAuth ?? {}
  const forwardAuth = `http://${host}:${port}${settings.endpoints.prefix}/auth`
  return `
${bold('Cognito Gateway')} is running. Open ${bold(gateway)} and sign in.

  Gateway            ${gateway}
  Routes, health     http://localhost:${settings.admin.port} ${faint('(who may pass where; /readyz, /metrics)')}
  Forward-auth       ${forwardAuth} ${faint('(for a proxy that asks who may pass)')}
  Local user pool    ${at.pool} ${faint('(plays AWS Cognito)')}
  Sample application ${at.application} ${faint('(knows nothing of sign-in; reach it through the gateway)')}

  People             alice / Passw0rd!   groups admins, ops
                     bob   / Passw0rd!   no group
  Machine            orders-batch / orders-batch-secret   scope orders/read

${bold('Five things to try')}
  1. Open ${gateway}/ as alice: the application shows the headers that tell it who is there.
  2. Open ${gateway}/admin/ as bob: a clear refusal, and a way to sign in as alice.
  3. Ask without signing in, as a program does:
       curl -i ${gateway}/api/orders/1
  4. Ask as the machine:
       TOKEN=$(curl -s -u orders-batch:orders-batch-secret -d grant_type=client_credentials ${at.pool}/oauth2/token | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')
       curl -i -H "Authorization: Bearer $TOKEN" ${gateway}/api/orders/1
  5. Sign out at ${gateway}${settings.endpoints.prefix}/sign_out: the next visit asks for the password again.

The page of a refusal shows a reference: with npm run gateway -- demo --verbose the log here has it too. Ctrl-C stops everything.`
}
