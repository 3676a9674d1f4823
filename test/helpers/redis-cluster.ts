import { redisCli, startRedis, type RedisServer } from './redis.ts'
import { until } from './until.ts'
import { freePort } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface RedisCluster {
  readonly url: string
  readonly nodes: readonly RedisServer[]
  keysOn(node: RedisServer): ReadonlySet<string>
  /** Moves the part of the cluster in which a key lies to another node, key by key, as an operator would. */
  move(key: string, way: { readonly from: RedisServer; readonly to: RedisServer }): void
}

const SLOTS = 16_384

/** Three masters without replicas, each with a third; what lies on one that is gone cannot be reached, and the rest can. */
export async function startCluster(t: Teardown): Promise<RedisCluster> {
  const nodes: RedisServer[] = []
  const buses: number[] = []
  for (let nth = 0; nth < 3; nth += 1) {
    const bus = await freePort()
    buses.push(bus)
    const options = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-port', String(bus)]
    nodes.push(await startRedis(t, [...options, '--cluster-require-full-coverage', 'no']))
  }
  const share = Math.ceil(SLOTS / nodes.length)
  for (const [nth, { port }] of nodes.entries()) {
    const last = Math.min((nth + 1) * share, SLOTS) - 1
    redisCli(port, 'cluster', 'addslotsrange', String(nth * share), String(last))
    redisCli(port, 'cluster', 'set-config-epoch', String(nth + 1))
  }
  const [first] = nodes
  for (const [nth, { port }] of nodes.entries())
    if (first !== undefined && nth > 0)
      redisCli(first.port, 'cluster', 'meet', '127.0.0.1', String(port), String(buses[nth]))
  await until(() =>
    nodes.every(({ port }) => {
      const info = redisCli(port, 'cluster', 'info')
      return (
        info.includes('cluster_state:ok') &&
        info.includes('cluster_known_nodes:3') &&
        info.includes('cluster_slots_ok:16384')
      )
    }),
  )

  const slotOf = (key: string): number => Number(redisCli(nodes[0]?.port ?? 0, 'cluster', 'keyslot', key))
  return {
    url: `redis+cluster://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    nodes,
    keysOn: ({ port }) => new Set(redisCli(port, 'keys', '*').split('\n')),
    move(key, { from, to }) {
      const slot = String(slotOf(key))
      const [fromId, toId] = [from, to].map(({ port }) => redisCli(port, 'cluster', 'myid'))
      if (fromId === undefined || toId === undefined) return
      redisCli(to.port, 'cluster', 'setslot', slot, 'importing', fromId)
      redisCli(from.port, 'cluster', 'setslot', slot, 'migrating', toId)
      for (const one of redisCli(from.port, 'cluster', 'getkeysinslot', slot, '100').split('\n'))
        redisCli(from.port, 'migrate', '127.0.0.1', String(to.port), one, '0', '1000')
      for (const { port } of [to, from]) redisCli(port, 'cluster', 'setslot', slot, 'node', toId)
    },
  }
}
