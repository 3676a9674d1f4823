import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startLocalPool, type LocalPool } from '../src/local/local-pool.ts'
import { Client } from '../test/helpers/client.ts'
import type { BenchRun } from './command.ts'
import { startUpstream, type Upstream } from './upstream.ts'

/** What all contenders of a run share. It is on the load's core, and idle while there is load. */
export interface Site extends BenchRun {
  /** For temporary files. */
  readonly folder: string
  readonly pool: LocalPool
  readonly upstream: Upstream
  /** The pool sends people back to this address from now on. */
  registerCallback(url: string): void
}

/** What the gateway needs of it, and whatever else has a pool and an application. */
export type GatewaySite = Pick<Site, 'teardown' | 'folder' | 'pool' | 'registerCallback'> & {
  readonly upstream: Pick<Upstream, 'url'>
}

export const CLIENT_ID = 'benchclient000000000000001'
export const CLIENT_SECRET = 'bench+secret/of=the+client'
export const MACHINE = { id: 'orders-batch', secret: 'orders-batch-secret', scope: 'orders/read' }
const PERSON = { username: 'alice', password: 'Passw0rd!' }

export async function startSite(run: BenchRun): Promise<Site> {
  const folder = mkdtempSync(join(tmpdir(), 'gateway-bench-'))
  run.teardown(() => rmSync(folder, { recursive: true, force: true }))
  // Servers that give up being root look for their files in it; what is secret in it has a mode of its own.
  chmodSync(folder, 0o755)
  const callbackUrls = ['http://localhost:1/unused']
  const pool = await startLocalPool({
    users: {
      [PERSON.username]: {
        password: PERSON.password,
        groups: ['admins', 'ops'],
        attributes: { email: 'alice@example.com', email_verified: 'true', name: 'Alice Example' },
      },
    },
    resourceServers: [{ identifier: 'orders', scopes: ['read'] }],
    clients: [
      {
        id: CLIENT_ID,
        secret: CLIENT_SECRET,
        flows: ['code'],
        scopes: ['openid', 'email', 'profile', MACHINE.scope],
        callbackUrls,
      },
      { id: MACHINE.id, secret: MACHINE.secret, flows: ['client_credentials'], scopes: [MACHINE.scope] },
    ],
  })
  run.teardown(async () => pool.close())
  const upstream = await startUpstream(run, folder)
  return {
    ...run,
    folder,
    pool,
    upstream,
    registerCallback(url) {
      callbackUrls.push(url)
      pool.setClient(CLIENT_ID, { callbackUrls })
    },
  }
}

let signIns = 0

/** Signs a person in at the pool, as a browser does, and returns the Cookie header that this left behind. */
export async function signIn(site: Site, url: string): Promise<string> {
  const client = new Client(site)
  // Another page each time: who signs in for the same one again and again has a browser that keeps no cookies.
  signIns += 1
  const reply = await client.signIn(`${url}/signed-in/${signIns}`, PERSON.username, PERSON.password)
  if (reply.status !== 200 || reply.text !== site.upstream.body)
    throw new Error(`signing in at ${url} led to ${reply.url} with status ${reply.status}, and not to the application`)
  return [...client.jarOf(new URL(url).host)].map(([name, value]) => `${name}=${value}`).join('; ')
}

/** An access token of a machine, by its own name and secret. */
export async function machineToken(pool: LocalPool): Promise<string> {
  const answer = await fetch(`${pool.url}/oauth2/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(`${MACHINE.id}:${MACHINE.secret}`).toString('base64')}` },
    body: new URLSearchParams({ grant_type: 'client_credentials', scope: MACHINE.scope }),
  })
  const { access_token: token } = (await answer.json()) as { access_token?: string }
  if (token === undefined) throw new Error(`the local user pool gave no token: status ${answer.status}`)
  return token
}
