import { drawBars, type Bar } from './chart.ts'
import { cellsOf, ratioOf, type Cell, type Comparison, type Row, type TargetResult } from './comparison.ts'
import { machineLine } from './machine.ts'
import { table } from './markdown.ts'
import { median, spreadOf, type Spread } from './statistics.ts'

/** The tables of a run, in Markdown, which a terminal shows as well as a page. */
export function compareReport(comparison: Comparison): string {
  const { connections, rows, targets } = comparison
  const versions = rows.flatMap(({ name, version }) => (version === undefined ? [] : [`${name} ${version}`]))
  return [
    machineLine(comparison),
    ...connections.map((count) => `**${count} connections**\n\n${figures(rows, count)}`),
    `**Targets** (CPU per request, median of the ratios with the lowest and the highest)\n\n${verdicts(targets, connections)}`,
    `Versions: ${versions.join('; ')}.`,
  ].join('\n\n')
}

/** CPU per request of everybody, at the largest number of connections. */
export function comparePicture({ date, machine, connections, rows }: Comparison): string {
  const count = Math.max(...connections)
  const bars = rows.flatMap(({ name }): Bar[] => {
    const cells = cellsOf(rows, name, count)
    if (cells.length === 0) return []
    const { median, min, max } = spreadOf(cells.map(({ cpuMicrosPerRequest }) => cpuMicrosPerRequest))
    return [{ label: name, value: median, min, max, ours: name.startsWith('gateway') }]
  })
  const missing = rows.flatMap(({ name, reason }) => (reason === undefined ? [] : [{ label: name, reason }]))
  return drawBars({
    title: 'CPU time per request (less is better)',
    subtitle: `${count} connections, 1 KiB answers, one core; ${machine.cpu}, Node ${machine.node}, ${date.slice(0, 10)}`,
    unit: 'µs',
    bars: bars.sort((one, other) => one.value - other.value),
    missing,
  })
}

function figures(rows: readonly Row[], connections: number): string {
  return table(
    ['proxy', 'CPU µs/request', 'requests/s', 'p50 / p99 ms', 'memory MiB', 'against floor', 'what it is'],
    rows.map((row) => {
      const cells = cellsOf(rows, row.name, connections)
      if (row.reason !== undefined || cells.length === 0)
        return [row.name, '–', '–', '–', '–', '–', `**not measured: ${row.reason ?? 'no figures'}**`]
      const of = (field: keyof Cell): number => median(cells.map((cell) => cell[field]))
      const against = ratioOf(rows, row.name, 'floor', connections)
      return [
        row.name,
        of('cpuMicrosPerRequest').toFixed(1),
        Math.round(of('requestsPerSecond')).toLocaleString('en'),
        `${of('p50Ms').toFixed(1)} / ${of('p99Ms').toFixed(1)}`,
        of('memoryMiB').toFixed(0),
        against === undefined ? '–' : against.median.toFixed(2),
        row.does,
      ]
    }),
  )
}

function verdicts(targets: readonly TargetResult[], connections: readonly number[]): string {
  return table(
    ['ours', 'against', 'target', 'failing', ...connections.map((count) => `${count} connections`), 'verdict'],
    targets.map(({ ours, against, target, failing, ratios, verdict }) => [
      ours,
      against,
      `≤ ${target} ×`,
      `> ${failing} ×`,
      ...connections.map((count) => spreadText(ratios[count])),
      verdict === 'reached' ? verdict : `**${verdict}**`,
    ]),
  )
}

const spreadText = (spread: Spread | undefined): string =>
  spread === undefined ? '–' : `${spread.median.toFixed(2)} (${spread.min.toFixed(2)} – ${spread.max.toFixed(2)})`
