import { startForPeople } from '../contenders/gateway.ts'
import { spreadOf } from '../statistics.ts'
import { interleave, NO_GROWTH, pairwise, type Topic } from './topic.ts'

const ADDRESSES = 5_000

export const addresses: Topic = {
  name: 'addresses',
  asks: 'what many client addresses cost, told by a trusted proxy in front',
  async run(site, effort) {
    const running = await startForPeople(site, {
      name: 'addresses',
      settings: { trustedProxies: [{ cidr: '127.0.0.0/8', headers: ['for'] }] },
    })
    const load = (count: number) => async () => ({ connections: 64, headers: await running.signIn(), addresses: count })
    const found = await interleave(site, effort, {
      'one address': { running, load: load(1) },
      'many addresses': { running, load: load(ADDRESSES) },
    })
    await running.program.stop()
    const ratio = spreadOf(pairwise(found['many addresses'], found['one address'], (many, one) => many / one))
    return [
      {
        what: `CPU per request with ${ADDRESSES.toLocaleString('en')} client addresses, against one`,
        measured: `${ratio.median.toFixed(2)} × (${ratio.min.toFixed(2)} – ${ratio.max.toFixed(2)})`,
        target: `no growth (≤ ${NO_GROWTH} ×)`,
        reached: ratio.median <= NO_GROWTH,
        figures: { ratio: ratio.median },
      },
    ]
  },
}
