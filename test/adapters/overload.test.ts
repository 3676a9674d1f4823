import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createOverload, memoryLimit, type OverloadReason } from '../../src/adapters/overload.ts'
import { root } from '../helpers/process.ts'
import { until } from '../helpers/until.ts'

const LIMIT = 100
const COLLECTION_MS = 50

/** A watch over a process whose memory and clock the test moves by hand; it looks every millisecond. */
function watched(t: { teardown(fn: () => unknown): unknown }) {
  const process = { held: 10, garbage: 0, now: 0, lateMs: 0, samples: 0, collections: 0, relieved: 0 }
  const changes: (OverloadReason | null)[] = []
  const overload = createOverload({
    everyMs: 1,
    onChange: (reason) => changes.push(reason),
    now: () => process.now,
    measure() {
      process.samples += 1
      return { heldBytes: process.held + process.garbage, limitBytes: LIMIT }
    },
    collect() {
      process.collections += 1
      process.garbage = 0
      process.now += COLLECTION_MS
    },
  })
  overload.watch(() => (process.relieved += 1))
  t.teardown(() => overload.stop())
  return { process, overload, changes }
}

t.test('RL26 short memory refuses requests until enough of it is free again, and not at the first byte', async (t) => {
  const { process, overload, changes } = watched(t)
  process.held = 89
  const before = process.samples
  await until(() => process.samples > before + 3)
  t.equal(overload.reason, null)
  process.held = 90
  await until(() => overload.reason === 'memory')
  await until(() => process.relieved > 3)
  process.held = 80
  const seen = process.samples
  await until(() => process.samples > seen + 6)
  t.equal(overload.reason, 'memory', 'between the two bounds nothing changes')
  process.held = 79
  await until(() => overload.reason === null)
  t.same(changes, ['memory', null], 'each change is told once')
})

t.test('RL26 garbage is collected before anybody is refused, and never all the time', async (t) => {
  const { process, overload, changes } = watched(t)
  process.garbage = 85
  await until(() => process.collections === 1)
  t.equal(overload.reason, null)
  process.held = 95
  await until(() => overload.reason === 'memory')
  const before = process.samples
  await until(() => process.samples > before + 10)
  t.equal(process.collections, 1, 'no second collection before twenty times its own time')
  process.held = 20
  process.garbage = 75
  process.now += 20 * COLLECTION_MS + 1
  await until(() => overload.reason === null)
  t.equal(process.collections, 2, 'what is garbage by now holds nobody up')
  t.same(changes, ['memory', null])
})

t.test('D19 an event loop that is late again and again refuses requests, a single long pause does not', async (t) => {
  const late = [1_500, 1_500, 1_500, 1_500]
  const lateness = [0, 60_000, 0, ...late, 0, ...late, 1_500]
  let now = 0
  let asked = 0
  const changes: (readonly [number, OverloadReason | null])[] = []
  const overload = createOverload({
    everyMs: 1,
    onChange: (reason) => changes.push([asked / 2, reason]),
    // Asked twice for each look: at its beginning and at its end.
    now() {
      if (asked % 2 === 1) now += 1 + (lateness[(asked - 1) / 2] ?? 0)
      asked += 1
      return now
    },
    measure: () => ({ heldBytes: 1, limitBytes: LIMIT }),
    collect: () => t.fail('nothing to collect'),
  })
  t.teardown(() => overload.stop())
  overload.watch(() => t.fail('memory is not short'))
  await until(() => changes.length > 1)
  t.same(
    changes,
    [
      [lateness.length, 'event_loop'],
      [lateness.length + 1, null],
    ],
    'from the last late look on, until one is in time',
  )
})

t.test('RL26 what V8 says of a process that does little is far from the limit', async (t) => {
  let told = 0
  const overload = createOverload({ everyMs: 1, onChange: () => (told += 1) })
  t.teardown(() => overload.stop())
  overload.watch(() => t.fail('memory is not short'))
  const before = performance.now()
  await until(() => performance.now() - before > 50)
  t.equal(overload.reason, null)
  t.equal(told, 0)
})

t.test(
  'RL26 in a small container there is room for what is neither heap nor buffers, and most of the rest may be held',
  async (t) => {
    const MIB = 1_048_576
    // Memory of the container, and V8's limit in it, as Node 24 tells it.
    for (const [memory, heap] of [
      [256, 259],
      [512, 259],
      [768, 432],
      [1_024, 560],
      [4_096, 2_240],
    ] as const) {
      const limit = memoryLimit(heap * MIB, memory * MIB) / MIB
      t.ok(limit > 0.4 * memory && limit < 0.75 * memory && limit <= heap, `${limit} of ${memory} MiB`)
    }
    t.equal(memoryLimit(64 * MIB, Infinity), 16 * MIB, 'a young generation that was made smaller leaves a quarter')
  },
)

t.test('README tells how much may be held in a container of the image', (t) => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  // The figures are those of the image's Node; the older ones have another young generation.
  const image = [
    [256, 259],
    [512, 259],
    [1_024, 560],
  ] as const
  for (const [memory, heap] of Number.parseInt(process.versions.v8, 10) >= 13 ? image : image.slice(0, 1))
    t.match(readme, `${Math.floor((0.9 * memoryLimit(heap * 1_048_576, memory * 1_048_576)) / 1_048_576)} MiB`)
  t.end()
})
