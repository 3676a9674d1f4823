import { startForPeople, type RunningGateway } from '../contenders/gateway.ts'
import type { Load } from '../measure.ts'
import { signIn, type Site } from '../site.ts'
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
    // A process of its own for what is never remembered: what that leaves behind would be paid by the others.
    const gateway = await startForPeople(site, { name: 'sessions' })
    const forgetful = await startForPeople(site, { name: 'sessions-forgotten' })
    const load = (running: RunningGateway, count: number, area: string) => async () => {
      // Anew for each repetition, because a session that was not seen for minutes is written again.
      const minting = { settingsFile: running.settingsFile, cookie: await signIn(site, running.url), count }
      const paths = Array.from({ length: 8 }, (_, page) => `/${area}/page-${page}`)
      const load = { connections: 64, headers: {}, cookiesFile: await mintSessions(site, minting), paths }
      if (count <= REMEMBERED) await visitAll(site, running, { ...load, count })
      return load
    }
    const found = await interleave(site, effort, {
      'nobody asked (public)': { running: gateway, load: load(gateway, REMEMBERED, 'public') },
      '1 session': { running: gateway, load: load(gateway, 1, 'inside') },
      [`${REMEMBERED} sessions`]: { running: gateway, load: load(gateway, REMEMBERED, 'inside') },
      [`${FORGOTTEN} sessions`]: { running: forgetful, load: load(forgetful, FORGOTTEN, 'inside') },
    })
    for (const { program } of [gateway, forgetful]) await program.stop()
    const cost = (name: keyof typeof found): Spread =>
      spreadOf(pairwise(found[name], found['nobody asked (public)'], (one, other) => one - other))
    return [
      judged('one session, always remembered', cost('1 session'), HIT_MICROS),
      judged(`${REMEMBERED.toLocaleString('en')} sessions, all remembered`, cost(`${REMEMBERED} sessions`), HIT_MICROS),
      judged(`${FORGOTTEN.toLocaleString('en')} sessions, none remembered`, cost(`${FORGOTTEN} sessions`), MISS_MICROS),
    ]
  },
}

/** Lets every session come by once, so that it is remembered: each run of wrk begins with the first. */
async function visitAll(
  site: Site,
  running: RunningGateway,
  { count, ...load }: Omit<Load, 'seconds'> & { count: number },
) {
  const headers = { Host: `localhost:${running.port}` }
  for (let seconds = 1; ; seconds *= 2) {
    const options = { folder: site.folder, port: running.port, ...load, headers, seconds }
    if ((await runLoad(site, options)).requests > count) return
  }
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
