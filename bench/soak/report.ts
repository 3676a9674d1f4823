import { drawLines } from '../line-chart.ts'
import type { Machine } from '../machine.ts'
import { table } from '../markdown.ts'
import type { Sample } from './sampler.ts'
import type { KindTally } from './tally.ts'
import { WARM_UP, type Judgement } from './verdict.ts'

/** Everything that a soak found out. */
export interface Soak {
  readonly date: string
  readonly machine: Machine
  readonly minutes: number
  readonly perSecond: number
  /** What one core of this machine gave at the start, in quick answers a second. */
  readonly capacity: number
  readonly people: number
  readonly refreshes: number
  readonly samples: readonly Sample[]
  readonly kinds: readonly KindTally[]
  readonly unexpected: readonly string[]
  readonly judgements: readonly Judgement[]
}

export const isFlat = ({ judgements }: Pick<Soak, 'judgements'>): boolean => judgements.every(({ holds }) => holds)

const thousands = (value: number): string => Math.round(value).toLocaleString('en-US')

export function soakReport(soak: Soak): string {
  const { date, machine, minutes, perSecond, capacity, people, refreshes, kinds, unexpected, judgements } = soak
  const total = kinds.flatMap(({ outcomes }) => [...outcomes.values()]).reduce((sum, count) => sum + count, 0)
  const cpu = soak.samples.map(({ cpuPercent }) => cpuPercent).reduce((sum, one) => sum + one, 0) / soak.samples.length
  return [
    `${date.slice(0, 10)}, ${machine.cpu} with ${machine.cores} cores, ${machine.system}, Node ${machine.node}; ${minutes} minutes, ${thousands(total)} visits at ${thousands(perSecond)} a second (a core gave ${thousands(capacity)}), ${people} people, ${thousands(refreshes)} refreshes of tokens, ${cpu.toFixed(0)} % of a core.`,
    table(
      ['what', 'measured', 'bound', 'verdict'],
      judgements.map(({ what, measured, bound, holds }) => [what, measured, bound, holds ? 'holds' : '**broken**']),
    ),
    `**${isFlat(soak) ? 'Flat' : 'Not flat'}.**${unexpected.length === 0 ? '' : ` Not expected: ${unexpected.join('; ')}.`}`,
    table(
      ['visits', 'number', 'how they ended'],
      kinds.map(({ kind, outcomes }) => [
        kind,
        thousands([...outcomes.values()].reduce((sum, count) => sum + count, 0)),
        [...outcomes].map(([outcome, count]) => `${outcome}: ${thousands(count)}`).join(', '),
      ]),
    ),
  ].join('\n\n')
}

export function soakChart({ samples, minutes, perSecond, date }: Soak): string {
  const over = (read: (sample: Sample) => number): readonly (readonly [number, number])[] =>
    samples.map((sample) => [sample.seconds / 60, read(sample)])
  return drawLines({
    title: 'The gateway under steady load: memory and descriptors',
    subtitle: `${minutes} minutes at ${thousands(perSecond)} visits a second, ${date.slice(0, 10)}`,
    xUnit: 'min',
    before: { x: ((samples.at(-1)?.seconds ?? 0) / 60) * WARM_UP, label: 'warm-up' },
    panels: [
      {
        unit: 'MiB',
        lines: [
          { label: 'memory (RSS)', points: over(({ rssMiB }) => rssMiB) },
          { label: 'heap used', points: over(({ heapMiB }) => heapMiB) },
        ],
      },
      { unit: 'number', lines: [{ label: 'open descriptors', points: over(({ descriptors }) => descriptors) }] },
    ],
  })
}
