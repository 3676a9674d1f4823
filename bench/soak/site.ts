import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalPool } from '../../src/local/local-pool.ts'
import type { BenchRun } from '../command.ts'
import { startGatewayProgram, type RunningGateway } from '../contenders/gateway.ts'
import { CLIENT_ID, CLIENT_SECRET, MACHINE, type GatewaySite } from '../site.ts'
import { startSoakApplication, type SoakApplication } from './application.ts'

export const PASSWORD = 'Passw0rd!'
export const emailOf = (name: string): string => `${name}@example.com`

/** Short lives, so that within minutes everything is renewed, forgotten and begun again many times over. */
const ACCESS_TOKEN_SECONDS = 8
const RECHECK_SECONDS = 3
const MAX_AGE_SECONDS = 180

/** A limit as a container has one: without it V8 collects the later, the more memory the machine has, and memory seems to grow. */
const HEAP_MIB = 192

export interface SoakSite extends GatewaySite {
  readonly application: SoakApplication
  readonly gateway: RunningGateway
}

/** A local user pool with these people, an application, and the real program between them. */
export async function startSoakSite(run: BenchRun, names: readonly string[]): Promise<SoakSite> {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-soak-'))
  run.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const application = await startSoakApplication(run)
  const pool = await startPool(names)
  run.teardown(async () => pool.close())
  const site: GatewaySite = {
    teardown: run.teardown,
    folder,
    pool,
    upstream: application,
    registerCallback: (url) =>
      void pool.setClient(CLIENT_ID, {
        callbackUrls: [url],
        logoutUrls: [url.replace(/\/callback$/, '/signed_out')],
      }),
  }
  const gateway = await startGatewayProgram(site, {
    name: 'gateway',
    node: [`--max-old-space-size=${HEAP_MIB}`],
    settings: { applications: { app: applicationBehind(application.url) } },
    session: {
      recheckSeconds: RECHECK_SECONDS,
      maxAgeSeconds: MAX_AGE_SECONDS,
      idleTimeoutSeconds: MAX_AGE_SECONDS,
    },
  })
  return { ...site, application, gateway }
}

async function startPool(names: readonly string[]): ReturnType<typeof startLocalPool> {
  return startLocalPool({
    users: Object.fromEntries(
      names.map((name) => [
        name,
        { password: PASSWORD, groups: ['people'], attributes: { email: emailOf(name), email_verified: 'true' } },
      ]),
    ),
    resourceServers: [{ identifier: 'orders', scopes: ['read'] }],
    clients: [
      {
        id: CLIENT_ID,
        secret: CLIENT_SECRET,
        flows: ['code'],
        scopes: ['openid', 'email', 'profile', MACHINE.scope],
        callbackUrls: ['http://localhost:1/unused'],
        accessTokenSeconds: ACCESS_TOKEN_SECONDS,
      },
      {
        id: MACHINE.id,
        secret: MACHINE.secret,
        flows: ['client_credentials'],
        scopes: [MACHINE.scope],
        accessTokenSeconds: 60,
      },
    ],
  })
}

function applicationBehind(url: string): object {
  return {
    upstream: { url, connections: 512 },
    access: 'signedIn',
    routes: {
      late: { path: '/fail/late', upstream: { url, responseSeconds: 1, connections: 512 } },
      public: { path: '/public/*', access: 'public' },
      orders: { path: '/api/orders/*', access: [{ scopes: [MACHINE.scope] }] },
      admin: { path: '/admin/*', access: [{ groups: ['admins'] }] },
    },
  }
}
