import { startGatewayProgram } from '../contenders/gateway.ts'
import { spreadOf } from '../statistics.ts'
import type { Topic } from './topic.ts'

const MOST_MS = 1_000

export const coldStart: Topic = {
  name: 'cold-start',
  asks: 'how long the program takes from its start until it is ready, with the keys of the user pool fetched',
  async run(site, { repetitions }) {
    const times: number[] = []
    for (let repetition = 1; repetition <= repetitions; repetition += 1) {
      const { program, readyMs } = await startGatewayProgram(site, { name: `cold-start-${repetition}` })
      await program.stop()
      times.push(readyMs)
      site.progress(`  ${repetition}/${repetitions}  ${readyMs.toFixed(0)} ms`)
    }
    const { median, min, max } = spreadOf(times)
    return [
      {
        what: 'from start to ready',
        measured: `${median.toFixed(0)} ms (${min.toFixed(0)} – ${max.toFixed(0)})`,
        target: `≤ ${MOST_MS} ms`,
        reached: median <= MOST_MS,
        figures: { milliseconds: median },
      },
    ]
  },
}
