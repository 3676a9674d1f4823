import { startGatewayProgram } from '../contenders/gateway.ts'
import { signIn } from '../site.ts'
import { spreadOf, type Spread } from '../statistics.ts'
import { runLoad } from '../wrk.ts'
import { mintSessions } from './minted-sessions.ts'
import { interleave, pairwise, type Finding, type Topic } from './topic.ts'

// The store remembers 10,000: so many are always remembered, and of so many that come in turn none ever is.
const REMEMBERED = 5_000
const FORGOTTEN = 100_000

const HIT_MICROS = 3
const MISS_MICROS = 15

export const sessions: Topic = {
  name: 'sessions',
  asks: 'what a session costs that is remembered, and one that is not',
  async run(site, effort) {
    const gateway = await startGatewayProgram(site, { name: 'sessions' })
    const running = { ...gateway, signIn: async () => ({}) }
    const minted = async (count: number) =>
      mintSessions(site, { settingsFile: gateway.settingsFile, cookie: await signIn(site, gateway.url), count })
    const paths = (area: string) => Array.from({ length: 8 }, (_, page) => `/${area}/page-${page}`)
    const load = (count: number, area: string) => async () => {
      // Anew for each repetition, because a session that was not seen for minutes is written again.
      const load = {
        connections: 64,
        headers: { Host: `localhost:${gateway.port}` },
        cookiesFile: await minted(count),
        paths: paths(area),
      }
      // So that those who can be remembered are.
      if (count <= REMEMBERED) await runLoad(site, { folder: site.folder, port: gateway.port, seconds: 1, ...load })
      return load
    }
    const found = await interleave(site, effort, {
      'nobody asked (public)': { running, load: load(REMEMBERED, 'public') },
      '1 session': { running, load: load(1, 'inside') },
      [`${REMEMBERED} sessions`]: { running, load: load(REMEMBERED, 'inside') },
      [`${FORGOTTEN} sessions`]: { running, load: load(FORGOTTEN, 'inside') },
    })
    await gateway.program.stop()
    const cost = (name: keyof typeof found): Spread =>
      spreadOf(pairwise(found[name], found['nobody asked (public)'], (one, other) => one - other))
    return [
      judged('one session, always remembered', cost('1 session'), HIT_MICROS),
      judged(`${REMEMBERED.toLocaleString('en')} sessions, all remembered`, cost(`${REMEMBERED} sessions`), HIT_MICROS),
      judged(`${FORGOTTEN.toLocaleString('en')} sessions, none remembered`, cost(`${FORGOTTEN} sessions`), MISS_MICROS),
    ]
  },
}

function judged(what: string, { median, min, max }: Spread, most: number): Finding {
  return {
    what: `CPU per request beside the proxying: ${what}`,
    measured: `${median.toFixed(1)} µs (${min.toFixed(1)} – ${max.toFixed(1)})`,
    target: `≤ ${most} µs`,
    reached: median <= most,
    figures: { micros: median },
  }
}
