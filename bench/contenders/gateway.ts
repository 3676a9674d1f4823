import { randomBytes } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../../test/helpers/world.ts'
import { packageFolder, packageVersion } from '../machine.ts'
import { pause, PROXY_CORE, startProgram, type Program } from '../programs.ts'
import { CLIENT_ID, CLIENT_SECRET, MACHINE, machineToken, signIn, type GatewaySite, type Site } from '../site.ts'
import type { Contender, Running } from './contender.ts'

export interface GatewayOptions {
  readonly name: string
  /** Settings to add or replace. */
  readonly settings?: Readonly<Record<string, unknown>>
  /** Settings of sessions beside their key. */
  readonly session?: Readonly<Record<string, unknown>>
  /** Flags of Node. */
  readonly node?: readonly string[]
}

export interface RunningGateway {
  readonly program: Program
  readonly port: number
  readonly url: string
  readonly adminUrl: string
  readonly settingsFile: string
  /** How long it took from its start until it was ready. */
  readonly readyMs: number
}

/** Our program as it is deployed: one worker, everything on that is on by default, its log lines to where nobody keeps them. */
export async function startGatewayProgram(site: GatewaySite, options: GatewayOptions): Promise<RunningGateway> {
  const folder = join(site.folder, options.name)
  mkdirSync(folder)
  const [port, adminPort] = [await freePort(), await freePort()]
  const url = `http://localhost:${port}`
  site.registerCallback(`${url}/oauth2/callback`)
  const settingsFile = writeSettings(folder, { site, url, port, adminPort, ...options })
  const main = join(packageFolder, 'dist', 'main.js')
  const command = [process.execPath, ...(options.node ?? []), main, 'serve', '--config', settingsFile]
  const started = performance.now()
  const program = startProgram(site, command, { core: PROXY_CORE })
  await program.listens(adminPort)
  const adminUrl = `http://127.0.0.1:${adminPort}`
  while (!(await fetch(`${adminUrl}/readyz`)).ok) await pause(5)
  const readyMs = performance.now() - started
  return { program, readyMs, port, url, adminUrl, settingsFile }
}

interface SettingsParts {
  readonly site: GatewaySite
  readonly url: string
  readonly port: number
  readonly adminPort: number
  readonly settings?: Readonly<Record<string, unknown>>
  readonly session?: Readonly<Record<string, unknown>>
}

function writeSettings(folder: string, { site, url, port, adminPort, ...more }: SettingsParts): string {
  writeFileSync(join(folder, 'session-key'), randomBytes(32).toString('base64url'), { mode: 0o600 })
  writeFileSync(join(folder, 'client-secret'), CLIENT_SECRET, { mode: 0o600 })
  const settings = {
    publicUrl: url,
    listen: { host: '127.0.0.1', port },
    admin: { host: '127.0.0.1', port: adminPort },
    session: { keys: [{ file: 'session-key' }], ...more.session },
    // Everybody signs in from this machine.
    limits: { signInsPerMinutePerAddress: 100_000 },
    shutdown: { drainDelaySeconds: 0, shutdownTimeoutSeconds: 2 },
    pools: {
      local: {
        userPoolId: site.pool.userPoolId,
        issuer: site.pool.issuer,
        clientId: CLIENT_ID,
        clientSecret: { file: 'client-secret' },
        scopes: ['openid', 'email', 'profile', MACHINE.scope],
        bearerClients: [MACHINE.id],
      },
    },
    applications: { app: applicationOf(site.upstream.url) },
    ...more.settings,
  }
  const file = join(folder, 'gateway.yaml')
  // YAML is a superset of JSON.
  writeFileSync(file, JSON.stringify(settings, null, 2))
  return file
}

/** An application whose routes have rules of several kinds; people of the group and machines of the scope may have all of it. */
export function applicationOf(upstream: string): Readonly<Record<string, unknown>> {
  return {
    upstream,
    access: [{ groups: ['admins'] }, { scopes: [MACHINE.scope] }],
    routes: {
      public: { path: '/public/*', access: 'public' },
      orders: { path: '/api/orders/*', access: [{ scopes: [MACHINE.scope] }] },
      projects: { path: '/projects/:name/*', access: [{ groups: ['ops'] }, { scopes: [MACHINE.scope] }] },
    },
  }
}

const ours = {
  guards: true,
  signsIn: true,
  unavailable: () => undefined,
  version: () => packageVersion('.'),
}

/** With the session of a person who signs in. */
export async function startForPeople(site: Site, options: GatewayOptions): Promise<Running & RunningGateway> {
  const gateway = await startGatewayProgram(site, options)
  return { ...gateway, signIn: async () => ({ Cookie: await signIn(site, gateway.url) }) }
}

/** With the access token of a machine. */
export async function startForMachines(site: Site, options: GatewayOptions): Promise<Running & RunningGateway> {
  const gateway = await startGatewayProgram(site, options)
  return { ...gateway, signIn: async () => ({ Authorization: `Bearer ${await machineToken(site.pool)}` }) }
}

export const gateway: Contender = {
  ...ours,
  name: 'gateway',
  does: 'Cognito Gateway with a session, everything on',
  start: async (site) => startForPeople(site, { name: 'gateway' }),
}

export const gatewayBearer: Contender = {
  ...ours,
  name: 'gateway-bearer',
  does: "Cognito Gateway with a machine's access token, everything on",
  start: async (site) => startForMachines(site, { name: 'gateway-bearer' }),
}
