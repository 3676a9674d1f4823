import { writeFileSync } from 'node:fs'
import { readArguments } from '../src/commands/arguments.ts'
import { writeReport } from './bench-readme.ts'
import type { BenchCommand } from './command.ts'
import { describeMachine, machineLine, requireMachine, type Machine } from './machine.ts'
import { table } from './markdown.ts'
import { chosen, wholeNumber } from './options.ts'
import { leaveProxyCore } from './programs.ts'
import { addresses } from './scale/addresses.ts'
import { coldStart } from './scale/cold-start.ts'
import { idle, memory } from './scale/connections.ts'
import { routes } from './scale/routes.ts'
import { sessions } from './scale/sessions.ts'
import { slowReaders, streams } from './scale/streams.ts'
import type { Finding, Topic } from './scale/topic.ts'
import { websocket } from './scale/websocket.ts'
import { startSite } from './site.ts'

const topics: readonly Topic[] = [routes, sessions, addresses, idle, memory, streams, slowReaders, websocket, coldStart]

interface Result {
  readonly topic: Topic
  readonly findings: readonly Finding[]
  /** Why there are none. */
  readonly failure?: string
}

export const scale: BenchCommand = {
  help: `Usage: npm run bench -- scale [options]

Measures what compare does not ask: one row for each question.

${topics.map(({ name, asks }) => `  ${name.padEnd(14)}${asks}`).join('\n')}

  --only NAME,…     some of them
  --seconds N       of load for each measurement, 1 to 20 (default 4)
  --repetitions N   how often each is taken (default 5)
  --json FILE       writes the figures to a file
  --write           puts the table into bench/README.md`,

  async run(args, run) {
    const { values } = readArguments(args, {
      only: { type: 'string' },
      seconds: { type: 'string' },
      repetitions: { type: 'string' },
      json: { type: 'string' },
      write: { type: 'boolean' },
    })
    const wanted = chosen(values.only, topics)
    const effort = {
      seconds: wholeNumber(values.seconds, { flag: '--seconds', default: 4, max: 20 }),
      repetitions: wholeNumber(values.repetitions, { flag: '--repetitions', default: 5, max: 100 }),
    }
    requireMachine()
    leaveProxyCore()
    const site = await startSite(run)
    const results: Result[] = []
    for (const topic of wanted) {
      run.progress(`${topic.name}: ${topic.asks}`)
      try {
        results.push({ topic, findings: await topic.run(site, effort) })
      } catch (error) {
        const failure = error instanceof Error ? error.message.replaceAll(/\s+/g, ' ') : String(error)
        run.progress(`  failed: ${failure}`)
        results.push({ topic, findings: [], failure })
      }
    }
    const [date, machine] = [new Date().toISOString(), describeMachine()]
    const report = scaleReport(results, { date, machine, ...effort })
    console.log(report)
    if (values.write === true) writeReport('scale', report)
    if (values.json !== undefined)
      writeFileSync(
        values.json,
        JSON.stringify({ date, machine, ...effort, results: results.map(forPrograms) }, null, 2),
      )
    return results.some(({ failure }) => failure !== undefined) ? 1 : 0
  },
}

interface Circumstances {
  readonly date: string
  readonly machine: Machine
  readonly seconds: number
  readonly repetitions: number
}

function scaleReport(results: readonly Result[], circumstances: Circumstances): string {
  const rows = results.flatMap(({ topic, findings, failure }) =>
    failure === undefined
      ? findings.map(({ what, measured, target = '–', reached }) => [
          topic.name,
          what,
          measured,
          target,
          verdictOf(reached),
        ])
      : [[topic.name, topic.asks, `**not measured: ${failure}**`, '–', '–']],
  )
  return `${machineLine(circumstances)}\n\n${table(['question', 'what', 'measured', 'target', 'verdict'], rows)}`
}

function verdictOf(reached: boolean | undefined): string {
  if (reached === undefined) return '–'
  return reached ? 'reached' : '**missed**'
}

const forPrograms = ({ topic, findings, failure }: Result) => ({ topic: topic.name, findings, failure })
