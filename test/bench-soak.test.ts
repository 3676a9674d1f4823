import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { drawLines } from '../bench/line-chart.ts'
import { missingPrograms } from '../bench/programs.ts'
import type { Sample } from '../bench/soak/sampler.ts'
import { judge, type Evidence } from '../bench/soak/verdict.ts'
import { runCommand } from './helpers/process.ts'

const skip = missingPrograms('taskset', 'getconf') ?? (cpus().length < 2 ? 'gateway and load need a core each' : false)

/** Ten minutes of samples; `more` says what differs from a gateway that stays as it is. */
function soakOf(more: (seconds: number) => Partial<Sample>, after: Partial<Evidence> = {}): Evidence {
  const samples = Array.from({ length: 300 }, (_, nth) => {
    const seconds = (nth + 1) * 2
    return {
      seconds,
      // Collected every half minute.
      rssMiB: 150 + (seconds % 30) / 10,
      heapMiB: 50 + (seconds % 30),
      descriptors: 200 + (nth % 7),
      sockets: 180,
      inFlight: 10,
      p99Ms: 5,
      own: [
        [0.005, seconds * 100],
        [Number.POSITIVE_INFINITY, seconds * 100],
      ] as const,
      cpuPercent: 20,
      ...more(seconds),
    }
  })
  return {
    samples,
    descriptorsBefore: 23,
    descriptorsAfter: 23,
    inFlightAfter: 0,
    unexpected: 0,
    skipped: 0,
    total: 100_000,
    ...after,
  }
}

const broken = (evidence: Evidence): readonly string[] =>
  judge(evidence)
    .filter(({ holds }) => !holds)
    .map(({ what }) => what)

t.test('RL27 a gateway that ends as it began is flat, whatever it did while it warmed up', async (t) => {
  t.same(broken(soakOf(() => ({}))), [])
  t.same(
    broken(
      soakOf((seconds) =>
        seconds < 230 ? { rssMiB: 80 + seconds / 3, heapMiB: 20 + seconds / 10, descriptors: 30 } : {},
      ),
    ),
    [],
  )
})

t.test('RL27 each kind of growth breaks its bound, and no other', async (t) => {
  const slow = (seconds: number): Sample['own'] => [
    [0.005, seconds < 400 ? seconds * 100 : 40_000],
    [0.01, seconds * 100],
    [Number.POSITIVE_INFINITY, seconds * 100],
  ]
  const cases: readonly (readonly [string, Evidence])[] = [
    ['memory (RSS)', soakOf((seconds) => ({ rssMiB: 150 + seconds / 30 }))],
    ['heap', soakOf((seconds) => ({ heapMiB: 50 + seconds / 30 }))],
    ['open descriptors', soakOf((seconds) => ({ descriptors: 50 + seconds }))],
    ["the gateway's own time", soakOf((seconds) => ({ own: slow(seconds) }))],
    ['descriptors before', soakOf(() => ({}), { descriptorsAfter: 26 })],
    ['requests in flight', soakOf(() => ({}), { inFlightAfter: 1 })],
    ['visits that ended', soakOf(() => ({}), { unexpected: 1 })],
    ['visits left out', soakOf(() => ({}), { skipped: 101 })],
  ]
  for (const [what, evidence] of cases) {
    const [one = '', ...others] = broken(evidence)
    t.ok(one.startsWith(what), `${what}: ${one}`)
    t.same(others, [])
  }
})

t.test('a chart of lines holds every line in its panel, and its words as text', async (t) => {
  const svg = drawLines({
    title: 'One & two',
    subtitle: 'three',
    xUnit: 'min',
    before: { x: 3, label: 'warm-up' },
    panels: [
      {
        unit: 'MiB',
        lines: [
          {
            label: 'RSS',
            points: [
              [0, 10],
              [10, 130],
            ],
          },
        ],
      },
    ],
  })
  t.match(svg, 'One &amp; two')
  t.match(svg, /<path class="line line0" d="M64\.0 [\d.]+L840\.0 [\d.]+"\/>/)
  t.match(svg, '>200<', 'the axis ends above the largest value')
  t.match(svg, 'prefers-color-scheme: dark')
})

t.test(
  'npm run bench -- soak runs every kind of visit, each ends as expected, and nothing is left behind',
  { skip },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'bench-'))
    t.teardown(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'soak.json')
    const least = ['--minutes', '0.1', '--people', '5', '--rate', '50']
    const run = runCommand(t, ['soak', ...least, '--json', file], {
      script: 'build/bench/main.js',
      env: { TMPDIR: folder },
    })
    await run.ended
    const found = JSON.parse(readFileSync(file, 'utf8'))
    t.same(found.unexpected, [], run.err())
    const kinds = found.kinds.map(({ kind }: { kind: string }) => kind)
    for (const kind of [
      'pages by session',
      'slow readers',
      'WebSockets',
      'event streams',
      'application: reset',
      'sign-in',
    ])
      t.ok(kinds.includes(kind), kind)
    t.ok(found.samples.length >= 2)
    t.ok(found.refreshes > 0, 'tokens were renewed meanwhile')
    const held = (what: string): boolean =>
      found.judgements.find((one: { what: string; holds: boolean }) => one.what.startsWith(what))?.holds
    t.ok(held('descriptors before'))
    t.ok(held('requests in flight'))
    t.match(run.out(), /^\| memory \(RSS\), slope after warm-up +\|/m)
    t.same(readdirSync(folder), ['soak.json'])
  },
)
