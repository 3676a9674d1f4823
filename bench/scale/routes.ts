import { startForPeople } from '../contenders/gateway.ts'
import { spreadOf } from '../statistics.ts'
import { interleave, NO_GROWTH, pairwise, type Topic } from './topic.ts'

const PAGES = 1_000

export const routes: Topic = {
  name: 'routes',
  asks: 'what a thousand routes cost, where there were ten',
  async run(site, effort) {
    const variant = async (count: number) => {
      const running = await startForPeople(site, {
        name: `routes-${count}`,
        settings: { applications: { app: applicationWith(count, site.upstream.url) } },
      })
      const paths = Array.from({ length: PAGES }, (_, page) => `/area-${page % count}/page-${page}`)
      return { running, load: async () => ({ connections: 64, headers: await running.signIn(), paths }) }
    }
    const variants = { '10 routes': await variant(10), '1,000 routes': await variant(1_000) }
    const found = await interleave(site, effort, variants)
    const ratio = spreadOf(pairwise(found['1,000 routes'], found['10 routes'], (many, few) => many / few))
    for (const { running } of Object.values(variants)) await running.program.stop()
    return [
      {
        what: 'CPU per request with 1,000 routes, against 10',
        measured: `${ratio.median.toFixed(2)} × (${ratio.min.toFixed(2)} – ${ratio.max.toFixed(2)})`,
        target: `no growth (≤ ${NO_GROWTH} ×)`,
        reached: ratio.median <= NO_GROWTH,
        figures: { ratio: ratio.median },
      },
    ]
  },
}

function applicationWith(count: number, upstream: string): Readonly<Record<string, unknown>> {
  const areas = Array.from({ length: count }, (_, area) => [
    `area-${area}`,
    { path: `/area-${area}/*`, access: area % 2 === 0 ? 'signedIn' : [{ groups: ['admins'] }] },
  ])
  return { upstream, access: 'signedIn', routes: Object.fromEntries(areas) }
}
