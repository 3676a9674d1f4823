/** One quantity over time; `points` are x and y in turn. */
export interface Line {
  readonly label: string
  readonly points: readonly (readonly [number, number])[]
}

/** Lines that share one axis, in a panel of their own. */
export interface Panel {
  readonly unit: string
  readonly lines: readonly [Line, ...Line[]]
}

export interface LineChart {
  readonly title: string
  readonly subtitle: string
  readonly xUnit: string
  /** What comes before is shaded, and said to be this. */
  readonly before: { readonly x: number; readonly label: string }
  readonly panels: readonly Panel[]
}

const WIDTH = 860
const LEFT = 64
const RIGHT = 20
const TOP = 94
const PANEL = 190
const GAP = 46
const TICKS = 4

/** Panels below each other over one axis of time, as SVG text; its colours follow the reader's light or dark page. */
export function drawLines({ title, subtitle, xUnit, before, panels }: LineChart): string {
  const last = Math.max(1e-9, ...panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x))))
  const across = (x: number): number => LEFT + (x / last) * (WIDTH - LEFT - RIGHT)
  const height = TOP + panels.length * (PANEL + GAP)
  const drawn = panels.map((panel, index) =>
    drawPanel(panel, { top: TOP + index * (PANEL + GAP), across, last, before, xUnit }),
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>
  .ground { fill: #ffffff } .text { fill: #1b2430 } .soft { fill: #5a6675 } .grid { stroke: #d5dbe3 } .shade { fill: #eef1f5 }
  .line { fill: none; stroke-width: 1.6 } .line0 { stroke: #1d5fd1 } .line1 { stroke: #c2530a } .key0 { fill: #1d5fd1 } .key1 { fill: #c2530a }
  text { font: 13px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif } .title { font-size: 17px; font-weight: 600 }
  @media (prefers-color-scheme: dark) { .ground { fill: #0f141b } .text { fill: #e9eef4 } .soft { fill: #a3b0bf } .grid { stroke: #2c3643 } .shade { fill: #18202a } .line0 { stroke: #7fb0ff } .line1 { stroke: #ffab6b } .key0 { fill: #7fb0ff } .key1 { fill: #ffab6b } }
</style>
<rect class="ground" width="${WIDTH}" height="${height}" rx="8"/>
<text class="text title" x="20" y="34">${escaped(title)}</text>
<text class="soft" x="20" y="58">${escaped(subtitle)}</text>
${drawn.join('\n')}
</svg>
`
}

interface Place {
  readonly top: number
  readonly across: (x: number) => number
  readonly last: number
  readonly before: LineChart['before']
  readonly xUnit: string
}

function drawPanel({ unit, lines }: Panel, { top, across, last, before, xUnit }: Place): string {
  const most = niceAbove(Math.max(...lines.flatMap(({ points }) => points.map(([, y]) => y))))
  const down = (y: number): number => top + PANEL - (y / most) * PANEL
  const steps = Array.from({ length: TICKS + 1 }, (_, nth) => nth / TICKS)
  const rows = steps.map((step) => {
    const y = down(step * most).toFixed(1)
    return `<path class="grid" d="M${LEFT} ${y}H${WIDTH - RIGHT}"/><text class="soft" x="${LEFT - 8}" y="${Number(y) + 4}" text-anchor="end">${rounded(step * most)}</text>`
  })
  const columns = steps.map((step) => {
    const anchor = step === 1 ? 'end' : 'middle'
    return `<text class="soft" x="${across(step * last).toFixed(1)}" y="${top + PANEL + 17}" text-anchor="${anchor}">${rounded(step * last)}${step === 1 ? ` ${escaped(xUnit)}` : ''}</text>`
  })
  const shade = `<rect class="shade" x="${LEFT}" y="${top}" width="${(across(before.x) - LEFT).toFixed(1)}" height="${PANEL}"/><text class="soft" x="${LEFT + 6}" y="${top + PANEL - 8}">${escaped(before.label)}</text>`
  const curves = lines.map(({ points }, index) => {
    const path = points.map(([x, y]) => `${across(x).toFixed(1)} ${down(y).toFixed(1)}`).join('L')
    return `<path class="line line${index}" d="M${path}"/>`
  })
  const keys = lines.map(({ label }, index) => {
    const x = LEFT + index * 220
    return `<rect class="key${index}" x="${x}" y="${top - 17}" width="14" height="4" rx="2"/><text class="text" x="${x + 20}" y="${top - 10}">${escaped(`${label}, ${unit}`)}</text>`
  })
  return [shade, ...rows, ...columns, ...curves, ...keys].join('\n')
}

/** The next number of the kind that people put at the end of an axis. */
function niceAbove(value: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(value, 1)))
  return ([1, 2, 4, 5, 8, 10].find((step) => step * power >= value) ?? 10) * power
}

const rounded = (value: number): string =>
  value >= 10 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1)

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
