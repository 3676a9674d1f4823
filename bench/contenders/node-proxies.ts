import { join } from 'node:path'
import { freePort } from '../../test/helpers/world.ts'
import { packageVersion } from '../machine.ts'
import { PROXY_CORE, startProgram } from '../programs.ts'
import type { Site } from '../site.ts'
import type { Contender, Running } from './contender.ts'

/** Runs one of the small programs beside this file. */
async function startBare(site: Site, file: string): Promise<Running> {
  const port = await freePort()
  const script = join(import.meta.dirname, file)
  const program = startProgram(site, [process.execPath, script, String(port), site.upstream.url], { core: PROXY_CORE })
  await program.listens(port)
  return { program, port, signIn: async () => ({ Cookie: 'theme=dark' }) }
}

export const floor: Contender = {
  name: 'floor',
  does: 'node:http and undici.dispatch, no features at all',
  guards: false,
  signsIn: false,
  unavailable: () => undefined,
  version: () => `undici ${packageVersion('undici')}`,
  start: async (site) => startBare(site, 'floor-server.js'),
}

export const stock: Contender = {
  name: 'stock',
  does: 'Fastify with @fastify/http-proxy, no sign-in',
  guards: false,
  signsIn: false,
  unavailable: () => undefined,
  version: () => `fastify ${packageVersion('fastify')}, http-proxy ${packageVersion('@fastify/http-proxy')}`,
  start: async (site) => startBare(site, 'stock-server.js'),
}
