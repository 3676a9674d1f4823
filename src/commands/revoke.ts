import type { Settings } from '../config/settings.ts'
import { parseInstant } from '../domain/revocation.ts'
import { readArguments, required } from './arguments.ts'
import { UsageError, type Command, type CommandContext } from './command.ts'
import { settingsOrFaults } from './serve.ts'

export const revoke: Command = {
  name: 'revoke',
  summary: 'Ends sessions of a running gateway, through its control port.',
  help: `Usage: cognito-gateway revoke --config FILE (--sub S [--pool P] | --session ID | --before TIME) [--json]

Ends sessions on every replica, within seconds and for good; bearer tokens of the same sign-ins are refused from then on. Asks the control
port of a gateway that runs on this machine with these settings, which needs session.redis. Ends with 0 when it is done, else with 1.

  --config FILE   the settings (YAML); address and token of the control port are read from them
  --sub S         everything of the person with this sub, or of the app client with this id, until now
  --pool P        the person's user pool, by its name in the settings; the first unless given
  --session ID    one session, by the id in the line signed_in of the log
  --before TIME   everything of everybody until a moment that has been, such as 2025-01-31T03:00:00Z
  --json          the answer for programs`,

  async run(args, context) {
    const { values } = readArguments(args, {
      config: { type: 'string' },
      sub: { type: 'string' },
      pool: { type: 'string' },
      session: { type: 'string' },
      before: { type: 'string' },
      json: { type: 'boolean' },
    })
    const file = required(values.config, '--config')
    const { sub, pool, session, before } = values
    if ([sub, session, before].filter((value) => value !== undefined).length !== 1)
      throw new UsageError('Give one of --sub, --session and --before.')
    if (pool !== undefined && sub === undefined) throw new UsageError('--pool goes with --sub only.')
    if (before !== undefined && parseInstant(before) === null)
      throw new UsageError('--before must be a moment with its zone, such as 2025-01-31T03:00:00Z.')
    const loaded = settingsOrFaults(file, context)
    if (loaded === undefined) return 1
    const answer = await askControl(loaded.settings, { sub, pool, session, before }, context)
    if (answer === undefined) return 1
    context.print(values.json === true ? JSON.stringify(answer, null, 2) : sentenceOf(answer))
    return 0
  },
}

interface Answer {
  readonly revoked: string
  readonly [field: string]: unknown
}

const PATIENCE_MS = 10_000

/** What the control port says was revoked; undefined after it was told why nothing was. */
async function askControl(
  { control }: Settings,
  question: Readonly<Record<string, string | undefined>>,
  { complain }: CommandContext,
): Promise<Answer | undefined> {
  if (control === undefined) {
    complain('The settings name no control port: give control: { port: 9091 }, and start the gateway with it.')
    return undefined
  }
  const origin = `http://${reachable(control.host)}:${control.port}`
  try {
    const response = await fetch(`${origin}/revoke`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(control.token === undefined ? {} : { authorization: `Bearer ${control.token.reveal()}` }),
      },
      body: JSON.stringify(question),
      signal: AbortSignal.timeout(PATIENCE_MS),
    })
    const answer: unknown = await response.json()
    if (response.ok && isAnswer(answer)) return answer
    complain(`Nothing was revoked: ${messageIn(answer) ?? `the control port answered with status ${response.status}.`}`)
  } catch {
    complain(`Nothing answers at ${origin} as a control port does. Does the gateway run here, with these settings?`)
  }
  return undefined
}

/** Where something that listens on every address of this machine is asked. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (host === '::') return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function isAnswer(value: unknown): value is Answer {
  return typeof value === 'object' && value !== null && 'revoked' in value && typeof value.revoked === 'string'
}

function messageIn(answer: unknown): string | undefined {
  const message = typeof answer === 'object' && answer !== null && 'message' in answer ? answer.message : undefined
  return typeof message === 'string' ? `${message}.` : undefined
}

function sentenceOf({ revoked, pool, sub, session, before }: Answer): string {
  switch (revoked) {
    case 'person':
      return `Everything of ${String(sub)} in pool ${String(pool)} that began until ${String(before)} has ended.`
    case 'session':
      return `Session ${String(session)} has ended.`
    default:
      return `Everything that began until ${String(before)} has ended.`
  }
}
