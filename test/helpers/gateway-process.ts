import { runCommand, type Run } from './process.ts'
import type { World } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface GatewayProcess extends Run {
  readonly adminUrl: string
  metrics(): Promise<string>
}

/** The gateway of a world once more, in a process of its own as people run it; the one in the test's process is closed for it. */
export async function serveApart(
  t: Teardown,
  world: Pick<World, 'gateway' | 'settingsFile'>,
  options: { readonly node?: readonly string[] } = {},
): Promise<GatewayProcess> {
  await world.gateway.close()
  const run = runCommand(t, ['serve', '--config', world.settingsFile], options)
  // The line of one of several workers has no such port: the last to come is that of the whole.
  await run.shows(/"adminPort":\d+/)
  const adminUrl = `http://127.0.0.1:${/"adminPort":(\d+)/.exec(run.out())?.[1] ?? ''}`
  return { ...run, adminUrl, metrics: async () => (await fetch(`${adminUrl}/metrics`)).text() }
}

/** The value of one series, by its name and labels as they stand in the exposition. */
export function valueOf(metrics: string, series: string): number {
  const line = metrics.split('\n').find((one) => one.startsWith(`${series} `))
  return Number(line?.slice(series.length + 1) ?? Number.NaN)
}
