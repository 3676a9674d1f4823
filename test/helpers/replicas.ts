import type { AskOptions, Client, Reply } from './client.ts'
import { freePort, startServing, type Serving, type World } from './world.ts'

interface Teardown {
  teardown(fn: () => unknown): unknown
}

/** One more gateway with the settings of a world, as behind one load balancer: same public address, pool, keys and clock, another port. */
export interface Replica extends Serving {
  readonly port: number
  /** Where this replica is asked. Its pages and redirects name the public address. */
  readonly url: string
  /** One request here with the cookies that this client has for the public address. */
  ask(client: Client, path: string, options?: AskOptions): Promise<Reply>
}

/** `environment` changes settings of this replica alone, as variables do in life. */
export async function startReplica(
  t: Teardown,
  world: World,
  environment: Readonly<Record<string, string>> = {},
): Promise<Replica> {
  const port = await freePort()
  const url = `http://localhost:${port}`
  const { host } = new URL(world.url)
  const serving = await startServing(t, world, { ...environment, COGNITO_GATEWAY__LISTEN__PORT: String(port) })
  return {
    ...serving,
    port,
    url,
    async ask(client, path, options) {
      client.cookies.set(new URL(url).host, client.jarOf(host))
      return client.ask(url + path, options)
    },
  }
}
