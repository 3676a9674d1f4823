/** One bar, and how far single measurements lay from it. */
export interface Bar {
  readonly label: string
  readonly value: number
  readonly min: number
  readonly max: number
  /** Ours are drawn in a colour of their own. */
  readonly ours: boolean
}

export interface BarChart {
  readonly title: string
  readonly subtitle: string
  readonly unit: string
  /** Why these have no bar. */
  readonly missing: readonly { readonly label: string; readonly reason: string }[]
  readonly bars: readonly Bar[]
}

const WIDTH = 860
const LABELS = 190
const VALUES = 90
const ROW = 30
const TOP = 84

/** A bar chart as SVG text; its colours follow the reader's light or dark page. */
export function drawBars({ title, subtitle, unit, bars, missing }: BarChart): string {
  const largest = Math.max(...bars.map(({ max }) => max), 1)
  const scale = (WIDTH - LABELS - VALUES) / largest
  const height = TOP + (bars.length + missing.length) * ROW + 20
  const rows = [
    ...bars.map((bar, index) => drawBar(bar, { y: TOP + index * ROW, scale, unit })),
    ...missing.map(({ label, reason }, index) => drawGap(label, reason, TOP + (bars.length + index) * ROW)),
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escaped(title)}">
<style>
  .ground { fill: #ffffff } .text { fill: #1b2430 } .soft { fill: #5a6675 } .ours { fill: #1d5fd1 } .peer { fill: #98a4b3 } .whisker { stroke: #1b2430 }
  text { font: 14px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif } .title { font-size: 17px; font-weight: 600 } .number { font-weight: 600 }
  @media (prefers-color-scheme: dark) { .ground { fill: #0f141b } .text { fill: #e9eef4 } .soft { fill: #a3b0bf } .ours { fill: #7fb0ff } .peer { fill: #66727f } .whisker { stroke: #e9eef4 } }
</style>
<rect class="ground" width="${WIDTH}" height="${height}" rx="8"/>
<text class="text title" x="20" y="34">${escaped(title)}</text>
<text class="soft" x="20" y="58">${escaped(subtitle)}</text>
${rows.join('\n')}
</svg>
`
}

function drawBar(bar: Bar, { y, scale, unit }: { y: number; scale: number; unit: string }): string {
  const [end, low, high] = [bar.value, bar.min, bar.max].map((value) => (LABELS + value * scale).toFixed(1))
  const middle = y + ROW / 2
  return `<text class="text" x="${LABELS - 10}" y="${middle + 5}" text-anchor="end">${escaped(bar.label)}</text>
<rect class="${bar.ours ? 'ours' : 'peer'}" x="${LABELS}" y="${y + 5}" width="${(bar.value * scale).toFixed(1)}" height="${ROW - 10}" rx="2"><title>${escaped(bar.label)}: ${bar.value.toFixed(1)} ${escaped(unit)}</title></rect>
<path class="whisker" d="M${low} ${middle}H${high}M${low} ${middle - 4}v8M${high} ${middle - 4}v8" fill="none"/>
<text class="text number" x="${Math.max(Number(high), Number(end)) + 8}" y="${middle + 5}">${bar.value.toFixed(0)} ${escaped(unit)}</text>`
}

const MOST_CHARACTERS = 80

const drawGap = (label: string, reason: string, y: number): string =>
  `<text class="text" x="${LABELS - 10}" y="${y + ROW / 2 + 5}" text-anchor="end">${escaped(label)}</text>
<text class="soft" x="${LABELS}" y="${y + ROW / 2 + 5}">not measured: ${escaped(reason.slice(0, MOST_CHARACTERS))}</text>`

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
