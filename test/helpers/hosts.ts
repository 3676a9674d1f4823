import { startWorld, type World, type WorldOptions } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

export interface Hosts extends World {
  /** The address of an application by its number; each has a host of its own. */
  at(number: number, path?: string): string
}

/** Applications on hosts of their own; the second is for admins only, and each wants a sign-in of the last ten minutes at /pay. */
export async function startHosts(t: Teardown, count: number, options: WorldOptions = {}): Promise<Hosts> {
  const numbers = Array.from({ length: count }, (_, at) => at + 1)
  const applications = Object.fromEntries(
    numbers.map((number) => [
      `app${number}`,
      {
        hosts: [`app${number}.localhost`],
        upstream: '%UPSTREAM%',
        access: number === 2 ? [{ groups: ['admins'] }] : 'signedIn',
        signOut: { paths: ['/logout'] },
        routes: { pay: { path: '/pay', access: [{ signedInWithinSeconds: 600 }] } },
      },
    ]),
  )
  const home = { upstream: '%UPSTREAM%', access: 'signedIn' }
  const world = await startWorld(t, {
    ...options,
    settings: { ...options.settings, applications: { home, ...applications } },
  })
  return { ...world, at: (number, path = '/') => `http://app${number}.localhost:${world.port}${path}` }
}
